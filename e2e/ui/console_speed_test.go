package ui

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

var consoleEvents = flag.Int("console-events", 0, "length of the store that TestConsoleSpeed fills, such as 1000000 events; 0: skip it")

// TestConsoleSpeed measures every page of the console, and the requests of the shop, on a long store: -console-events=1000000 -v.
func TestConsoleSpeed(t *testing.T) {
	if *consoleEvents == 0 {
		t.Skip("it takes minutes to fill a long store")
	}
	s := harness.Open(t, harness.OneDatabase, harness.WithShop)
	ada, sku := s.Shopper(t), s.AddProduct(t, 1999)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	bought := harness.Get[harness.OrderView](t, s, "/v1/orders/"+done.OrderID.String(), s.Admin)
	copies(t, s, done, *consoleEvents)
	o := s.Operator(t)
	o.SignIn(t, s.Admin, "/console")
	for _, path := range []string{
		"/console", "/console/sagas", "/console/sagas?status=unfinished", "/console/sagas?status=needs_attention", "/console/sagas?status=failed", "/console/sagas?status=running",
		"/console/sagas?status=completed&older_than=86400", "/console/sagas?type=refund", "/console/sagas?customer=" + bought.CustomerID,
		"/console/sagas?customer=nobody", "/console/sagas?number=" + bought.Number, "/console/sagas/" + done.ID.String(),
		"/console/streams", "/console/streams?q=" + done.OrderID.String(), "/console/streams/cart/" + done.CartID.String(), "/console/orders/" + done.OrderID.String(),
		"/console/parked", "/console/webhooks", "/console/readers", "/console/limits", "/console/reconciliation",
	} {
		warm(t, path, func() { sees(t, o, path) })
	}
	for _, path := range []string{ // the requests of the shop
		"/shop", "/shop/assets/main.js", "/shop/assets/shop.css", "/v1/products?limit=24", "/v1/products?limit=24&q=mug", "/v1/products/" + url.PathEscape(sku),
		"/v1/carts/" + done.CartID.String(), "/v1/carts/" + done.CartID.String() + "/events?limit=20&after=0", "/v1/carts?limit=100",
		"/v1/checkouts/" + done.ID.String(), "/v1/orders?limit=20", "/v1/orders/" + done.OrderID.String(),
		"/v1/orders/" + done.OrderID.String() + "/timeline?limit=100", "/v1/payments/" + done.PaymentID.String(),
	} {
		warm(t, path, func() {
			a, err := s.Ask(t.Context(), http.MethodGet, path, ada.Token, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, a.StatusCode, path)
		})
	}
	for _, schema := range []string{"cart", "orders", "payment", "saga"} { // the copies violate the invariants
		s.Exec(t, schema, fmt.Sprintf(`truncate %[1]s.streams, %[1]s.events`, schema))
	}
	s.Exec(t, "orders", `truncate orders.daily_sales`)
	s.Exec(t, "simulator", `truncate simulator.payments, simulator.ledger, simulator.calls`)
}

// warm logs the duration of a repeated action.
func warm(t *testing.T, name string, do func()) {
	t.Helper()
	var times []time.Duration
	for range 60 {
		begin := time.Now()
		do()
		times = append(times, time.Since(begin))
	}
	all := slices.Sorted(slices.Values(times[10:]))
	t.Logf("%-70s p50 %8s  p95 %8s", name, all[len(all)/2].Round(100*time.Microsecond), all[len(all)*95/100].Round(100*time.Microsecond))
}

// copies copies a checkout many times under other ids and at other times: the last tenth within the last hour.
func copies(t *testing.T, s *harness.Site, done harness.CheckoutView, events int) {
	t.Helper()
	ids := map[string]string{"cart": done.CartID.String(), "orders": done.OrderID.String(), "payment": done.PaymentID.String(), "saga": done.ID.String()}
	anew := func(column string) string {
		for schema, id := range ids {
			column = fmt.Sprintf("replace(%s, '%s', md5('%s' || i)::uuid::text)", column, id, schema)
		}
		return column
	}
	const perCheckout = 14
	n := events / perCheckout
	when := fmt.Sprintf(`now() - case when i <= %[1]d * 0.9 then interval '1 hour' + (%[1]d - i) * interval '2592000 seconds' / %[1]d
		else (%[1]d - i) * interval '36000 seconds' / %[1]d end`, n)
	for schema, id := range ids {
		s.Exec(t, schema, fmt.Sprintf(`insert into %[1]s.streams (id, version, kind, fold, state, customer, status, key, created_at, updated_at)
			select md5('%[1]s' || i)::uuid, version, kind, fold, (%[2]s)::json, 'shopper ' || i / 10, status, case when key is not null then 'copy ' || i end,
				%[3]s, %[3]s + interval '80 milliseconds' from %[1]s.streams, generate_series(1, %[4]d) i where id = '%[5]s'`,
			schema, anew("state::text"), when, n, id))
		s.Exec(t, schema, fmt.Sprintf(`insert into %[1]s.events (position, stream, version, type, data, meta, at)
			select nextval('%[1]s.position'), md5('%[1]s' || i)::uuid, version, type, (%[2]s)::json, meta, %[3]s
			from generate_series(1, %[4]d) i, lateral (select * from %[1]s.events where stream = '%[5]s' order by version) e`,
			schema, anew("data::text"), when, n, id))
		s.Exec(t, schema, fmt.Sprintf(`analyze %[1]s.streams, %[1]s.events`, schema))
	}
}
