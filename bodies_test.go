package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestRequiredNumbersArePointers reads the bodies of all requests. The validator takes the zero of a plain number or bool for one
// that is not there, so that 0 is answered with "It is required."
func TestRequiredNumbersArePointers(t *testing.T) {
	t.Parallel()
	checked := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			field, is := n.(*ast.Field)
			if !is || field.Tag == nil || !strings.Contains(field.Tag.Value, `validate:"required`) {
				return true
			}
			checked++
			if plain, is := field.Type.(*ast.Ident); is {
				require.NotRegexp(t, `^(u?int[0-9]*|float[0-9]+|bool)$`, plain.Name, "%s: %s", path, field.Names[0])
			}
			return true
		})
		return nil
	}))
	require.Greater(t, checked, 10)
}

func TestBodiesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase)
	ada := s.shopper(t)
	paid, sku := ada.buys(t, 1250, "sim_ok")
	c := ada.fills(t, sku)
	items, order := "/v1/carts/"+c.ID.String()+"/items", "/v1/orders/"+paid.OrderID.String()
	const whole = "It must be a whole number, such as 2"
	for name, r := range map[string]struct{ method, path, token, body, field, code, detail string }{
		"RefundOfNull":       {"POST", order + "/refunds", s.admin, `{"amount":null,"reason":"r"}`, "amount", "null", "must not be null"},
		"RefundOfNothing":    {"POST", order + "/refunds", s.admin, `{"amount":{"amount":0,"currency":"GBP"},"reason":"r"}`, "amount.amount", "min", "at least 1"},
		"RefundOfNoAmount":   {"POST", order + "/refunds", s.admin, `{"amount":{"currency":"GBP"},"reason":"r"}`, "amount.amount", "required", "required"},
		"RefundOfNullAmount": {"POST", order + "/refunds", s.admin, `{"amount":{"amount":null,"currency":"GBP"},"reason":"r"}`, "amount.amount", "null", "must not be null"},
		"NullAdjustments":    {"PUT", "/v1/carts/" + c.ID.String() + "/adjustments", s.admin, `{"adjustments":null}`, "adjustments", "null", "must not be null"},
		"NullActive": {"PUT", "/v1/products/" + escape(sku), s.admin, `{"name":"Mug","price":{"amount":1,"currency":"GBP"},"active":null}`,
			"active", "null", "must not be null"},
		"NullOnHand":       {"PUT", "/v1/stock/" + escape(sku), s.admin, `{"on_hand":null}`, "on_hand", "null", "must not be null"},
		"QuantityOfZero":   {"POST", items, ada.token, `{"sku":"` + sku + `","quantity":0}`, "quantity", "min", "at least 1"},
		"QuantityLeftOut":  {"POST", items, ada.token, `{"sku":"` + sku + `"}`, "quantity", "required", "required"},
		"QuantityInQuotes": {"POST", items, ada.token, `{"sku":"` + sku + `","quantity":"2"}`, "quantity", "type", whole + ", without quotes"},
		"QuantityWithPoint": {"PATCH", items + "/" + escape(sku), ada.token, `{"quantity":1.0}`, "quantity", "type",
			whole + ", without a decimal point"},
		"QuantityTooLarge": {"PATCH", items + "/" + escape(sku), ada.token, `{"quantity":1000000}`, "quantity", "max", "at most 9999"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.send(t, r.method, r.path, r.token, r.body, "Idempotency-Key", uuid.NewString())
			p := refuses(t, a, http.StatusUnprocessableEntity, "validation_failed")
			require.Equal(t, r.field, p.Errors[0].Field)
			require.Equal(t, r.code, p.Errors[0].Code)
			require.Contains(t, p.Errors[0].Detail, r.detail)
		})
	}
	require.Zero(t, s.order(t, paid.OrderID).Refunded.Amount, "nothing was refunded")
}
