package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/platform/config"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// setups are how the modules' schemas may lie: a query or a command that spans two of them works in the first only.
var setups = map[string]setting{"OneDatabase": oneDatabase, "DatabaseEach": databaseEach}

// outcome is how things stand when a checkout has ended.
type outcome struct {
	failure string // code; "" when it went well
	payment string
	ledger  []string
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, setup)
			t.Run("EveryPaymentMethod", func(t *testing.T) { everyPaymentMethod(t, s) })
			t.Run("AtTheBank", func(t *testing.T) { atTheBank(t, s) })
			t.Run("WithoutPayment", func(t *testing.T) { withoutPayment(t, s, "sim_declined") })
			t.Run("Refused", func(t *testing.T) { refusedCheckouts(t, s) })
			t.Run("FoldedAgainIsTheSame", func(t *testing.T) { foldedAgain(t, s) })
		})
		t.Run(name+"/AtTheBankTooLate", func(t *testing.T) {
			t.Parallel()
			tooLateAtTheBank(t, open(t, setup, func(_ testing.TB, c *config.Config) { c.PaymentActionTTL = 300 * time.Millisecond }))
		})
		t.Run(name+"/Slow", func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				t.Skip("two calls of two seconds")
			}
			s := open(t, setup, func(_ testing.TB, c *config.Config) { c.PaymentTimeout = 10 * time.Second })
			ends(t, s, "sim_slow", outcome{payment: "captured", ledger: []string{"authorize", "capture"}})
		})
	}
}

func everyPaymentMethod(t *testing.T, s *site) {
	taken := outcome{payment: "captured", ledger: []string{"authorize", "capture"}}
	for method, want := range map[string]outcome{
		"sim_ok":                    taken,
		"sim_timeout_applied":       taken,
		"sim_timeout_lost":          taken,
		"sim_flaky":                 taken,
		"sim_refund_flaky":          taken,
		"sim_declined":              {failure: "payment_declined", payment: "declined"},
		"sim_insufficient_funds":    {failure: "insufficient_funds", payment: "declined"},
		"sim_capture_fails":         {failure: "capture_refused", payment: "voided", ledger: []string{"authorize", "void"}},
		"sim_authorization_expires": {failure: "capture_refused", payment: "voided", ledger: []string{"authorize", "void"}},
		"sim_of_another_bank":       {failure: "payment_declined", payment: "declined"},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ends(t, s, method, want)
		})
	}
}

// ends walks a checkout from the shelf to its end, once with Prefer: wait and once without.
func ends(t *testing.T, s *site, method string, want outcome) {
	ada, sku := s.shopper(t), s.sells(t, 1250)
	s.stocks(t, sku, 5)

	c := ada.fills(t, sku)
	a := ada.checksOut(t, c, method, waiting)
	if want.failure == "" {
		done := as[checkoutView](t, a, http.StatusCreated)
		require.Equal(t, "/v1/checkouts/"+done.ID.String(), a.Header.Get("Location"))
		ada.ended(t, c, done, want)
	} else {
		p := refuses(t, a, http.StatusPaymentRequired, want.failure)
		ada.ended(t, c, ada.checkout(t, p.CheckoutID), want)
	}

	c = ada.fills(t, sku)
	a = ada.checksOut(t, c, method, noWait)
	begun := as[checkoutView](t, a, http.StatusAccepted)
	require.Equal(t, "/v1/checkouts/"+begun.ID.String(), a.Header.Get("Location"))
	waited := as[checkoutView](t, s.send(t, http.MethodGet, "/v1/checkouts/"+begun.ID.String(), ada.token, nil, "Prefer", waiting), http.StatusOK)
	ada.ended(t, c, waited, want)

	reserved := int64(0)
	if want.failure == "" {
		reserved = 2
	}
	require.Equal(t, stockView{SKU: sku, OnHand: 5, Reserved: reserved, Available: 5 - reserved}, s.stock(t, sku))
}

