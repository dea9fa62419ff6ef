package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const bearer = "BearerAuth"

const howToAuthorize = "A guest's token from `POST /v1/sessions`, or an operator's: `shopping-cart token --admin` prints one. " +
	"Without the word Bearer."

// tags are the subjects of the API, in the order in which a user meets them.
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

// finish adds what the annotations leave out, since it is the same everywhere or Swagger 2 could not say it.
func finish(doc *openapi3.T) error {
	doc.Servers = openapi3.Servers{{URL: "/"}}
	doc.Info.Contact = &openapi3.Contact{Name: "Those who run this shop"}
	doc.Info.License = &openapi3.License{Name: "MIT", URL: "https://opensource.org/license/mit"}
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = openapi3.SecuritySchemes{}
	}
	scheme := openapi3.NewJWTSecurityScheme()
	scheme.Description = howToAuthorize
	doc.Components.SecuritySchemes[bearer] = &openapi3.SecuritySchemeRef{Value: scheme}
	for name, schema := range doc.Components.Schemas {
		finishSchema(name, schema)
	}
	if doc.Paths == nil {
		doc.Paths = openapi3.NewPaths()
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if err := finishOperation(doc, path, method, operation); err != nil {
				return err
			}
		}
	}
	doc.Tags = tagsOf(doc)
	return nil
}

// tagsOf are the tags in use. Those that are not in our list come last.
func tagsOf(doc *openapi3.T) (used openapi3.Tags) {
	for _, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for _, name := range operation.Tags {
				if used.Get(name) == nil {
					used = append(used, cmp.Or(tags.Get(name), &openapi3.Tag{Name: name}))
				}
			}
		}
	}
	place := func(t *openapi3.Tag) int {
		return cmp.Or(1+slices.IndexFunc(tags, func(known *openapi3.Tag) bool { return known.Name == t.Name }), len(tags)+1)
	}
	slices.SortFunc(used, func(a, b *openapi3.Tag) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a.Name, b.Name))
	})
	return used
}
