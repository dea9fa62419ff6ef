package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/payment/simulator"
	"shopping-cart/saga"
)

func TestReads(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	t.Run("OrdersAndPayments", func(t *testing.T) { ordersAndPayments(t, s) })
	t.Run("Products", func(t *testing.T) { productsAndStock(t, s) })
	t.Run("Sagas", func(t *testing.T) { sagasForOperators(t, s) })
	t.Run("Events", func(t *testing.T) { eventsForOperators(t, s) })
	t.Run("Ledger", func(t *testing.T) { ledgerForOperators(t, s) })
}

func ordersAndPayments(t *testing.T, s *harness.Site) {
	ada, eve, sku := s.Shopper(t), s.Shopper(t), s.AddProduct(t, 500)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	mine := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", ada.Token)
	require.Len(t, mine.Data, 1, "a pending order is in no list")
	require.Equal(t, done.OrderID, mine.Data[0].ID)
	require.Nil(t, mine.NextCursor)
	require.Empty(t, harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", eve.Token).Data)
	for _, path := range []string{"/v1/orders/" + done.OrderID.String(), "/v1/payments/" + done.PaymentID.String()} {
		a := s.Send(t, http.MethodGet, path, ada.Token, nil)
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Equal(t, http.StatusNotModified, s.Send(t, http.MethodGet, path, ada.Token, nil, "If-None-Match", a.Header.Get("ETag")).StatusCode)
		require.Empty(t, s.Send(t, http.MethodHead, path, ada.Token, nil).Text)
		require.Equal(t, http.StatusOK, s.Send(t, http.MethodGet, path, s.Admin, nil).StatusCode, "operators read everything")
	}
	number := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/admin/orders?number="+mine.Data[0].Number, s.Admin).Data
	require.Len(t, number, 1)
	require.Equal(t, done.OrderID, number[0].ID)
	paid := harness.Get[harness.PaymentView](t, s, "/v1/payments/"+done.PaymentID.String(), ada.Token)
	require.Equal(t, done.PaymentID.String(), paid.ProviderReference)
	require.Zero(t, paid.Refunded.Amount)
	require.Empty(t, paid.Refunds)

	for _, c := range all[saga.View](t, s, "/v1/admin/sagas?status=requires_action") { // nothing stays under way
		if c.CustomerID == ada.ID.String() {
			harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, c.ID, "Prefer", harness.Waiting), http.StatusOK)
		}
	}
}

// productsAndStock: a product that is unchanged is 304, until its stock changes.
func productsAndStock(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	path := "/v1/products/" + url.PathEscape(sku)
	read := func(tag string) harness.Answer { return s.Send(t, http.MethodGet, path, "", nil, "If-None-Match", tag) }
	require.Equal(t, http.StatusOK, s.Send(t, http.MethodPut, "/v1/stock/"+url.PathEscape(sku), s.Admin, map[string]any{"on_hand": 3}).StatusCode)
	tag := read(`"0"`).Header.Get("ETag")
	require.Equal(t, `"1.3"`, tag)
	require.Equal(t, http.StatusNotModified, read(tag).StatusCode)
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	sold := read(tag)
	require.Equal(t, http.StatusOK, sold.StatusCode)
	require.NotEqual(t, tag, sold.Header.Get("ETag"))
	again := map[string]any{"name": "Mug, blue", "price": map[string]any{"amount": 500, "currency": "GBP"}}
	require.Equal(t, http.StatusOK, s.Send(t, http.MethodPut, path, s.Admin, again, "If-Match", tag).StatusCode)
	require.Equal(t, http.StatusPreconditionFailed, s.Send(t, http.MethodPut, path, s.Admin, again, "If-None-Match", "*").StatusCode)
}

// all reads every page of a list.
func all[T any](t *testing.T, s *harness.Site, path string) (rows []T) {
	t.Helper()
	next := path
	for {
		page := harness.Get[harness.List[T]](t, s, next, s.Admin)
		rows = append(rows, page.Data...)
		if page.NextCursor == nil {
			return rows
		}
		next = path + "&cursor=" + *page.NextCursor
	}
}

func sagasForOperators(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	declined := harness.RequireProblem(t, ada.CheckOut(t, ada.Fill(t, sku), "sim_declined", harness.Waiting), http.StatusPaymentRequired, "payment_declined")
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
		harness.As[harness.Problem](t, s.Send(t, "GET", "/v1/admin/sagas?"+query, s.Admin, nil), http.StatusUnprocessableEntity)
	}
	one := harness.Get[saga.View](t, s, "/v1/admin/sagas/"+done.ID.String(), s.Admin)
	require.Equal(t, ada.ID.String(), one.CustomerID)
	require.Len(t, one.Events, int(one.Version))
	require.Equal(t, "saga.started", one.Events[0].Type)
	require.Equal(t, "saga.ended", one.Events[len(one.Events)-1].Type)
	require.Equal(t, done.ID, harness.Get[harness.CheckoutView](t, s, "/v1/checkouts/"+done.ID.String(), s.Admin).ID, "operators read everything")
}

func eventsForOperators(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	c := ada.Fill(t, sku)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
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
	rows := harness.Get[harness.List[saga.EventView]](t, s, "/v1/admin/events?module=order&stream="+done.OrderID.String(), s.Admin).Data
	require.Equal(t, done.ID, rows[0].Correlation, "what follows from a checkout carries its id")
	after := harness.Get[harness.List[saga.EventView]](t, s, "/v1/admin/events?module=order&after="+jsonOf(rows[0].Position)+"&stream="+done.OrderID.String(), s.Admin).Data
	require.Len(t, after, 1)
	for _, query := range []string{"", "module=simulator", "module=cart&stream=7", "module=cart&after=-1", "module=cart&limit=0"} {
		harness.As[harness.Problem](t, s.Send(t, "GET", "/v1/admin/events?"+query, s.Admin, nil), http.StatusUnprocessableEntity)
	}
}

func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func ledgerForOperators(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	rows := all[simulator.Entry](t, s, "/simulator/ledger?limit=1&reference="+done.PaymentID.String())
	require.Len(t, rows, 2)
	for i, operation := range []string{"authorize", "capture"} {
		require.Equal(t, operation, rows[i].Operation)
		require.EqualValues(t, 500, rows[i].Amount)
		require.Equal(t, "GBP", rows[i].Currency)
	}
	require.GreaterOrEqual(t, len(all[simulator.Entry](t, s, "/simulator/ledger?limit=100")), 2)
	require.Empty(t, harness.Get[harness.List[simulator.Entry]](t, s, "/simulator/ledger?reference=nobody", s.Admin).Data)
}
