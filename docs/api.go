package docs

// What follows is about the API as a whole; the generator reads it with the annotations of the handlers.
//
//	@title						Shopping cart
//	@version					1.0
//	@description				A headless cart and checkout engine: carts become paid orders, exactly once.
//	@description
//	@description				Money is integer minor units with an ISO 4217 currency. Times are RFC 3339 in UTC. Unknown request fields are refused.
//	@description				Errors are `application/problem+json` (RFC 9457) with a stable `code`. Every answer carries `X-Request-Id`.
//	@description
//	@description				To try it here, as the tour does:
//	@description				1. Authorize with an operator's token (`shopping-cart token --admin` prints one) and put a product: `PUT /v1/products/{sku}`.
//	@description				2. Open a session (`POST /v1/sessions`), press Authorize again, log out, and enter its token: now you are a guest.
//	@description				3. Open a cart (`POST /v1/carts`) and add an item (`POST /v1/carts/{id}/items`).
//	@description				4. Check out (`POST /v1/carts/{id}/checkout`) with a new `Idempotency-Key`, the cart's version in quotes as `If-Match`, and `sim_ok` as the payment method.
//	@description				5. Read the order (`GET /v1/orders/{id}`).
//	@BasePath					/
//	@accept						json
//	@produce					json
//	@securityDefinitions.apikey	BearerAuth
//	@in							header
//	@name						Authorization
