package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/order"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// TestRefundsElsewhere: money that came back without a call of ours is found, counted and told.
func TestRefundsElsewhere(t *testing.T) {
	t.Parallel()
	s := open(t, setups["OneDatabase"])
	for _, method := range []string{"sim_refunded_elsewhere", "sim_disputed"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ada := s.shopper(t)
			c, sku := ada.buys(t, 1250, method)
			s.returns(t, c, 1250)
			p := s.payment(t, *c.PaymentID)
			require.Equal(t, []any{money.Of(1250, "GBP"), "refunded"}, []any{p.Refunded, p.Status})
			require.Len(t, p.Refunds, 1)
			require.Equal(t, []any{"provider", "succeeded"}, []any{p.Refunds[0].Origin, p.Refunds[0].Status})
			require.Equal(t, []string{"authorize", "capture", "refund"}, s.ledger(t, *c.PaymentID))
			refuses(t, s.refunds(t, c.OrderID, 0), http.StatusUnprocessableEntity, "exceeds_captured")
			ada.cancelsOrder(t, c.OrderID)
			until(t, "it is cancelled", func() bool { return s.order(t, c.OrderID).Status == order.StatusCancelled })
			require.Len(t, s.payment(t, *c.PaymentID).Refunds, 1, "no refund was tried in vain")
			require.EqualValues(t, 5, s.stock(t, sku).OnHand)
			require.Zero(t, s.stock(t, sku).Reserved)
		})
	}
	t.Run("InTheDashboard", func(t *testing.T) {
		t.Parallel()
		ada := s.shopper(t)
		c, _ := ada.buys(t, 1250, "sim_ok")
		path := "/simulator/payments/" + c.PaymentID.String()
		refuses(t, s.send(t, http.MethodPost, path+"/refund", s.admin, map[string]any{"amount": gbp(1251)}), http.StatusUnprocessableEntity, "exceeds_captured")
		for _, verb := range []string{"/refund", "/dispute"} {
			for _, pence := range []int64{0, -5} {
				wrong := refuses(t, s.send(t, http.MethodPost, path+verb, s.admin, map[string]any{"amount": gbp(pence)}), http.StatusUnprocessableEntity, "validation_failed")
				require.Equal(t, "amount.amount", wrong.Errors[0].Field)
			}
			euro := refuses(t, s.send(t, http.MethodPost, path+verb, s.admin, `{"amount":{"amount":1,"currency":"EUR"}}`), http.StatusUnprocessableEntity, "currency_mismatch")
			require.Equal(t, "The payment is in GBP.", euro.Detail)
		}
		require.Equal(t, http.StatusOK, s.send(t, http.MethodPost, path+"/refund", s.admin, map[string]any{"amount": gbp(250)}).StatusCode)
		s.returns(t, c, 250)
		require.Equal(t, "partially_refunded", s.payment(t, *c.PaymentID).Status)
		require.Equal(t, http.StatusOK, s.send(t, http.MethodPost, path+"/dispute", s.admin, nil).StatusCode)
		s.returns(t, c, 1250)
	})
	t.Run("RefusedForGood", func(t *testing.T) {
		t.Parallel()
		ada := s.shopper(t)
		c, sku := ada.buys(t, 1250, "sim_refund_refused")
		as[orderView](t, ada.cancelsOrder(t, c.OrderID), http.StatusAccepted)
		id := s.cancellationOf(t, c.OrderID)
		v := s.stuck(t, id)
		require.Contains(t, *v.Steps[0].Error, "refused")
		require.Contains(t, v.Actions, saga.ActSettle)
		for range 2 {
			require.Equal(t, http.StatusAccepted, s.operates(t, id, "retry", nil).StatusCode)
			until(t, "it was tried", func() bool { return s.stuck(t, id).Steps[0].Attempts > v.Steps[0].Attempts })
			v = s.stuck(t, id)
		}
		require.Len(t, s.payment(t, *c.PaymentID).Refunds, 1, "one debt is shown once")
		refuses(t, s.operates(t, id, "settle", map[string]any{"outcome": "captured", "reason": "x"}), http.StatusConflict, "not_in_doubt")
		require.Equal(t, http.StatusAccepted, s.operates(t, id, "settle", map[string]any{"outcome": "refunded", "reason": "Transferred by the bank."}).StatusCode)
		until(t, "it is cancelled", func() bool { return s.order(t, c.OrderID).Status == order.StatusCancelled })
		require.Zero(t, s.stock(t, sku).Reserved)
		p := s.payment(t, *c.PaymentID)
		require.Equal(t, "refunded", p.Status)
		require.Equal(t, "Transferred by the bank.", p.Refunds[1].Reason)
		require.Equal(t, 3, s.refusals(t, *c.PaymentID), "one call by itself, and one for each retry")
	})
	t.Run("ByHandAndInTheDashboard", func(t *testing.T) {
		t.Parallel()
		ada := s.shopper(t)
		c, _ := ada.buys(t, 1250, "sim_refund_refused")
		as[orderView](t, ada.cancelsOrder(t, c.OrderID), http.StatusAccepted)
		id := s.cancellationOf(t, c.OrderID)
		s.stuck(t, id)
		require.Equal(t, http.StatusAccepted, s.operates(t, id, "settle", map[string]any{"outcome": "refunded", "reason": "In the dashboard."}).StatusCode)
		until(t, "it is cancelled", func() bool { return s.order(t, c.OrderID).Status == order.StatusCancelled })
		require.Equal(t, http.StatusOK, s.send(t, http.MethodPost, "/simulator/payments/"+c.PaymentID.String()+"/refund", s.admin, map[string]any{}).StatusCode)
		var p paymentView
		until(t, "the provider's word has come", func() bool {
			p = s.payment(t, *c.PaymentID)
			return p.Refunds[len(p.Refunds)-1].Reason == "Refunded at the payment provider."
		})
		require.Equal(t, []any{money.Of(1250, "GBP"), "refunded"}, []any{p.Refunded, p.Status})
		require.Len(t, p.Refunds, 2, "the one that was refused, and the provider's")
		require.Equal(t, money.Of(1250, "GBP"), s.order(t, c.OrderID).Refunded)
		for _, f := range auditor(t, s, func(m *saga.Module) { m.Settled = time.Nanosecond }).reconciles(t, http.MethodGet).Data {
			require.NotContains(t, f.ID, c.ID.String())
		}
	})
}

