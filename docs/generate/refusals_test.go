package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	said := func(status string) string {
		return *sample(t).Paths.Value("/v1/carts/{id}/items").Post.Responses.Value(status).Value.Description
	}
	t.Run("NameTheirCodes", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "cart_closed", said("409"), "as the annotation says")
		require.Equal(t, "unauthorized", said("401"), "as it follows from a token that is wanted")
		require.Contains(t, said("400"), "idempotency_key_required")
		require.Contains(t, said("422"), "unknown_field")
		require.Contains(t, said("422"), "unknown_parameter")
	})
	t.Run("WithoutOneAreAnError", func(t *testing.T) {
		t.Parallel()
		o := openapi3.NewOperation()
		o.AddResponse(409, openapi3.NewResponse().WithDescription("Conflict"))
		require.ErrorContains(t, nameCodes(o, "POST", "/v1/carts", false), "names no code")
	})
}

func TestExamples(t *testing.T) {
	t.Parallel()
	add := func(t *testing.T, name, text string) (*openapi3.T, error) {
		dir, doc := t.TempDir(), sample(t)
		doc.Paths.Value("/v1/carts").Get.OperationID = "listCarts"
		doc.Paths.Value("/v1/carts/{id}/items").Post.OperationID = "addItem"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return doc, addExamples(doc, dir)
	}
	t.Run("StandInTheDocument", func(t *testing.T) {
		t.Parallel()
		doc, err := add(t, "addItem.json", `{"request":{"sku":"MUG"},"responses":{"200":{"id":"1"}}}`)
		require.NoError(t, err)
		o := doc.Paths.Value("/v1/carts/{id}/items").Post
		require.Equal(t, map[string]any{"sku": "MUG"}, o.RequestBody.Value.Content.Get("application/json").Example)
		require.Equal(t, map[string]any{"id": "1"}, o.Responses.Value("200").Value.Content.Get("application/json").Example)
	})
	for name, of := range map[string][2]string{
		"OfNothingAreAnError":         {"sing.json", `{}`},
		"OfABodyThatIsNotTaken":       {"listCarts.json", `{"request":{}}`},
		"OfAnAnswerThatIsNotGiven":    {"listCarts.json", `{"responses":{"207":{}}}`},
		"ThatCannotBeReadAreAnError":  {"listCarts.json", `{`},
		"OfARefusalThatIsNotGivenToo": {"listCarts.json", `{"responses":{"418":{}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := add(t, of[0], of[1])
			require.Error(t, err)
		})
	}
}
