package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/order"
	"shopping-cart/saga"
)

// cancelsOrder asks for an order to be cancelled, under a new key unless the headers name one.
func (s shopper) cancelsOrder(t testing.TB, id uuid.UUID, headers ...string) answer {
	t.Helper()
	return s.send(t, http.MethodPost, "/v1/orders/"+id.String()+"/cancel", s.token, map[string]any{"reason": "Ordered twice."},
		append([]string{"Idempotency-Key", uuid.NewString()}, headers...)...)
}

func (s *site) fulfils(t testing.TB, id uuid.UUID) answer {
	t.Helper()
	return s.send(t, http.MethodPost, "/v1/orders/"+id.String()+"/fulfil", s.admin, nil, "Idempotency-Key", uuid.NewString())
}

// becomes waits until an order stands there.
func (s *site) becomes(t testing.TB, id uuid.UUID, status order.Status) (o orderView) {
	t.Helper()
	until(t, "the order becomes "+string(status), func() bool {
		o = s.order(t, id)
		return o.Status == status
	})
	return o
}

func TestOrderCancellation(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, setup)
			t.Run("EveryPaymentMethod", func(t *testing.T) { cancelledByEveryMethod(t, s) })
			t.Run("TheRestOfWhatWasRefunded", func(t *testing.T) { cancelledInPart(t, s) })
			t.Run("NothingPaid", func(t *testing.T) { cancelledForNothing(t, s) })
			t.Run("Refused", func(t *testing.T) { refusedCancellations(t, s) })
			t.Run("AgainstFulfilment", func(t *testing.T) { cancelledOrFulfilled(t, s) })
		})
	}
}

func cancelledByEveryMethod(t *testing.T, s *site) {
	for _, method := range []string{"sim_ok", "sim_timeout_applied", "sim_timeout_lost", "sim_flaky", "sim_refund_flaky"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ada := s.shopper(t)
			c, sku := ada.buys(t, 1250, method)
			key := uuid.NewString()
			o := as[orderView](t, ada.cancelsOrder(t, c.OrderID, "Idempotency-Key", key), http.StatusAccepted)
			require.Contains(t, []order.Status{order.StatusCancelling, order.StatusCancelled}, o.Status)
			o = s.becomes(t, c.OrderID, order.StatusCancelled)
			require.Equal(t, o.Total, o.Refunded)
			require.Equal(t, []string{"authorize", "capture", "refund"}, s.ledger(t, *c.PaymentID))
			require.Equal(t, stockView{SKU: sku, OnHand: 5, Available: 5}, s.stock(t, sku))
			paid := s.payment(t, *c.PaymentID)
			require.Equal(t, "refunded", paid.Status)
			require.Equal(t, "Ordered twice.", paid.Refunds[0].Reason)
			again := ada.cancelsOrder(t, c.OrderID, "Idempotency-Key", key)
			require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
			require.Equal(t, o, as[orderView](t, again, http.StatusAccepted), "as it is now")
			require.Equal(t, saga.Completed, ada.checkout(t, c.ID).Status, "the checkout is what it was")
			refuses(t, s.refunds(t, c.OrderID, 1), http.StatusUnprocessableEntity, "exceeds_captured")
			refuses(t, s.fulfils(t, c.OrderID), http.StatusConflict, "order_cancelled")
			s.listsCancellation(t, o)
		})
	}
}

func (s *site) listsCancellation(t *testing.T, o orderView) {
	t.Helper()
	for _, v := range get[list[saga.View]](t, s, "/v1/admin/sagas?limit=100&type=cancellation", s.admin).Data {
		require.Equal(t, "cancellation", v.Type)
		if v.OrderID != o.ID {
			continue
		}
		v = get[saga.View](t, s, "/v1/admin/sagas/"+v.ID.String(), s.admin)
		require.Equal(t, []any{o.Total, *o.PaymentID, 2}, []any{v.Total, *v.PaymentID, len(v.Steps)})
		require.Equal(t, "saga.cancellation_started", v.Events[0].Type)
		refuses(t, s.send(t, http.MethodGet, "/v1/checkouts/"+v.ID.String(), s.admin, nil), http.StatusNotFound, "not_found")
		return
	}
	require.Fail(t, "the cancellation is in no list")
}

