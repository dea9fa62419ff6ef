package api

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/saga"
)

func TestRefundedOrders(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)

			t.Run("AreNotFulfilled", func(t *testing.T) {
				c, _ := buys(t, s.Shopper(t), 1250, "sim_ok")
				harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 500), http.StatusCreated)
				harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 0), http.StatusCreated)
				harness.RequireProblem(t, s.Fulfil(t, c.OrderID), http.StatusConflict, "order_refunded")
				harness.Until(t, "it is listed as refunded", func() bool {
					found := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/admin/orders?refunded=full", s.Admin).Data
					return len(found) == 1 && found[0].ID == c.OrderID
				})
			})

			t.Run("AreNotFulfilledWhileTheRefundIsUnderWay", func(t *testing.T) {
				c, _ := buys(t, s.Shopper(t), 1250, "sim_refund_flaky")
				a := s.Refund(t, c.OrderID, 0, "Prefer", harness.NoWait)
				require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, a.StatusCode)
				harness.RequireProblem(t, s.Fulfil(t, c.OrderID), http.StatusConflict, "order_refunded")
			})

			t.Run("AreFulfilledWhereSomethingIsLeft", func(t *testing.T) {
				c, _ := buys(t, s.Shopper(t), 1250, "sim_ok")
				harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 1249), http.StatusCreated)
				harness.As[harness.OrderView](t, s.Fulfil(t, c.OrderID), http.StatusOK)
			})
		})
	}
}

func TestDeclinedAttemptIsNoOrderOfTheShopper(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada := s.Shopper(t)
	cart := ada.Fill(t, s.AddProduct(t, 1250))
	refused := harness.RequireProblem(t, ada.CheckOut(t, cart, "sim_insufficient_funds", harness.Waiting), http.StatusPaymentRequired, "insufficient_funds")
	require.NotEqual(t, uuid.Nil, refused.CheckoutID)
	cart = ada.Cart(t, cart.ID)
	paid := harness.As[harness.CheckoutView](t, ada.CheckOut(t, cart, "sim_ok", harness.Waiting), http.StatusCreated)
	require.Equal(t, saga.Completed, paid.Status)

	mine := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", ada.Token).Data
	require.Len(t, mine, 1)
	require.Equal(t, paid.OrderID, mine[0].ID)
	require.Nil(t, mine[0].Reason)
	all := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders?include=unconfirmed", ada.Token).Data
	require.Len(t, all, 2)
	require.Equal(t, "insufficient_funds", *all[1].Reason)
}
