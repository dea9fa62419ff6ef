package main

import (
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

func sample(t *testing.T) *openapi3.T {
	t.Helper()
	raw, err := Document(filepath.Join("testdata", "sample"))
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	require.NoError(t, err)
	return doc
}

func TestDocument(t *testing.T) {
	t.Parallel()
	doc := sample(t)
	list := doc.Paths.Value("/v1/carts").Get
	add := doc.Paths.Value("/v1/carts/{id}/items").Post
	approve := doc.Paths.Value("/simulator/payments/{reference}/approve").Post

	t.Run("SchemasHaveNamesForClients", func(t *testing.T) {
		t.Parallel()
		var names []string
		for name := range doc.Components.Schemas {
			names = append(names, name)
		}
		require.ElementsMatch(t, []string{"Amount", "Cart", "CartItemRequest", "CartLine", "CartPage", "CartStatus", "Problem"}, names)
		require.Equal(t, "#/components/schemas/CartPage", list.Responses.Value("200").Value.Content.Get("application/json").Schema.Ref)
		data := doc.Components.Schemas["CartPage"].Value.Properties["data"].Value
		require.Equal(t, "#/components/schemas/Cart", data.Items.Ref)
		require.True(t, doc.Components.Schemas["CartPage"].Value.Properties["next_cursor"].Value.Nullable)
	})
	t.Run("IdsAndTimesHaveTheirFormat", func(t *testing.T) {
		t.Parallel()
		cart := doc.Components.Schemas["Cart"].Value.Properties
		require.Equal(t, "uuid", cart["id"].Value.Format)
		require.Equal(t, "date-time", cart["created_at"].Value.Format)
	})
	t.Run("TokensAreBearerTokens", func(t *testing.T) {
		t.Parallel()
		scheme := doc.Components.SecuritySchemes["BearerAuth"].Value
		require.Equal(t, []string{"http", "bearer", "JWT"}, []string{scheme.Type, scheme.Scheme, scheme.BearerFormat})
		require.Contains(t, (*list.Security)[0], "BearerAuth")
		require.Contains(t, (*add.Security)[0], "BearerAuth", "whatever the annotation calls it")
		require.Empty(t, *approve.Security)
	})
	t.Run("ScopesAreNamed", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []any{"carts:price", "orders:read"}, list.Extensions["x-required-scopes"])
		require.Contains(t, list.Description, "Needs the scope `carts:price` or `orders:read`.")
		require.Contains(t, *list.Responses.Value("403").Value.Description, "forbidden")
		require.Equal(t, []any{"carts:price"}, add.Extensions["x-operator-scopes"])
		require.Contains(t, add.Description, "For the resource's customer, and for operators with the scope `carts:price`.")
		require.Nil(t, add.Responses.Value("403"))
	})
	t.Run("EveryRefusalIsAProblem", func(t *testing.T) {
		t.Parallel()
		for _, code := range []string{"401", "404", "409", "default"} {
			content := add.Responses.Value(code).Value.Content
			require.Len(t, content, 1)
			require.Equal(t, "#/components/schemas/Problem", content.Get("application/problem+json").Schema.Ref, code)
		}
		require.Nil(t, approve.Responses.Value("401"))
		require.NotNil(t, approve.Responses.Value("default"))
	})
	t.Run("WritesOfferTheirHeadersAndReadsDoNot", func(t *testing.T) {
		t.Parallel()
		key := add.Parameters.GetByInAndName("header", "Idempotency-Key")
		require.True(t, key.Required, "what the handler demands stays demanded")
		require.Contains(t, key.Description, "visible ASCII")
		require.False(t, add.Parameters.GetByInAndName("header", "If-Match").Required)
		require.Contains(t, add.Parameters.GetByInAndName("header", "Prefer").Description, "30")
		require.Nil(t, list.Parameters.GetByInAndName("header", "Idempotency-Key"))
		require.Contains(t, add.Responses.Value("200").Value.Headers, "Idempotent-Replayed")
		require.Contains(t, add.Responses.Value("200").Value.Headers, "Preference-Applied")
		require.Nil(t, approve.Parameters.GetByInAndName("header", "If-Match"))
	})
	t.Run("TheBodyIsRequired", func(t *testing.T) {
		t.Parallel()
		require.True(t, add.RequestBody.Value.Required)
		require.Equal(t, "#/components/schemas/CartItemRequest", add.RequestBody.Value.Content.Get("application/json").Schema.Ref)
	})
	t.Run("SchemasAreExact", func(t *testing.T) {
		t.Parallel()
		request, cart := doc.Components.Schemas["CartItemRequest"].Value, doc.Components.Schemas["Cart"].Value
		require.False(t, *request.AdditionalProperties.Has, "unknown fields are refused")
		require.ElementsMatch(t, []string{"sku", "quantity"}, request.Required)
		require.Equal(t, int64(64), int64(*request.Properties["sku"].Value.MaxLength))
		require.Equal(t, "int64", request.Properties["quantity"].Value.Format)
		require.ElementsMatch(t, []string{"id", "total", "items", "status", "created_at"}, cart.Required)
		require.Contains(t, cart.Properties, "checkout_id", "it may be left out")
	})
	t.Run("ValuesAreExplainedAndNotByTheirGoNames", func(t *testing.T) {
		t.Parallel()
		status := doc.Components.Schemas["CartStatus"].Value
		require.Equal(t, []any{"open", "merged"}, status.Enum, "no value is none")
		require.Contains(t, status.Description, "`merged`: its lines went into another cart")
		require.Empty(t, status.Extensions)
	})
	t.Run("HeadersOfAnswersStay", func(t *testing.T) {
		t.Parallel()
		require.Contains(t, add.Responses.Value("200").Value.Headers, "ETag")
	})
}

func TestTheSameCodeGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	first, err := Document(filepath.Join("testdata", "sample"))
	require.NoError(t, err)
	for range 5 {
		again, err := Document(filepath.Join("testdata", "sample"))
		require.NoError(t, err)
		require.Equal(t, string(first), string(again))
	}
}

func TestTwoSchemasOfOneNameAreAnError(t *testing.T) {
	t.Parallel()
	err := rename(&openapi2.T{Definitions: map[string]*openapi2.SchemaRef{"cart.View": {}, "cart.Cart": {}}})
	require.ErrorContains(t, err, "the schema Cart")
}

func TestClientName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"cart.View": "Cart", "cart.itemRequest": "CartItemRequest", "cart.ProductView": "Product", "order.Order": "Order", "order.OrderLine": "OrderLine",
		"money.Amount": "Amount", "web.Page-cart_View": "CartPage", "web.Page-order_timelineEntry": "OrderTimelineEntryPage",
		"web.Page-saga_CheckoutView": "CheckoutPage", "web.status": "Health",
	} {
		require.Equal(t, want, clientName(name), name)
	}
}

func TestCheckSeesAStaleFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "docs", "page.md")
	require.ErrorIs(t, put(file, []byte("new"), true), errStale)
	require.NoError(t, put(file, []byte("new"), false))
	require.NoError(t, put(file, []byte("new"), true))
	require.ErrorIs(t, put(file, []byte("newer"), true), errStale)
}
