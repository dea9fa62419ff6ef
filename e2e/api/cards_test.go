package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// TestCardNumbers: a shopper who types a card number where it does not belong is told so, and it is stored nowhere.
func TestCardNumbers(t *testing.T) {
	t.Parallel()
	const number = "4111 1111 1111 1111"
	s := harness.Open(t, harness.OneDatabase, harness.WithShop)
	buyer, sku := s.Shopper(t), s.AddProduct(t, 1250)
	c := buyer.Fill(t, sku)
	bought := buyer.Checkout(t, harness.As[harness.CheckoutView](t, buyer.CheckOut(t, buyer.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated).ID)

	checkout := func(change func(map[string]any)) map[string]any {
		body := harness.Paying("sim_ok")
		change(body)
		return body
	}
	for field, body := range map[string]map[string]any{
		"payment_method":            checkout(func(b map[string]any) { b["payment_method"] = strings.ReplaceAll(number, " ", "") }),
		"email":                     checkout(func(b map[string]any) { b["email"] = "4111111111111111@example.com" }),
		"shipping_address.city":     checkout(func(b map[string]any) { b["shipping_address"] = map[string]any{"city": "London " + number} }),
		"shipping_address.lines[1]": checkout(func(b map[string]any) { b["shipping_address"] = map[string]any{"lines": []string{"a", number}} }),
		"shipping_address":          checkout(func(b map[string]any) { b["shipping_address"] = map[string]any{number: "x"} }),
		"shipping_address.card":     checkout(func(b map[string]any) { b["shipping_address"] = map[string]any{"card": 4111111111111111} }),
		"shipping_address.exponent": checkout(func(b map[string]any) {
			b["shipping_address"] = map[string]any{"exponent": json.RawMessage("4.111111111111111e15")}
		}),
		"shipping_address.dots": checkout(func(b map[string]any) {
			b["shipping_address"] = map[string]any{"dots": strings.ReplaceAll(number, " ", ".")}
		}),
		"shipping_address.parts": checkout(func(b map[string]any) { b["shipping_address"] = map[string]any{"parts": strings.Fields(number)} }),
		"shipping_address.phone": checkout(func(b map[string]any) { b["shipping_address"] = map[string]any{"phone": number} }),
		"shipping_address.note.inner": checkout(func(b map[string]any) {
			b["shipping_address"] = map[string]any{"note": map[string]any{"inner": "٤١١١١١١١١١١١١١١١"}}
		}),
	} {
		a := s.Send(t, http.MethodPost, harness.CheckoutPath(c), buyer.Token, body, "If-Match", harness.Tag(c.Version), "Idempotency-Key", uuid.NewString())
		p := harness.RequireProblem(t, a, http.StatusUnprocessableEntity, "card_number")
		require.Len(t, p.Errors, 1)
		require.Equal(t, field, p.Errors[0].Field)
		require.NotRegexp(t, `1111|١١١١`, string(a.Text), "it is not repeated")
	}
	reason := map[string]any{"reason": "Refund it to " + number + " please."}
	order := "/v1/orders/" + bought.OrderID.String()
	harness.RequireProblem(t, s.Send(t, http.MethodPost, order+"/cancel", buyer.Token, reason, "Idempotency-Key", uuid.NewString()), http.StatusUnprocessableEntity, "card_number")
	harness.RequireProblem(t, s.Send(t, http.MethodPost, order+"/refunds", s.Admin, reason, "Idempotency-Key", uuid.NewString()), http.StatusUnprocessableEntity, "card_number")
	harness.RequireProblem(t, s.SignInToShop(t, number), http.StatusUnprocessableEntity, "card_number")
	require.Empty(t, tablesWith(t, s, `%4111%1111%1111%1111%`, `%١١١١١١١١%`))

	t.Run("OtherNumbersPass", func(t *testing.T) {
		ok := checkout(func(b map[string]any) {
			b["shipping_address"] = map[string]any{"phone": "+371449635398431", "postcode": "41111", "reference": "4111111111111112"}
		})
		a := s.Send(t, http.MethodPost, harness.CheckoutPath(c), buyer.Token, ok, "If-Match", harness.Tag(c.Version), "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting)
		harness.As[harness.CheckoutView](t, a, http.StatusCreated)
		barcode := map[string]any{"name": "Teapot 4111111111111111", "price": harness.GBP(100)}
		harness.As[map[string]any](t, s.Send(t, http.MethodPut, "/v1/products/4222222222222", s.Admin, barcode), http.StatusCreated)
		harness.As[harness.CartView](t, buyer.Add(t, buyer.Fill(t), "4222222222222", 1), http.StatusOK)
	})
}

// TestPaymentMethodForm: what cannot be a token of the provider is refused before anything is sealed.
func TestPaymentMethodForm(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	buyer := s.Shopper(t)
	c := buyer.Fill(t, s.AddProduct(t, 1250))
	for _, method := range []string{"nonsense", "card", "sim_", "SIM_OK", "sim_ok ", "pm_card_visa", "sim ok"} {
		p := harness.RequireProblem(t, buyer.CheckOut(t, c, method, harness.NoWait), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, "payment_method", p.Errors[0].Field, method)
	}
	require.Equal(t, c.Version, buyer.Cart(t, c.ID).Version, "nothing was sealed")
}

// tablesWith are the tables with a row that holds text like one of the patterns.
func tablesWith(t *testing.T, s *harness.Site, patterns ...string) (found []string) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.Settings.DatabaseURL)
	require.NoError(t, err)
	defer db.Close(context.Background())
	rows, err := db.Query(t.Context(), `select format('%I.%I', schemaname, tablename) from pg_tables
		where schemaname not in ('pg_catalog', 'information_schema') order by 1`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		var holds bool
		require.NoError(t, db.QueryRow(t.Context(), `select exists (select from `+table+` r where r::text like any ($1))`, patterns).Scan(&holds))
		if holds {
			found = append(found, table)
		}
	}
	return found
}
