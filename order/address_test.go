package order

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
)

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for _, good := range []string{``, `{}`, `{"a":[{"b":{"c":1}}]}`, `{"a":"` + strings.Repeat("x", 4000) + `"}`} {
		require.NoError(t, CheckAddress(json.RawMessage(good)))
	}
	for code, bad := range map[string]string{
		"not_an_object": `[]`, "too_deep": `{"a":[[[[]]]]}`, "too_large": `{"a":"` + strings.Repeat("x", 4090) + `"}`,
	} {
		f, refused := fault.As(CheckAddress(json.RawMessage(bad)))
		require.True(t, refused)
		require.Equal(t, "shipping_address", f.Fields[0].Field)
		require.Equal(t, code, f.Fields[0].Code)
	}
}

// TestAStoredAddressBeyondTheBoundsIsOmitted checks that an address from an older version does not make a list unreadable.
func TestAStoredAddressBeyondTheBoundsIsOmitted(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, c := range map[string]struct {
		address string
		omitted bool
	}{
		"Large":    {`{"a":"` + strings.Repeat("x", 1<<20) + `"}`, true},
		"Deep":     {`{"a":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + `}`, true},
		"VeryDeep": {`{"a":` + strings.Repeat("[", 9997) + strings.Repeat("]", 9997) + `}`, true},
		"Twice":    {`{"a":1,"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`, true},
		"Number":   {`{"a":[1e999]}`, true},
		"Long":     {`{"line1":"Hidden Lane 1","a":123456789012345678901234567890}`, false},
		"Good":     {`{"line1":"Hidden Lane 1"}`, false},
		"Null":     {`null`, false},
	} {
		t.Run(name, func(t *testing.T) {
			customer := "customer of " + name
			p := s.placeOrder(customer, line("mug", 1))
			require.NoError(t, s.SaveContact(t.Context(), Contact{ID: p.ContactID, CustomerID: customer, Email: "a@example.com", ShippingAddress: json.RawMessage(c.address)}))
			s.must(p, Confirm{OrderID: p.OrderID})
			data := s.call(customer, "GET", "/v1/orders", "").Body["data"].([]any)
			require.Len(t, data, 1)
			o := data[0].(map[string]any)
			require.Equal(t, "a@example.com", o["email"])
			if c.omitted {
				require.Nil(t, o["shipping_address"])
				require.Equal(t, true, o["shipping_address_omitted"])
				return
			}
			require.NotContains(t, o, "shipping_address_omitted")
			if c.address != "null" {
				require.Equal(t, "Hidden Lane 1", o["shipping_address"].(map[string]any)["line1"])
			}
		})
	}
}