// ended checks everything that is left of a checkout that began with the cart before.
func (s shopper) ended(t *testing.T, before cartView, c checkoutView, want outcome) {
	t.Helper()
	after, paid := s.cart(t, before.ID), get[paymentView](t, s.site, "/v1/payments/"+c.PaymentID.String(), s.token)
	require.Equal(t, before.Total, c.Total)
	require.Equal(t, before.ID, c.CartID)
	require.Nil(t, c.NextAction)
	require.Equal(t, want.payment, paid.Status)
	require.Equal(t, c.OrderID, paid.OrderID)
	require.Equal(t, before.Total, paid.Amount)
	require.Equal(t, want.ledger, s.ledger(t, *c.PaymentID))
	o := get[orderView](t, s.site, "/v1/orders/"+c.OrderID.String(), s.token)
	if want.failure != "" {
		require.Equal(t, saga.Failed, c.Status)
		require.Equal(t, want.failure, c.Failure.Code)
		require.NotEmpty(t, c.Failure.Detail)
		require.Equal(t, want.failure, paid.Failure.Code)
		require.Zero(t, paid.Captured.Amount)
		require.Equal(t, order.StatusCancelled, o.Status)
		s.isOpenAsBefore(t, before, after)
		return
	}
	require.Equal(t, saga.Completed, c.Status)
	require.Nil(t, c.Failure)
	require.Nil(t, paid.Failure)
	require.Equal(t, before.Total, paid.Captured)
	require.Equal(t, cart.StatusCheckedOut, after.Status)
	require.Equal(t, c.ID, *after.CheckoutID)
	for _, step := range c.Steps {
		require.Equal(t, saga.StepIsDone, step.Status, step.Name)
	}
	require.Equal(t, order.StatusConfirmed, o.Status)
	require.Equal(t, before.Total, o.Total)
	require.Equal(t, c.ID, o.CheckoutID)
	require.Equal(t, c.PaymentID, o.PaymentID)
	require.Equal(t, "ada@example.com", *o.Email)
	require.JSONEq(t, `{"city":"London"}`, string(o.ShippingAddress))
	require.NotEmpty(t, o.Number)
}

func (s shopper) isOpenAsBefore(t *testing.T, before, after cartView) {
	t.Helper()
	require.Equal(t, cart.StatusOpen, after.Status)
	require.Nil(t, after.CheckoutID)
	require.Equal(t, before.Items, after.Items)
	require.Equal(t, before.Total, after.Total)
	require.Equal(t, before.Version+2, after.Version, "checked out and reopened")
}

// asksForAction begins a checkout that must be confirmed at the bank.
func (s shopper) asksForAction(t *testing.T, c cartView, method string) checkoutView {
	t.Helper()
	asked := as[checkoutView](t, s.checksOut(t, c, method, waiting), http.StatusAccepted)
	require.Equal(t, saga.RequiresAction, asked.Status)
	require.Equal(t, "redirect", asked.NextAction.Type)
	require.Equal(t, s.base+"/simulator/payments/"+asked.PaymentID.String(), asked.NextAction.URL)
	require.Equal(t, "requires_action", get[paymentView](t, s.site, "/v1/payments/"+asked.PaymentID.String(), s.token).Status)
	require.Empty(t, s.ledger(t, *asked.PaymentID))
	page := s.send(t, http.MethodGet, strings.TrimPrefix(asked.NextAction.URL, s.base), "", nil)
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, string(page.body), "Approve")
	return asked
}

