package main

import "github.com/getkin/kin-openapi/openapi3"

const bearer = "BearerAuth"

const howToAuthorize = "A guest's token from `POST /v1/sessions`, or an operator's: `shopping-cart token --admin` prints one. " +
	"The scope `admin` includes all others. Without the word Bearer."

// tags are the subjects of the API, in the order in which a user needs them.
var tags = openapi3.Tags{
	{Name: "sessions", Description: "Who shops"},
	{Name: "products", Description: "The price book"},
	{Name: "carts", Description: "What a shopper is about to buy"},
	{Name: "checkouts", Description: "How a cart becomes a paid order"},
	{Name: "orders", Description: "What was bought"},
	{Name: "payments", Description: "What was charged"},
	{Name: "stock", Description: "What can be sold: for operators"},
	{Name: "operators", Description: "What happened, and why: for operators"},
	{Name: "simulator", Description: "The bank of the simulated payments"},
	{Name: "provider", Description: "What payment providers call"},
	{Name: "health", Description: "What probes and monitoring ask"},
}

// finish adds what is the same everywhere, and what Swagger 2 cannot express.
func finish(doc *openapi3.T) error {
	doc.Tags = tags
	doc.Servers = openapi3.Servers{{URL: "/"}}
	doc.Info.Contact = &openapi3.Contact{Name: "Those who run this shop"}
	doc.Info.License = &openapi3.License{Name: "MIT", URL: "https://opensource.org/license/mit"}
	scheme := openapi3.NewJWTSecurityScheme()
	scheme.Description = howToAuthorize
	doc.Components.SecuritySchemes = openapi3.SecuritySchemes{bearer: {Value: scheme}}
	for name, schema := range doc.Components.Schemas {
		finishSchema(name, schema)
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if err := finishOperation(path, method, operation); err != nil {
				return err
			}
		}
	}
	return nil
}
