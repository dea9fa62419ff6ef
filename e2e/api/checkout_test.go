package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// setups are how the modules' schemas may lie: a query or a command that spans two of them works in the first only.
var setups = map[string]harness.Setting{"OneDatabase": harness.OneDatabase, "DatabaseEach": harness.DatabaseEach}

func TestCheckout(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			t.Run("EveryPaymentMethod", func(t *testing.T) { everyPaymentMethod(t, s) })
			t.Run("AtTheBank", func(t *testing.T) { atTheBank(t, s) })
			t.Run("WithoutPayment", func(t *testing.T) { harness.CheckOutFree(t, s, "sim_declined") })
			t.Run("Refused", func(t *testing.T) { refusedCheckouts(t, s) })
			t.Run("FoldedAgainIsTheSame", func(t *testing.T) { foldedAgain(t, s) })
		})
		t.Run(name+"/AtTheBankTooLate", func(t *testing.T) {
			t.Parallel()
			tooLateAtTheBank(t, harness.Open(t, setup, func(_ testing.TB, c *config.Config) { c.PaymentActionTTL = 300 * time.Millisecond }))
		})
		t.Run(name+"/Slow", func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				t.Skip("two calls of two seconds")
			}
			s := harness.Open(t, setup, func(_ testing.TB, c *config.Config) { c.PaymentTimeout = 10 * time.Second })
			ends(t, s, "sim_slow", harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}})
		})
	}
}

func everyPaymentMethod(t *testing.T, s *harness.Site) {
	taken := harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}}
	for method, want := range map[string]harness.Outcome{
		"sim_ok":                    taken,
		"sim_timeout_applied":       taken,
		"sim_timeout_lost":          taken,
		"sim_flaky":                 taken,
		"sim_refund_flaky":          taken,
		"sim_declined":              {Failure: "payment_declined", Payment: "declined"},
		"sim_insufficient_funds":    {Failure: "insufficient_funds", Payment: "declined"},
		"sim_capture_fails":         {Failure: "capture_refused", Payment: "voided", Ledger: []string{"authorize", "void"}},
		"sim_authorization_expires": {Failure: "capture_refused", Payment: "voided", Ledger: []string{"authorize", "void"}},
		"sim_of_another_bank":       {Failure: "payment_declined", Payment: "declined"},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ends(t, s, method, want)
		})
	}
}

// ends walks a checkout from the shelf to its end, once with Prefer: wait and once without.
func ends(t *testing.T, s *harness.Site, method string, want harness.Outcome) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 1250)
	s.SetStock(t, sku, 5)

	c := ada.Fill(t, sku)
	a := ada.CheckOut(t, c, method, harness.Waiting)
	if want.Failure == "" {
		done := harness.As[harness.CheckoutView](t, a, http.StatusCreated)
		require.Equal(t, "/v1/checkouts/"+done.ID.String(), a.Header.Get("Location"))
		ada.RequireOutcome(t, c, done, want)
	} else {
		p := harness.RequireProblem(t, a, http.StatusPaymentRequired, want.Failure)
		ada.RequireOutcome(t, c, ada.Checkout(t, p.CheckoutID), want)
	}

	c = ada.Fill(t, sku)
	a = ada.CheckOut(t, c, method, harness.NoWait)
	begun := harness.As[harness.CheckoutView](t, a, http.StatusAccepted)
	require.Equal(t, "/v1/checkouts/"+begun.ID.String(), a.Header.Get("Location"))
	waited := harness.As[harness.CheckoutView](t, s.Send(t, http.MethodGet, "/v1/checkouts/"+begun.ID.String(), ada.Token, nil, "Prefer", harness.Waiting), http.StatusOK)
	ada.RequireOutcome(t, c, waited, want)

	reserved := int64(0)
	if want.Failure == "" {
		reserved = 2
	}
	require.Equal(t, harness.StockView{SKU: sku, OnHand: 5, Reserved: reserved, Available: 5 - reserved}, s.Stock(t, sku))
}

