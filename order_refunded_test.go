package main

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/saga"
)

func TestRefundedOrders(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, setup)

			t.Run("AreNotFulfilled", func(t *testing.T) {
				c, _ := s.shopper(t).buys(t, 1250, "sim_ok")
				as[refundView](t, s.refunds(t, c.OrderID, 500), http.StatusCreated)
				as[refundView](t, s.refunds(t, c.OrderID, 0), http.StatusCreated)
				refuses(t, s.fulfils(t, c.OrderID), http.StatusConflict, "order_refunded")
				until(t, "it is listed as refunded", func() bool {
					found := get[list[orderView]](t, s, "/v1/admin/orders?refunded=full", s.admin).Data
					return len(found) == 1 && found[0].ID == c.OrderID
				})
			})

			t.Run("AreNotFulfilledWhileTheRefundIsUnderWay", func(t *testing.T) {
				c, _ := s.shopper(t).buys(t, 1250, "sim_refund_flaky")
				a := s.refunds(t, c.OrderID, 0, "Prefer", noWait)
				require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, a.StatusCode)
				refuses(t, s.fulfils(t, c.OrderID), http.StatusConflict, "order_refunded")
			})

			t.Run("AreFulfilledWhereSomethingIsLeft", func(t *testing.T) {
				c, _ := s.shopper(t).buys(t, 1250, "sim_ok")
				as[refundView](t, s.refunds(t, c.OrderID, 1249), http.StatusCreated)
				as[orderView](t, s.fulfils(t, c.OrderID), http.StatusOK)
			})
		})
	}
}

func TestDeclinedAttemptIsNoOrderOfTheShopper(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase)
	ada := s.shopper(t)
	cart := ada.fills(t, s.sells(t, 1250))
	refused := refuses(t, ada.checksOut(t, cart, "sim_insufficient_funds", waiting), http.StatusPaymentRequired, "insufficient_funds")
	require.NotEqual(t, uuid.Nil, refused.CheckoutID)
	cart = ada.cart(t, cart.ID)
	paid := as[checkoutView](t, ada.checksOut(t, cart, "sim_ok", waiting), http.StatusCreated)
	require.Equal(t, saga.Completed, paid.Status)

	mine := get[list[orderView]](t, s, "/v1/orders", ada.token).Data
	require.Len(t, mine, 1)
	require.Equal(t, paid.OrderID, mine[0].ID)
	require.Nil(t, mine[0].Reason)
	all := get[list[orderView]](t, s, "/v1/orders?include=unconfirmed", ada.token).Data
	require.Len(t, all, 2)
	require.Equal(t, "insufficient_funds", *all[1].Reason)
}