// refusals counts the refunds of a payment that the provider refused for good.
func (s *site) refusals(t testing.TB, payment uuid.UUID) (n int) {
	t.Helper()
	for _, e := range get[saga.StreamView](t, s, "/v1/admin/streams/payment/"+payment.String()+"?limit=100", s.admin).Data {
		if e.Type == "payment.refund_failed" {
			n++
		}
	}
	return n
}

// returns waits until the order tells of so much that was refunded, in pence.
func (s *site) returns(t testing.TB, c checkoutView, pence int64) {
	t.Helper()
	until(t, "the order tells of the refund", func() bool { return s.order(t, c.OrderID).Refunded == money.Of(pence, "GBP") })
}

// cancellationOf is the saga that cancels an order.
func (s *site) cancellationOf(t testing.TB, order uuid.UUID) (id uuid.UUID) {
	t.Helper()
	until(t, "the cancellation begins", func() bool {
		for _, v := range get[list[saga.View]](t, s, "/v1/admin/sagas?limit=100&type=cancellation", s.admin).Data {
			if v.OrderID == order {
				id = v.ID
			}
		}
		return id != uuid.Nil
	})
	return id
}

// stuck waits until a saga needs attention.
func (s *site) stuck(t testing.TB, id uuid.UUID) (v saga.View) {
	t.Helper()
	until(t, "it needs attention", func() bool {
		v = get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.admin)
		return v.Status == saga.NeedsAttention
	})
	return v
}

func (s *site) operates(t testing.TB, id uuid.UUID, verb string, body any) answer {
	t.Helper()
	return s.send(t, http.MethodPost, "/v1/admin/sagas/"+id.String()+"/"+verb, s.admin, body, "Idempotency-Key", uuid.NewString())
}
