package docs

// About the API.
//
//	@title						Sample
//	@version					1.0
//	@BasePath					/
//	@accept						json
//	@produce					json
//	@securityDefinitions.apikey	BearerAuth
//	@in							header
//	@name						Authorization
