package docs

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
)

// TestExamples: every operation that answers with a body has an example, and each is as the document, made strict, says.
func TestExamples(t *testing.T) {
	t.Parallel()
	_, err := harness.Document()
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	require.NoError(t, err)
	harness.Strict(doc)
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			t.Run(o.OperationID, func(t *testing.T) {
				t.Parallel()
				if o.RequestBody != nil {
					exemplified(t, method+" "+path, o.RequestBody.Value.Content)
				}
				for code, r := range o.Responses.Map() {
					if strings.HasPrefix(code, "2") {
						exemplified(t, method+" "+path+" "+code, r.Value.Content)
					}
				}
			})
		}
	}
}

func exemplified(t *testing.T, what string, content openapi3.Content) {
	t.Helper()
	for kind, media := range content {
		if kind == "text/html" || kind == "text/plain" || strings.Contains(what, "/webhooks/payments/") {
			continue // pages for people, metrics, and what a provider has made up
		}
		require.NotNil(t, media.Example, "%s has no example: run the tests with -record-examples", what)
		require.NoError(t, media.Schema.Value.VisitJSON(media.Example, harness.Formats...), what)
	}
}
