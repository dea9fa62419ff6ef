package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// becomes waits until an order stands there.
func becomes(t testing.TB, s *harness.Site, id uuid.UUID, status order.Status) (o harness.OrderView) {
	t.Helper()
	harness.Until(t, "the order becomes "+string(status), func() bool {
		o = s.Order(t, id)
		return o.Status == status
	})
	return o
}

func TestOrderCancellation(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			t.Run("EveryPaymentMethod", func(t *testing.T) { cancelledByEveryMethod(t, s) })
			t.Run("TheRestOfWhatWasRefunded", func(t *testing.T) { cancelledInPart(t, s) })
			t.Run("NothingPaid", func(t *testing.T) { cancelledForNothing(t, s) })
			t.Run("Refused", func(t *testing.T) { refusedCancellations(t, s) })
			t.Run("AgainstFulfilment", func(t *testing.T) { cancelledOrFulfilled(t, s) })
		})
	}
}

func cancelledByEveryMethod(t *testing.T, s *harness.Site) {
	for _, method := range []string{"sim_ok", "sim_timeout_applied", "sim_timeout_lost", "sim_flaky", "sim_refund_flaky"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ada := s.Shopper(t)
			c, sku := buys(t, ada, 1250, method)
			key := uuid.NewString()
			o := harness.As[harness.OrderView](t, ada.CancelOrder(t, c.OrderID, "Idempotency-Key", key), http.StatusAccepted)
			require.Contains(t, []order.Status{order.StatusCancelling, order.StatusCancelled}, o.Status)
			o = becomes(t, s, c.OrderID, order.StatusCancelled)
			require.Equal(t, o.Total, o.Refunded)
			require.Equal(t, []string{"authorize", "capture", "refund"}, s.Ledger(t, *c.PaymentID))
			require.Equal(t, harness.StockView{SKU: sku, OnHand: 5, Available: 5}, s.Stock(t, sku))
			paid := s.Payment(t, *c.PaymentID)
			require.Equal(t, "refunded", paid.Status)
			require.Equal(t, "Ordered twice.", paid.Refunds[0].Reason)
			again := ada.CancelOrder(t, c.OrderID, "Idempotency-Key", key)
			require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
			require.Equal(t, o, harness.As[harness.OrderView](t, again, http.StatusAccepted), "as it is now")
			require.Equal(t, saga.Completed, ada.Checkout(t, c.ID).Status, "the checkout is what it was")
			harness.RequireProblem(t, s.Refund(t, c.OrderID, 1), http.StatusUnprocessableEntity, "exceeds_captured")
			harness.RequireProblem(t, s.Fulfil(t, c.OrderID), http.StatusConflict, "order_cancelled")
			listsCancellation(t, s, o)
		})
	}
}

func listsCancellation(t *testing.T, s *harness.Site, o harness.OrderView) {
	t.Helper()
	for _, v := range harness.Get[harness.List[saga.View]](t, s, "/v1/admin/sagas?limit=100&type=cancellation", s.Admin).Data {
		require.Equal(t, "cancellation", v.Type)
		if v.OrderID != o.ID {
			continue
		}
		v = harness.Get[saga.View](t, s, "/v1/admin/sagas/"+v.ID.String(), s.Admin)
		require.Equal(t, []any{o.Total, *o.PaymentID, 2}, []any{v.Total, *v.PaymentID, len(v.Steps)})
		require.Equal(t, "saga.cancellation_started", v.Events[0].Type)
		harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/checkouts/"+v.ID.String(), s.Admin, nil), http.StatusNotFound, "not_found")
		return
	}
	require.Fail(t, "the cancellation is in no list")
}

// cancelledInPart cancels what was refunded in part, with another refund under way.
func cancelledInPart(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	c, _ := buys(t, ada, 1000, "sim_refund_flaky")
	harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 300, "Prefer", harness.Waiting), http.StatusCreated)
	pending := harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 200), http.StatusAccepted, http.StatusCreated)
	harness.As[harness.OrderView](t, ada.CancelOrder(t, c.OrderID), http.StatusAccepted)
	o := becomes(t, s, c.OrderID, order.StatusCancelled)
	require.Equal(t, o.Total, o.Refunded)
	require.Equal(t, []string{"authorize", "capture", "refund", "refund", "refund"}, s.Ledger(t, *c.PaymentID))
	harness.Until(t, "the refund under way ends too", func() bool {
		return harness.Get[saga.View](t, s, "/v1/admin/sagas/"+pending.ID.String(), s.Admin).Status == saga.Completed
	})
	require.Equal(t, o.Refunded, s.Order(t, c.OrderID).Refunded, "and counts once")
}

