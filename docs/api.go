package docs

// What follows is about the API as a whole; the generator reads it with the annotations of the handlers.
//
//	@title						Shopping cart
//	@version					1.0
//	@description				A headless cart and checkout engine: carts become paid orders, exactly once.
//	@description
//	@description				Money is integer minor units with an ISO 4217 currency. Times are RFC 3339 in UTC. Unknown request fields are refused.
//	@description				Errors are `application/problem+json` with a stable `code`. Every answer carries `X-Request-Id`.
//	@description				To try it: open a session (`POST /v1/sessions`), then paste its token under Authorize.
//	@BasePath					/
//	@accept						json
//	@produce					json
//	@securityDefinitions.apikey	BearerAuth
//	@in							header
//	@name						Authorization