func atTheBank(t *testing.T, s *harness.Site) {
	sku := s.AddProduct(t, 1999)
	s.SetStock(t, sku, 100)
	for _, method := range []string{"sim_requires_action", "sim_duplicate_webhooks"} {
		t.Run(method+"/Approved", func(t *testing.T) {
			t.Parallel()
			ada := s.Shopper(t)
			c := ada.Fill(t, sku)
			asked := ada.CheckOutAtBank(t, c, method)
			require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
			ada.RequireOutcome(t, c, ada.AwaitStatus(t, asked.ID, saga.Completed), harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}})
			require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode, "said twice is said once")
			harness.RequireProblem(t, s.AnswerAtBank(t, *asked.PaymentID, "deny"), http.StatusConflict, "not_waiting")
		})
		t.Run(method+"/Denied", func(t *testing.T) {
			t.Parallel()
			ada := s.Shopper(t)
			c := ada.Fill(t, sku)
			asked := ada.CheckOutAtBank(t, c, method)
			require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "deny").StatusCode)
			ada.RequireOutcome(t, c, ada.AwaitStatus(t, asked.ID, saga.Failed), harness.Outcome{Failure: "authentication_failed", Payment: "declined"})
		})
	}
	t.Run("ApprovedAfterCancellation", func(t *testing.T) {
		t.Parallel()
		ada := s.Shopper(t)
		c := ada.Fill(t, sku)
		asked := ada.CheckOutAtBank(t, c, "sim_requires_action")
		require.Equal(t, saga.Cancelled, harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, asked.ID, "Prefer", harness.Waiting), http.StatusOK).Status)
		harness.RequireProblem(t, s.AnswerAtBank(t, *asked.PaymentID, "approve"), http.StatusConflict, "not_waiting")
		require.Empty(t, s.Ledger(t, *asked.PaymentID))
		ada.RequireReopened(t, c, ada.Cart(t, c.ID))
		require.Equal(t, "cancelled", ada.Checkout(t, asked.ID).Failure.Code)
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Cart(t, c.ID), "sim_ok", harness.Waiting), http.StatusCreated) // another attempt goes well
	})
}

// tooLateAtTheBank is for a program that gives shoppers no time.
func tooLateAtTheBank(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 1999)
	s.SetStock(t, sku, 1)
	c := ada.Fill(t, sku)
	asked := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_requires_action", harness.NoWait), http.StatusAccepted)
	ada.RequireOutcome(t, c, ada.AwaitStatus(t, asked.ID, saga.Failed), harness.Outcome{Failure: "authentication_expired", Payment: "voided"})
	harness.RequireProblem(t, s.AnswerAtBank(t, *asked.PaymentID, "approve"), http.StatusConflict, "not_waiting")
	require.EqualValues(t, 1, s.Stock(t, sku).Available)
}

