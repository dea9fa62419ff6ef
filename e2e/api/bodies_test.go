package api

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

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/fault"
)

// TestRequiredNumbersArePointers reads the bodies of all requests. The validator takes the zero of a plain number or bool for one
// that is not there, so that 0 is answered with "It is required." Required text must also hold something visible.
func TestRequiredMembersSayWhatTheyTake(t *testing.T) {
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
				if plain.Name == "string" && strings.Contains(field.Tag.Value, ",max=") {
					require.Regexp(t, `,(visible|email),`, field.Tag.Value, "%s: %s: blank text must be refused", path, field.Names[0])
				}
			}
			return true
		})
		return nil
	}))
	require.Greater(t, checked, 10)
}

func adjustment(code, label, amount string) string {
	return `{"code":"` + code + `","label":"` + label + `","amount":{"amount":` + amount + `,"currency":"GBP"}}`
}

func TestBodiesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada := s.Shopper(t)
	paid, sku := buys(t, ada, 1250, "sim_ok")
	c := ada.Fill(t, sku)
	items, order := "/v1/carts/"+c.ID.String()+"/items", "/v1/orders/"+paid.OrderID.String()
	adjustments, product := "/v1/carts/"+c.ID.String()+"/adjustments", "/v1/products/"+harness.Escape(sku)
	saga, stock := "/v1/admin/sagas/"+paid.ID.String(), "/v1/stock/"+harness.Escape(sku)
	const visible, whole = "must contain a visible character", "It must be a whole number, such as 2"
	for name, r := range map[string]struct{ method, path, token, body, field, code, detail string }{
		"RefundOfNull":       {"POST", order + "/refunds", s.Admin, `{"amount":null,"reason":"r"}`, "amount", "null", "must not be null"},
		"RefundOfNothing":    {"POST", order + "/refunds", s.Admin, `{"amount":{"amount":0,"currency":"GBP"},"reason":"r"}`, "amount.amount", "min", "at least 1"},
		"RefundOfNoAmount":   {"POST", order + "/refunds", s.Admin, `{"amount":{"currency":"GBP"},"reason":"r"}`, "amount.amount", "required", "required"},
		"RefundOfNullAmount": {"POST", order + "/refunds", s.Admin, `{"amount":{"amount":null,"currency":"GBP"},"reason":"r"}`, "amount.amount", "null", "must not be null"},
		"NullAdjustments":    {"PUT", adjustments, s.Admin, `{"adjustments":null}`, "adjustments", "null", "must not be null"},
		"NullActive": {"PUT", product, s.Admin, `{"name":"Mug","price":{"amount":1,"currency":"GBP"},"active":null}`,
			"active", "null", "must not be null"},
		"NullOnHand":       {"PUT", stock, s.Admin, `{"on_hand":null}`, "on_hand", "null", "must not be null"},
		"QuantityOfZero":   {"POST", items, ada.Token, `{"sku":"` + sku + `","quantity":0}`, "quantity", "min", "at least 1"},
		"QuantityLeftOut":  {"POST", items, ada.Token, `{"sku":"` + sku + `"}`, "quantity", "required", "required"},
		"QuantityInQuotes": {"POST", items, ada.Token, `{"sku":"` + sku + `","quantity":"2"}`, "quantity", "type", whole + ", without quotes"},
		"QuantityWithPoint": {"PATCH", items + "/" + harness.Escape(sku), ada.Token, `{"quantity":1.0}`, "quantity", "type",
			whole + ", without a decimal point"},
		"QuantityTooLarge":  {"PATCH", items + "/" + harness.Escape(sku), ada.Token, `{"quantity":1000000}`, "quantity", "max", "at most 9999"},
		"BlankRefundReason": {"POST", order + "/refunds", s.Admin, `{"reason":"  "}`, "reason", "visible", visible},
		"BlankCancelReason": {"POST", order + "/cancel", ada.Token, `{"reason":"\n\t"}`, "reason", "visible", visible},
		"BlankStockReason":  {"POST", stock + "/adjustments", s.Admin, `{"delta":1,"reason":"\u200b"}`, "reason", "visible", visible},
		"BlankSkipReason":   {"POST", saga + "/skip", s.Admin, `{"reason":"\u00a0"}`, "reason", "visible", visible},
		"BlankSettleReason": {"POST", saga + "/settle", s.Admin, `{"outcome":"captured","reason":" "}`, "reason", "visible", visible},
		"BlankRetryReason":  {"POST", saga + "/retry", s.Admin, `{"reason":"\u3164"}`, "reason", "visible", visible},
		"BlankUndoReason":   {"POST", saga + "/compensate", s.Admin, `{"reason":"\u2800 "}`, "reason", "visible", visible},
		"InvisibleName":     {"PUT", product, s.Admin, `{"name":"\u200b","price":{"amount":1,"currency":"GBP"}}`, "name", "visible", visible},
		"BlankName":         {"PUT", product, s.Admin, `{"name":" ","price":{"amount":1,"currency":"GBP"}}`, "name", "visible", visible},
		"BlankSecondCode":   {"PUT", adjustments, s.Admin, `{"adjustments":[` + adjustment("ship", "Post", "1") + `,` + adjustment(" ", "Post", "1") + `]}`, "adjustments[1].code", "visible", visible},
		"BlankLabel":        {"PUT", adjustments, s.Admin, `{"adjustments":[` + adjustment("ship", " ", "1") + `]}`, "adjustments[0].label", "visible", visible},
		"NullAddress": {"POST", harness.CheckoutPath(c), ada.Token, `{"payment_method":"sim_ok","email":"ada@example.com","shipping_address":null}`,
			"shipping_address", "null", "must not be null"},
		"NumberOutOfRange": {"POST", harness.CheckoutPath(c), ada.Token, `{"payment_method":"sim_ok","email":"ada@example.com","shipping_address":{"a":[1,1e999]}}`,
			"shipping_address.a[1]", "number", "range of a 64-bit"},
		"PriceFarBelowZero": {"PUT", product, s.Admin, `{"name":"Mug","price":{"amount":-9007199254740992,"currency":"GBP"}}`, "price.amount", "min", "at least 0"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.Send(t, r.method, r.path, r.token, r.body, "Idempotency-Key", uuid.NewString())
			p := harness.RequireProblem(t, a, http.StatusUnprocessableEntity, "validation_failed")
			require.Equal(t, r.field, p.Errors[0].Field)
			require.Equal(t, r.code, p.Errors[0].Code)
			require.Contains(t, p.Errors[0].Detail, r.detail)
		})
	}
	for amount, detail := range map[string]string{
		"9007199254740992":  "The amount is larger than 9007199254740991 minor units.",
		"-9007199254740992": "The amount is less than -9007199254740991 minor units.",
	} {
		body := `{"adjustments":[` + adjustment("ship", "Post", "1") + `,` + adjustment("more", "More", amount) + `]}`
		p := harness.RequireProblem(t, s.Send(t, "PUT", adjustments, s.Admin, body), http.StatusUnprocessableEntity, "amount_too_large")
		require.Equal(t, fault.Field{Field: "adjustments[1].amount.amount", Code: "amount_too_large", Detail: detail}, p.Errors[0])
	}
	require.Zero(t, s.Order(t, paid.OrderID).Refunded.Amount, "nothing was refunded")
}
