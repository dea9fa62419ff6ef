package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/saga"
)

// TestDoubleClick sends a checkout twice, each time under another key: whoever loses hears of the checkout that began.
func TestDoubleClick(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase)
	ada := s.shopper(t)
	type closed struct {
		CheckoutID string      `json:"checkout_id"`
		CartStatus cart.Status `json:"cart_status"`
	}

	c := ada.fills(t, s.sells(t, 1250))
	paid := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
	a := ada.checksOut(t, c, "sim_ok", waiting)
	p := refuses(t, a, http.StatusPreconditionFailed, "version_mismatch")
	require.Equal(t, paid.ID, p.CheckoutID)
	require.Contains(t, p.Detail, "This cart has become an order.")
	require.Equal(t, cart.StatusCheckedOut, as[closed](t, a, http.StatusPreconditionFailed).CartStatus)
	require.Equal(t, tag(p.Version), a.Header.Get("ETag"))
	p = refuses(t, ada.adds(t, c, c.Items[0].SKU, 1, "If-Match", tag(c.Version)), http.StatusPreconditionFailed, "version_mismatch")
	require.Equal(t, paid.ID, p.CheckoutID, "whatever the edit")

	c = ada.fills(t, s.sells(t, 1250))
	asked := ada.starts(t, c, "sim_requires_action")
	a = ada.checksOut(t, c, "sim_ok", noWait)
	require.Equal(t, asked.ID, refuses(t, a, http.StatusPreconditionFailed, "version_mismatch").CheckoutID)
	require.Equal(t, cart.StatusCheckingOut, as[closed](t, a, http.StatusPreconditionFailed).CartStatus)
	ada.reaches(t, asked.ID, saga.RequiresAction)
	as[checkoutView](t, ada.cancels(t, asked.ID, "Prefer", waiting), http.StatusOK)

	p = refuses(t, ada.checksOut(t, c, "sim_ok", noWait), http.StatusPreconditionFailed, "version_mismatch")
	require.Zero(t, p.CheckoutID, "the cart is open again")
}