func atTheBank(t *testing.T, s *site) {
	sku := s.sells(t, 1999)
	s.stocks(t, sku, 100)
	for _, method := range []string{"sim_requires_action", "sim_duplicate_webhooks"} {
		t.Run(method+"/Approved", func(t *testing.T) {
			t.Parallel()
			ada := s.shopper(t)
			c := ada.fills(t, sku)
			asked := ada.asksForAction(t, c, method)
			require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "approve").StatusCode)
			ada.ended(t, c, ada.reaches(t, asked.ID, saga.Completed), outcome{payment: "captured", ledger: []string{"authorize", "capture"}})
			require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "approve").StatusCode, "said twice is said once")
			refuses(t, s.bank(t, *asked.PaymentID, "deny"), http.StatusConflict, "not_waiting")
		})
		t.Run(method+"/Denied", func(t *testing.T) {
			t.Parallel()
			ada := s.shopper(t)
			c := ada.fills(t, sku)
			asked := ada.asksForAction(t, c, method)
			require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "deny").StatusCode)
			ada.ended(t, c, ada.reaches(t, asked.ID, saga.Failed), outcome{failure: "authentication_failed", payment: "declined"})
		})
	}
	t.Run("ApprovedAfterCancellation", func(t *testing.T) {
		t.Parallel()
		ada := s.shopper(t)
		c := ada.fills(t, sku)
		asked := ada.asksForAction(t, c, "sim_requires_action")
		require.Equal(t, saga.Cancelled, as[checkoutView](t, ada.cancels(t, asked.ID, "Prefer", waiting), http.StatusOK).Status)
		refuses(t, s.bank(t, *asked.PaymentID, "approve"), http.StatusConflict, "not_waiting")
		require.Empty(t, s.ledger(t, *asked.PaymentID))
		ada.isOpenAsBefore(t, c, ada.cart(t, c.ID))
		require.Equal(t, "cancelled", ada.checkout(t, asked.ID).Failure.Code)
		as[checkoutView](t, ada.checksOut(t, ada.cart(t, c.ID), "sim_ok", waiting), http.StatusCreated) // another attempt goes well
	})
}

// tooLateAtTheBank is for a program that gives shoppers no time.
func tooLateAtTheBank(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 1999)
	s.stocks(t, sku, 1)
	c := ada.fills(t, sku)
	asked := as[checkoutView](t, ada.checksOut(t, c, "sim_requires_action", noWait), http.StatusAccepted)
	ada.ended(t, c, ada.reaches(t, asked.ID, saga.Failed), outcome{failure: "authentication_expired", payment: "voided"})
	refuses(t, s.bank(t, *asked.PaymentID, "approve"), http.StatusConflict, "not_waiting")
	require.EqualValues(t, 1, s.stock(t, sku).Available)
}

func withoutPayment(t *testing.T, s *site, declined string) {
	ada, sku := s.shopper(t), s.sells(t, 500)
	c := ada.fills(t, sku)
	gift := map[string]any{"adjustments": []any{map[string]any{"code": "gift", "label": "Gift card", "amount": gbp(-500)}}}
	c = as[cartView](t, s.send(t, http.MethodPut, "/v1/carts/"+c.ID.String()+"/adjustments", s.admin, gift), http.StatusOK)
	require.Zero(t, c.Total.Amount)
	done := as[checkoutView](t, ada.checksOut(t, c, declined, waiting), http.StatusCreated)
	require.Nil(t, done.PaymentID)
	for _, step := range done.Steps {
		require.NotContains(t, step.Name, "payment")
	}
	o := get[orderView](t, s, "/v1/orders/"+done.OrderID.String(), ada.token)
	require.Equal(t, order.StatusConfirmed, o.Status)
	require.Equal(t, money.Of(0, "GBP"), o.Total)
	require.Equal(t, cart.StatusCheckedOut, ada.cart(t, c.ID).Status)
	require.Nil(t, o.PaymentID)
	refuses(t, ada.cancels(t, done.ID), http.StatusConflict, "too_late")
}