func refusedCheckouts(t *testing.T, s *harness.Site) {
	t.Run("OutOfStock", func(t *testing.T) {
		t.Parallel()
		ada, rare, plenty := s.Shopper(t), s.AddProduct(t, 700), s.AddProduct(t, 300)
		s.SetStock(t, rare, 1)
		s.SetStock(t, plenty, 10)
		c := ada.Fill(t, rare, plenty)
		c = harness.As[harness.CartView](t, ada.Add(t, c, rare, 1), http.StatusOK)
		p := harness.RequireProblem(t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusConflict, "out_of_stock")
		require.Len(t, p.Lines, 1)
		require.Equal(t, rare, p.Lines[0].SKU)
		require.EqualValues(t, 2, p.Lines[0].Requested)
		require.EqualValues(t, 1, p.Lines[0].Available)
		failed := ada.Checkout(t, p.CheckoutID)
		require.Equal(t, saga.Failed, failed.Status)
		require.Equal(t, "out_of_stock", failed.Failure.Code)
		ada.RequireReopened(t, c, ada.Cart(t, c.ID))
		require.Zero(t, s.Stock(t, plenty).Reserved, "all or nothing")
		require.Empty(t, s.Ledger(t, *failed.PaymentID))
		harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/orders/"+failed.OrderID.String(), ada.Token, nil), http.StatusNotFound, "not_found")
		harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/payments/"+failed.PaymentID.String(), ada.Token, nil), http.StatusNotFound, "not_found")

		s.SetStock(t, rare, 2) // a delivery came: the same cart goes through, as another checkout
		again := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Cart(t, c.ID), "sim_ok", harness.Waiting), http.StatusCreated)
		require.NotEqual(t, failed.ID, again.ID)
	})
	t.Run("PriceChanged", func(t *testing.T) {
		t.Parallel()
		ada, sku, other := s.Shopper(t), s.AddProduct(t, 700), s.AddProduct(t, 100)
		c := ada.Fill(t, sku, other)
		s.SetPrice(t, sku, 800)
		p := harness.RequireProblem(t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusConflict, "price_changed")
		require.Len(t, p.Lines, 1)
		require.Equal(t, sku, p.Lines[0].SKU)
		require.EqualValues(t, 700, p.Lines[0].Was.Amount)
		require.EqualValues(t, 800, p.Lines[0].Now.Amount)
		require.Equal(t, c, ada.Cart(t, c.ID), "a refused request changes nothing")
		c = harness.As[harness.CartView](t, s.Send(t, http.MethodPost, "/v1/carts/"+c.ID.String()+"/reprice", ada.Token, nil), http.StatusOK)
		require.EqualValues(t, 900, c.Total.Amount)
		require.EqualValues(t, 900, harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated).Total.Amount)
	})
}

// foldedAgain makes the program forget every state, and sees it fold the same from the events.
func foldedAgain(t *testing.T, s *harness.Site) {
	s.RequirePromises(t)
	var paths []string
	for _, id := range streams(t, s, "cart", "cart") {
		paths = append(paths, "/v1/carts/"+id)
	}
	for _, sku := range streams(t, s, "cart", "product") {
		paths = append(paths, "/v1/products/"+harness.Escape(sku))
	}
	for _, id := range streams(t, s, "orders", "order") {
		paths = append(paths, "/v1/orders/"+id)
	}
	for _, sku := range streams(t, s, "orders", "stock") {
		paths = append(paths, "/v1/stock/"+harness.Escape(sku))
	}
	for _, id := range streams(t, s, "payment", "payment") {
		paths = append(paths, "/v1/payments/"+id)
	}
	for _, id := range streams(t, s, "saga", "saga") {
		paths = append(paths, "/v1/admin/sagas/"+id)
	}
	require.Greater(t, len(paths), 50)
	before := map[string]string{}
	for _, path := range paths {
		before[path] = string(s.Send(t, http.MethodGet, path, s.Admin, nil).Text)
	}
	for _, schema := range []string{"cart", "orders", "payment", "saga"} {
		s.Exec(t, schema, "create table kept_"+schema+" as select id, state from "+schema+".streams")
		s.Exec(t, schema, "update "+schema+".streams set fold = fold + 1000, state = '{}'")
	}
	for _, path := range paths {
		after := string(s.Send(t, http.MethodGet, path, s.Admin, nil).Text)
		require.Equal(t, requestless(before[path]), requestless(after), path)
	}
	for _, schema := range []string{"cart", "orders", "payment", "saga"} { // as they were, for the promises at the end
		s.Exec(t, schema, "update "+schema+".streams s set fold = fold - 1000, state = k.state from kept_"+schema+" k where k.id = s.id")
	}
}

// requestless is a view without what differs from request to request.
func requestless(view string) string {
	before, _, _ := strings.Cut(view, `"request_id"`)
	return before
}

// streams are the ids of a kind; of stock and products the SKU, which is what their paths hold.
func streams(t *testing.T, s *harness.Site, schema, kind string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URLs[schema])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "select coalesce(state ->> 'sku', id::text) from "+schema+".streams where kind = $1", kind)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return ids
}