// cancelledInPart cancels what was refunded in part, with another refund under way.
func cancelledInPart(t *testing.T, s *site) {
	ada := s.shopper(t)
	c, _ := ada.buys(t, 1000, "sim_refund_flaky")
	as[refundView](t, s.refunds(t, c.OrderID, 300, "Prefer", waiting), http.StatusCreated)
	pending := as[refundView](t, s.refunds(t, c.OrderID, 200), http.StatusAccepted, http.StatusCreated)
	as[orderView](t, ada.cancelsOrder(t, c.OrderID), http.StatusAccepted)
	o := s.becomes(t, c.OrderID, order.StatusCancelled)
	require.Equal(t, o.Total, o.Refunded)
	require.Equal(t, []string{"authorize", "capture", "refund", "refund", "refund"}, s.ledger(t, *c.PaymentID))
	until(t, "the refund under way ends too", func() bool {
		return get[saga.View](t, s, "/v1/admin/sagas/"+pending.ID.String(), s.admin).Status == saga.Completed
	})
	require.Equal(t, o.Refunded, s.order(t, c.OrderID).Refunded, "and counts once")
}

func cancelledForNothing(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 500)
	s.stocks(t, sku, 5)
	c := ada.fills(t, sku)
	gift := map[string]any{"adjustments": []any{map[string]any{"code": "gift", "label": "Gift card", "amount": gbp(-500)}}}
	c = as[cartView](t, s.send(t, http.MethodPut, "/v1/carts/"+c.ID.String()+"/adjustments", s.admin, gift), http.StatusOK)
	done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
	refuses(t, s.refunds(t, done.OrderID, 0), http.StatusConflict, "not_captured")
	as[orderView](t, ada.cancelsOrder(t, done.OrderID), http.StatusAccepted)
	o := s.becomes(t, done.OrderID, order.StatusCancelled)
	require.Zero(t, o.Refunded.Amount)
	require.EqualValues(t, 5, s.stock(t, sku).Available)
}

func refusedCancellations(t *testing.T, s *site) {
	ada := s.shopper(t)
	sku := s.sells(t, 700)
	c := ada.fills(t, sku)
	asked := ada.asksForAction(t, c, "sim_requires_action")
	p := refuses(t, ada.cancelsOrder(t, asked.OrderID), http.StatusConflict, "checkout_running")
	require.NotEmpty(t, p.Detail)
	require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "deny").StatusCode)
	ada.reaches(t, asked.ID, saga.Failed)
	require.Equal(t, order.StatusCancelled, as[orderView](t, ada.cancelsOrder(t, asked.OrderID), http.StatusAccepted).Status)

	done, _ := ada.buys(t, 1250, "sim_ok")
	require.Equal(t, http.StatusOK, s.fulfils(t, done.OrderID).StatusCode)
	refuses(t, ada.cancelsOrder(t, done.OrderID), http.StatusConflict, "already_fulfilled")
	v := s.order(t, done.OrderID)
	require.Equal(t, []any{order.StatusFulfilled, int64(0)}, []any{v.Status, v.Refunded.Amount}, "a refused request changes nothing")
	refuses(t, s.send(t, http.MethodPost, "/v1/orders/"+done.OrderID.String()+"/cancel", ada.token, `{}`), http.StatusUnprocessableEntity, "validation_failed")
}

// cancelledOrFulfilled races the two: the order has one end, and the money and the stock agree with it.
func cancelledOrFulfilled(t *testing.T, s *site) {
	for n := range 6 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			ada := s.shopper(t)
			c, sku := ada.buys(t, 1250, "sim_ok")
			path := "/v1/orders/" + c.OrderID.String()
			both := s.together(t,
				posted{s.admin, path + "/fulfil", nil, uuid.NewString()},
				posted{ada.token, path + "/cancel", map[string]any{"reason": "Ordered twice."}, uuid.NewString()})
			fulfilled, cancelled := both[0], both[1]
			if fulfilled.StatusCode == http.StatusOK {
				refuses(t, cancelled, http.StatusConflict, "already_fulfilled")
				require.Equal(t, []string{"authorize", "capture"}, s.ledger(t, *c.PaymentID))
				require.Equal(t, stockView{SKU: sku, OnHand: 4, Available: 4}, s.stock(t, sku))
				return
			}
			require.Contains(t, []string{"order_cancelling", "order_cancelled"}, as[problem](t, fulfilled, http.StatusConflict).Code)
			as[orderView](t, cancelled, http.StatusAccepted)
			s.becomes(t, c.OrderID, order.StatusCancelled)
			require.Equal(t, []string{"authorize", "capture", "refund"}, s.ledger(t, *c.PaymentID))
			require.Equal(t, stockView{SKU: sku, OnHand: 5, Available: 5}, s.stock(t, sku))
		})
	}
}
