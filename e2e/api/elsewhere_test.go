package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/admin/reconcile"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// TestRefundsElsewhere: money that came back without a call of ours is found, counted and told.
func TestRefundsElsewhere(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, setups["OneDatabase"])
	for _, method := range []string{"sim_refunded_elsewhere", "sim_disputed"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ada := s.Shopper(t)
			c, sku := buys(t, ada, 1250, method)
			returns(t, s, c, 1250)
			p := s.Payment(t, *c.PaymentID)
			require.Equal(t, []any{money.Of(1250, "GBP"), "refunded"}, []any{p.Refunded, p.Status})
			require.Len(t, p.Refunds, 1)
			require.Equal(t, []any{"provider", "succeeded"}, []any{p.Refunds[0].Origin, p.Refunds[0].Status})
			require.Equal(t, []string{"authorize", "capture", "refund"}, s.Ledger(t, *c.PaymentID))
			harness.RequireProblem(t, s.Refund(t, c.OrderID, 0), http.StatusUnprocessableEntity, "exceeds_captured")
			ada.CancelOrder(t, c.OrderID)
			harness.Until(t, "it is cancelled", func() bool { return s.Order(t, c.OrderID).Status == order.StatusCancelled })
			require.Len(t, s.Payment(t, *c.PaymentID).Refunds, 1, "no refund was tried in vain")
			require.EqualValues(t, 5, s.Stock(t, sku).OnHand)
			require.Zero(t, s.Stock(t, sku).Reserved)
		})
	}
	t.Run("InTheDashboard", func(t *testing.T) {
		t.Parallel()
		ada := s.Shopper(t)
		c, _ := buys(t, ada, 1250, "sim_ok")
		path := "/simulator/payments/" + c.PaymentID.String()
		harness.RequireProblem(t, s.Send(t, http.MethodPost, path+"/refund", s.Admin, map[string]any{"amount": harness.GBP(1251)}), http.StatusUnprocessableEntity, "exceeds_captured")
		for _, verb := range []string{"/refund", "/dispute"} {
			for _, pence := range []int64{0, -5} {
				wrong := harness.RequireProblem(t, s.Send(t, http.MethodPost, path+verb, s.Admin, map[string]any{"amount": harness.GBP(pence)}), http.StatusUnprocessableEntity, "validation_failed")
				require.Equal(t, "amount.amount", wrong.Errors[0].Field)
			}
			euro := harness.RequireProblem(t, s.Send(t, http.MethodPost, path+verb, s.Admin, `{"amount":{"amount":1,"currency":"EUR"}}`), http.StatusUnprocessableEntity, "currency_mismatch")
			require.Equal(t, "The payment is in GBP.", euro.Detail)
		}
		require.Equal(t, http.StatusOK, s.Send(t, http.MethodPost, path+"/refund", s.Admin, map[string]any{"amount": harness.GBP(250)}).StatusCode)
		returns(t, s, c, 250)
		require.Equal(t, "partially_refunded", s.Payment(t, *c.PaymentID).Status)
		require.Equal(t, http.StatusOK, s.Send(t, http.MethodPost, path+"/dispute", s.Admin, nil).StatusCode)
		returns(t, s, c, 1250)
	})
	t.Run("RefusedForGood", func(t *testing.T) {
		t.Parallel()
		ada := s.Shopper(t)
		c, sku := buys(t, ada, 1250, "sim_refund_refused")
		harness.As[harness.OrderView](t, ada.CancelOrder(t, c.OrderID), http.StatusAccepted)
		id := s.CancellationOf(t, c.OrderID)
		v := s.AwaitAttention(t, id)
		require.Contains(t, *v.Steps[0].Error, "refused")
		require.Contains(t, v.Actions, saga.ActSettle)
		for range 2 {
			require.Equal(t, http.StatusAccepted, s.Operate(t, id, "retry", nil).StatusCode)
			harness.Until(t, "it was tried", func() bool { return s.AwaitAttention(t, id).Steps[0].Attempts > v.Steps[0].Attempts })
			v = s.AwaitAttention(t, id)
		}
		require.Len(t, s.Payment(t, *c.PaymentID).Refunds, 1, "one debt is shown once")
		harness.RequireProblem(t, s.Operate(t, id, "settle", map[string]any{"outcome": "captured", "reason": "x"}), http.StatusConflict, "not_in_doubt")
		require.Equal(t, http.StatusAccepted, s.Operate(t, id, "settle", map[string]any{"outcome": "refunded", "reason": "Transferred by the bank."}).StatusCode)
		harness.Until(t, "it is cancelled", func() bool { return s.Order(t, c.OrderID).Status == order.StatusCancelled })
		require.Zero(t, s.Stock(t, sku).Reserved)
		p := s.Payment(t, *c.PaymentID)
		require.Equal(t, "refunded", p.Status)
		require.Equal(t, "Transferred by the bank.", p.Refunds[1].Reason)
		require.Equal(t, 3, refusals(t, s, *c.PaymentID), "one call by itself, and one for each retry")
	})
	t.Run("ByHandAndInTheDashboard", func(t *testing.T) {
		t.Parallel()
		ada := s.Shopper(t)
		c, _ := buys(t, ada, 1250, "sim_refund_refused")
		harness.As[harness.OrderView](t, ada.CancelOrder(t, c.OrderID), http.StatusAccepted)
		id := s.CancellationOf(t, c.OrderID)
		s.AwaitAttention(t, id)
		require.Equal(t, http.StatusAccepted, s.Operate(t, id, "settle", map[string]any{"outcome": "refunded", "reason": "In the dashboard."}).StatusCode)
		harness.Until(t, "it is cancelled", func() bool { return s.Order(t, c.OrderID).Status == order.StatusCancelled })
		require.Equal(t, http.StatusOK, s.Send(t, http.MethodPost, "/simulator/payments/"+c.PaymentID.String()+"/refund", s.Admin, map[string]any{}).StatusCode)
		var p harness.PaymentView
		harness.Until(t, "the provider's word has come", func() bool {
			p = s.Payment(t, *c.PaymentID)
			return p.Refunds[len(p.Refunds)-1].Reason == "Refunded at the payment provider."
		})
		require.Equal(t, []any{money.Of(1250, "GBP"), "refunded"}, []any{p.Refunded, p.Status})
		require.Len(t, p.Refunds, 2, "the one that was refused, and the provider's")
		require.Equal(t, money.Of(1250, "GBP"), s.Order(t, c.OrderID).Refunded)
		for _, f := range harness.Auditor(t, s, func(m *reconcile.Module) { m.MinAge = time.Nanosecond }).Reconcile(t, http.MethodGet).Data {
			require.NotContains(t, f.ID, c.ID.String())
		}
	})
}

// refusals counts the refunds of a payment that the provider refused for good.
func refusals(t testing.TB, s *harness.Site, payment uuid.UUID) (n int) {
	t.Helper()
	for _, e := range harness.Get[admin.StreamView](t, s, "/v1/admin/streams/payment/"+payment.String()+"?limit=100", s.Admin).Data {
		if e.Type == "payment.refund_failed" {
			n++
		}
	}
	return n
}

// returns waits until the order tells of so much that was refunded, in pence.
func returns(t testing.TB, s *harness.Site, c harness.CheckoutView, pence int64) {
	t.Helper()
	harness.Until(t, "the order tells of the refund", func() bool { return s.Order(t, c.OrderID).Refunded == money.Of(pence, "GBP") })
}
