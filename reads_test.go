package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment/simulator"
	"shopping-cart/saga"
)

func TestReads(t *testing.T) {
	t.Parallel()
	s := open(t, databaseEach)
	t.Run("OrdersAndPayments", func(t *testing.T) { ordersAndPayments(t, s) })
	t.Run("Products", func(t *testing.T) { productsAndStock(t, s) })
	t.Run("Sagas", func(t *testing.T) { sagasForOperators(t, s) })
	t.Run("Events", func(t *testing.T) { eventsForOperators(t, s) })
	t.Run("Ledger", func(t *testing.T) { ledgerForOperators(t, s) })
}

func ordersAndPayments(t *testing.T, s *site) {
	ada, eve, sku := s.shopper(t), s.shopper(t), s.sells(t, 500)
	done := as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated)
	ada.asksForAction(t, ada.fills(t, sku), "sim_requires_action")
	mine := get[list[orderView]](t, s, "/v1/orders", ada.token)
	require.Len(t, mine.Data, 1, "a pending order is in no list")
	require.Equal(t, done.OrderID, mine.Data[0].ID)
	require.Nil(t, mine.NextCursor)
	require.Empty(t, get[list[orderView]](t, s, "/v1/orders", eve.token).Data)
	for _, path := range []string{"/v1/orders/" + done.OrderID.String(), "/v1/payments/" + done.PaymentID.String()} {
		a := s.send(t, http.MethodGet, path, ada.token, nil)
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Equal(t, http.StatusNotModified, s.send(t, http.MethodGet, path, ada.token, nil, "If-None-Match", a.Header.Get("ETag")).StatusCode)
		require.Empty(t, s.send(t, http.MethodHead, path, ada.token, nil).body)
		require.Equal(t, http.StatusOK, s.send(t, http.MethodGet, path, s.admin, nil).StatusCode, "operators read everything")
	}
	number := get[list[orderView]](t, s, "/v1/admin/orders?number="+mine.Data[0].Number, s.admin).Data
	require.Len(t, number, 1)
	require.Equal(t, done.OrderID, number[0].ID)
	paid := get[paymentView](t, s, "/v1/payments/"+done.PaymentID.String(), ada.token)
	require.Equal(t, done.PaymentID.String(), paid.ProviderReference)
	require.Zero(t, paid.Refunded.Amount)
	require.Empty(t, paid.Refunds)

	for _, c := range all[saga.View](t, s, "/v1/admin/sagas?status=requires_action") { // nothing stays under way
		if c.CustomerID == ada.id.String() {
			as[checkoutView](t, ada.cancels(t, c.ID, "Prefer", waiting), http.StatusOK)
		}
	}
}

// productsAndStock: a product that is unchanged is 304, until its stock changes.
func productsAndStock(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 500)
	path := "/v1/products/" + url.PathEscape(sku)
	read := func(tag string) answer { return s.send(t, http.MethodGet, path, "", nil, "If-None-Match", tag) }
	require.Equal(t, http.StatusOK, s.send(t, http.MethodPut, "/v1/stock/"+url.PathEscape(sku), s.admin, map[string]any{"on_hand": 3}).StatusCode)
	tag := read(`"0"`).Header.Get("ETag")
	require.Equal(t, `"1.3"`, tag)
	require.Equal(t, http.StatusNotModified, read(tag).StatusCode)
	as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated)
	sold := read(tag)
	require.Equal(t, http.StatusOK, sold.StatusCode)
	require.NotEqual(t, tag, sold.Header.Get("ETag"))
	again := map[string]any{"name": "Mug, blue", "price": map[string]any{"amount": 500, "currency": "GBP"}}
	require.Equal(t, http.StatusOK, s.send(t, http.MethodPut, path, s.admin, again, "If-Match", tag).StatusCode)
	require.Equal(t, http.StatusPreconditionFailed, s.send(t, http.MethodPut, path, s.admin, again, "If-None-Match", "*").StatusCode)
}

// all reads every page of a list.
func all[T any](t *testing.T, s *site, path string) (rows []T) {
	t.Helper()
	next := path
	for {
		page := get[list[T]](t, s, next, s.admin)
		rows = append(rows, page.Data...)
		if page.NextCursor == nil {
			return rows
		}
		next = path + "&cursor=" + *page.NextCursor
	}
}