func cancelledForNothing(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	s.SetStock(t, sku, 5)
	c := ada.Fill(t, sku)
	gift := map[string]any{"adjustments": []any{map[string]any{"code": "gift", "label": "Gift card", "amount": harness.GBP(-500)}}}
	c = harness.As[harness.CartView](t, s.Send(t, http.MethodPut, "/v1/carts/"+c.ID.String()+"/adjustments", s.Admin, gift), http.StatusOK)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
	harness.RequireProblem(t, s.Refund(t, done.OrderID, 0), http.StatusConflict, "not_captured")
	harness.As[harness.OrderView](t, ada.CancelOrder(t, done.OrderID), http.StatusAccepted)
	o := becomes(t, s, done.OrderID, order.StatusCancelled)
	require.Zero(t, o.Refunded.Amount)
	require.EqualValues(t, 5, s.Stock(t, sku).Available)
}

func refusedCancellations(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	sku := s.AddProduct(t, 700)
	c := ada.Fill(t, sku)
	asked := ada.CheckOutAtBank(t, c, "sim_requires_action")
	p := harness.RequireProblem(t, ada.CancelOrder(t, asked.OrderID), http.StatusConflict, "checkout_running")
	require.NotEmpty(t, p.Detail)
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "deny").StatusCode)
	ada.AwaitStatus(t, asked.ID, saga.Failed)
	require.Equal(t, order.StatusCancelled, harness.As[harness.OrderView](t, ada.CancelOrder(t, asked.OrderID), http.StatusAccepted).Status)

	done, _ := buys(t, ada, 1250, "sim_ok")
	require.Equal(t, http.StatusOK, s.Fulfil(t, done.OrderID).StatusCode)
	harness.RequireProblem(t, ada.CancelOrder(t, done.OrderID), http.StatusConflict, "already_fulfilled")
	v := s.Order(t, done.OrderID)
	require.Equal(t, []any{order.StatusFulfilled, int64(0)}, []any{v.Status, v.Refunded.Amount}, "a refused request changes nothing")
	harness.RequireProblem(t, s.Send(t, http.MethodPost, "/v1/orders/"+done.OrderID.String()+"/cancel", ada.Token, `{}`), http.StatusUnprocessableEntity, "validation_failed")
}

// cancelledOrFulfilled races the two: the order has one end, and the money and the stock agree with it.
func cancelledOrFulfilled(t *testing.T, s *harness.Site) {
	for n := range 6 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			ada := s.Shopper(t)
			c, sku := buys(t, ada, 1250, "sim_ok")
			path := "/v1/orders/" + c.OrderID.String()
			both := together(t, s,
				posted{s.Admin, path + "/fulfil", nil, uuid.NewString()},
				posted{ada.Token, path + "/cancel", map[string]any{"reason": "Ordered twice."}, uuid.NewString()})
			fulfilled, cancelled := both[0], both[1]
			if fulfilled.StatusCode == http.StatusOK {
				harness.RequireProblem(t, cancelled, http.StatusConflict, "already_fulfilled")
				require.Equal(t, []string{"authorize", "capture"}, s.Ledger(t, *c.PaymentID))
				require.Equal(t, harness.StockView{SKU: sku, OnHand: 4, Available: 4}, s.Stock(t, sku))
				return
			}
			require.Contains(t, []string{"order_cancelling", "order_cancelled"}, harness.As[harness.Problem](t, fulfilled, http.StatusConflict).Code)
			harness.As[harness.OrderView](t, cancelled, http.StatusAccepted)
			becomes(t, s, c.OrderID, order.StatusCancelled)
			require.Equal(t, []string{"authorize", "capture", "refund"}, s.Ledger(t, *c.PaymentID))
			require.Equal(t, harness.StockView{SKU: sku, OnHand: 5, Available: 5}, s.Stock(t, sku))
		})
	}
}
