package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestCardNumbers: a shopper who types a card number where it does not belong is told so, and it is stored nowhere.
func TestCardNumbers(t *testing.T) {
	t.Parallel()
	const number = "4111 1111 1111 1111"
	s := open(t, oneDatabase, withShop)
	buyer, sku := s.shopper(t), s.sells(t, 1250)
	c := buyer.fills(t, sku)
	bought := buyer.checkout(t, as[checkoutView](t, buyer.checksOut(t, buyer.fills(t, sku), "sim_ok", waiting), http.StatusCreated).ID)

	checkout := func(change func(map[string]any)) map[string]any {
		body := paying("sim_ok")
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
		a := s.send(t, http.MethodPost, checkoutPath(c), buyer.token, body, "If-Match", tag(c.Version), "Idempotency-Key", uuid.NewString())
		p := refuses(t, a, http.StatusUnprocessableEntity, "card_number")
		require.Len(t, p.Errors, 1)
		require.Equal(t, field, p.Errors[0].Field)
		require.NotRegexp(t, `1111|١١١١`, string(a.body), "it is not repeated")
	}
	reason := map[string]any{"reason": "Refund it to " + number + " please."}
	order := "/v1/orders/" + bought.OrderID.String()
	refuses(t, s.send(t, http.MethodPost, order+"/cancel", buyer.token, reason, "Idempotency-Key", uuid.NewString()), http.StatusUnprocessableEntity, "card_number")
	refuses(t, s.send(t, http.MethodPost, order+"/refunds", s.admin, reason, "Idempotency-Key", uuid.NewString()), http.StatusUnprocessableEntity, "card_number")
	refuses(t, s.plainly(t, number), http.StatusUnprocessableEntity, "card_number")
	require.Empty(t, s.tablesWith(t, `%4111%1111%1111%1111%`, `%١١١١١١١١%`))

	t.Run("OtherNumbersPass", func(t *testing.T) {
		ok := checkout(func(b map[string]any) {
			b["shipping_address"] = map[string]any{"phone": "+371449635398431", "postcode": "41111", "reference": "4111111111111112"}
		})
		a := s.send(t, http.MethodPost, checkoutPath(c), buyer.token, ok, "If-Match", tag(c.Version), "Idempotency-Key", uuid.NewString(), "Prefer", waiting)
		as[checkoutView](t, a, http.StatusCreated)
		barcode := map[string]any{"name": "Teapot 4111111111111111", "price": gbp(100)}
		as[map[string]any](t, s.send(t, http.MethodPut, "/v1/products/4222222222222", s.admin, barcode), http.StatusCreated)
		as[cartView](t, buyer.adds(t, buyer.fills(t), "4222222222222", 1), http.StatusOK)
	})
}

// TestPaymentMethodForm: what cannot be a token of the provider is refused before anything is sealed.
func TestPaymentMethodForm(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase)
	buyer := s.shopper(t)
	c := buyer.fills(t, s.sells(t, 1250))
	for _, method := range []string{"nonsense", "card", "sim_", "SIM_OK", "sim_ok ", "pm_card_visa", "sim ok"} {
		p := refuses(t, buyer.checksOut(t, c, method, noWait), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, "payment_method", p.Errors[0].Field, method)
	}
	require.Equal(t, c.Version, buyer.cart(t, c.ID).Version, "nothing was sealed")
}

// tablesWith are the tables with a row that holds text like one of the patterns.
func (s *site) tablesWith(t *testing.T, patterns ...string) (found []string) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.settings.DatabaseURL)
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