func refusedCheckouts(t *testing.T, s *site) {
	t.Run("OutOfStock", func(t *testing.T) {
		t.Parallel()
		ada, rare, plenty := s.shopper(t), s.sells(t, 700), s.sells(t, 300)
		s.stocks(t, rare, 1)
		s.stocks(t, plenty, 10)
		c := ada.fills(t, rare, plenty)
		c = as[cartView](t, ada.adds(t, c, rare, 1), http.StatusOK)
		p := refuses(t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusConflict, "out_of_stock")
		require.Len(t, p.Lines, 1)
		require.Equal(t, rare, p.Lines[0].SKU)
		require.EqualValues(t, 2, p.Lines[0].Requested)
		require.EqualValues(t, 1, p.Lines[0].Available)
		failed := ada.checkout(t, p.CheckoutID)
		require.Equal(t, saga.Failed, failed.Status)
		require.Equal(t, "out_of_stock", failed.Failure.Code)
		ada.isOpenAsBefore(t, c, ada.cart(t, c.ID))
		require.Zero(t, s.stock(t, plenty).Reserved, "all or nothing")
		require.Empty(t, s.ledger(t, *failed.PaymentID))
		refuses(t, s.send(t, http.MethodGet, "/v1/orders/"+failed.OrderID.String(), ada.token, nil), http.StatusNotFound, "not_found")
		refuses(t, s.send(t, http.MethodGet, "/v1/payments/"+failed.PaymentID.String(), ada.token, nil), http.StatusNotFound, "not_found")

		s.stocks(t, rare, 2) // a delivery came: the same cart goes through, as another checkout
		again := as[checkoutView](t, ada.checksOut(t, ada.cart(t, c.ID), "sim_ok", waiting), http.StatusCreated)
		require.NotEqual(t, failed.ID, again.ID)
	})
	t.Run("PriceChanged", func(t *testing.T) {
		t.Parallel()
		ada, sku, other := s.shopper(t), s.sells(t, 700), s.sells(t, 100)
		c := ada.fills(t, sku, other)
		s.prices(t, sku, 800)
		p := refuses(t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusConflict, "price_changed")
		require.Len(t, p.Lines, 1)
		require.Equal(t, sku, p.Lines[0].SKU)
		require.EqualValues(t, 700, p.Lines[0].Was.Amount)
		require.EqualValues(t, 800, p.Lines[0].Now.Amount)
		require.Equal(t, c, ada.cart(t, c.ID), "a refused request changes nothing")
		c = as[cartView](t, s.send(t, http.MethodPost, "/v1/carts/"+c.ID.String()+"/reprice", ada.token, nil), http.StatusOK)
		require.EqualValues(t, 900, c.Total.Amount)
		require.EqualValues(t, 900, as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated).Total.Amount)
	})
}

// foldedAgain makes the program forget every state, and sees it fold the same from the events.
func foldedAgain(t *testing.T, s *site) {
	s.keepsPromises(t)
	var paths []string
	for _, id := range s.streams(t, "cart", "cart") {
		paths = append(paths, "/v1/carts/"+id)
	}
	for _, sku := range s.streams(t, "cart", "product") {
		paths = append(paths, "/v1/products/"+escape(sku))
	}
	for _, id := range s.streams(t, "orders", "order") {
		paths = append(paths, "/v1/orders/"+id)
	}
	for _, sku := range s.streams(t, "orders", "stock") {
		paths = append(paths, "/v1/stock/"+escape(sku))
	}
	for _, id := range s.streams(t, "payment", "payment") {
		paths = append(paths, "/v1/payments/"+id)
	}
	for _, id := range s.streams(t, "saga", "saga") {
		paths = append(paths, "/v1/admin/sagas/"+id)
	}
	require.Greater(t, len(paths), 50)
	before := map[string]string{}
	for _, path := range paths {
		before[path] = string(s.send(t, http.MethodGet, path, s.admin, nil).body)
	}
	for _, schema := range []string{"cart", "orders", "payment", "saga"} {
		s.exec(t, schema, "create table kept_"+schema+" as select id, state from "+schema+".streams")
		s.exec(t, schema, "update "+schema+".streams set fold = fold + 1000, state = '{}'")
	}
	for _, path := range paths {
		after := string(s.send(t, http.MethodGet, path, s.admin, nil).body)
		require.Equal(t, requestless(before[path]), requestless(after), path)
	}
	for _, schema := range []string{"cart", "orders", "payment", "saga"} { // as they were, for the promises at the end
		s.exec(t, schema, "update "+schema+".streams s set fold = fold - 1000, state = k.state from kept_"+schema+" k where k.id = s.id")
	}
}

// requestless is a view without what differs from request to request.
func requestless(view string) string {
	before, _, _ := strings.Cut(view, `"request_id"`)
	return before
}

// streams are the ids of a kind; of stock and products the SKU, which is what their paths hold.
func (s *site) streams(t *testing.T, schema, kind string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.urls[schema])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "select coalesce(state ->> 'sku', id::text) from "+schema+".streams where kind = $1", kind)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return ids
}

func (s *site) exec(t *testing.T, schema, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.urls[schema])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}