func sagasForOperators(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 500)
	done := as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated)
	declined := refuses(t, ada.checksOut(t, ada.fills(t, sku), "sim_declined", waiting), http.StatusPaymentRequired, "payment_declined")
	of := func(query string) (ids []uuid.UUID) {
		rows := all[saga.View](t, s, "/v1/admin/sagas?limit=3"+query)
		require.True(t, slices.IsSortedFunc(rows, func(a, b saga.View) int { return b.CreatedAt.Compare(a.CreatedAt) }), "newest first")
		for _, row := range rows {
			ids = append(ids, row.ID)
		}
		return ids
	}
	require.Contains(t, of(""), done.ID)
	require.Contains(t, of("&status=completed&type=checkout"), done.ID)
	require.NotContains(t, of("&status=completed"), declined.CheckoutID)
	require.Contains(t, of("&status=failed"), declined.CheckoutID)
	for _, query := range []string{"status=done", "type=return", "limit=0", "limit=101", "cursor=x"} {
		as[problem](t, s.send(t, "GET", "/v1/admin/sagas?"+query, s.admin, nil), http.StatusUnprocessableEntity)
	}
	one := get[saga.View](t, s, "/v1/admin/sagas/"+done.ID.String(), s.admin)
	require.Equal(t, ada.id.String(), one.CustomerID)
	require.Len(t, one.Events, int(one.Version))
	require.Equal(t, "saga.started", one.Events[0].Type)
	require.Equal(t, "saga.ended", one.Events[len(one.Events)-1].Type)
	require.Equal(t, done.ID, get[checkoutView](t, s, "/v1/checkouts/"+done.ID.String(), s.admin).ID, "operators read everything")
}

func eventsForOperators(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 500)
	c := ada.fills(t, sku)
	done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
	kinds := func(query string) (found []string) {
		rows := all[saga.EventView](t, s, "/v1/admin/events?limit=2&"+query)
		require.True(t, slices.IsSortedFunc(rows, func(a, b saga.EventView) int { return int(a.Position - b.Position) }), "oldest first")
		for _, row := range rows {
			found = append(found, row.Type)
		}
		return found
	}
	require.Equal(t, []string{"cart.created", "cart.item_added", "cart.checked_out", "cart.completed"}, kinds("module=cart&stream="+c.ID.String()))
	require.Equal(t, []string{"order.placed", "order.confirmed"}, kinds("module=order&stream="+done.OrderID.String()))
	require.Equal(t, "payment.captured", slices.Max(kinds("module=payment&type=payment.captured&stream="+done.PaymentID.String())))
	require.NotEmpty(t, kinds("module=saga&stream="+done.ID.String()))
	rows := get[list[saga.EventView]](t, s, "/v1/admin/events?module=order&stream="+done.OrderID.String(), s.admin).Data
	require.Equal(t, done.ID, rows[0].Correlation, "what follows from a checkout carries its id")
	after := get[list[saga.EventView]](t, s, "/v1/admin/events?module=order&after="+jsonOf(rows[0].Position)+"&stream="+done.OrderID.String(), s.admin).Data
	require.Len(t, after, 1)
	for _, query := range []string{"", "module=simulator", "module=cart&stream=7", "module=cart&after=-1", "module=cart&limit=0"} {
		as[problem](t, s.send(t, "GET", "/v1/admin/events?"+query, s.admin, nil), http.StatusUnprocessableEntity)
	}
}

func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func ledgerForOperators(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 500)
	done := as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated)
	rows := all[simulator.Entry](t, s, "/simulator/ledger?limit=1&reference="+done.PaymentID.String())
	require.Len(t, rows, 2)
	for i, operation := range []string{"authorize", "capture"} {
		require.Equal(t, operation, rows[i].Operation)
		require.EqualValues(t, 500, rows[i].Amount)
		require.Equal(t, "GBP", rows[i].Currency)
	}
	require.GreaterOrEqual(t, len(all[simulator.Entry](t, s, "/simulator/ledger?limit=100")), 2)
	require.Empty(t, get[list[simulator.Entry]](t, s, "/simulator/ledger?reference=nobody", s.admin).Data)
}
