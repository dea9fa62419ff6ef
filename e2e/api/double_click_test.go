package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/saga"
)

// TestDoubleClick sends a checkout twice, each time under another key: whoever loses hears of the checkout that began.
func TestDoubleClick(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada := s.Shopper(t)
	type closed struct {
		CheckoutID string      `json:"checkout_id"`
		CartStatus cart.Status `json:"cart_status"`
	}

	c := ada.Fill(t, s.AddProduct(t, 1250))
	paid := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
	a := ada.CheckOut(t, c, "sim_ok", harness.Waiting)
	p := harness.RequireProblem(t, a, http.StatusPreconditionFailed, "version_mismatch")
	require.Equal(t, paid.ID, p.CheckoutID)
	require.Contains(t, p.Detail, "This cart has become an order.")
	require.Equal(t, cart.StatusCheckedOut, harness.As[closed](t, a, http.StatusPreconditionFailed).CartStatus)
	require.Equal(t, harness.Tag(p.Version), a.Header.Get("ETag"))
	p = harness.RequireProblem(t, ada.Add(t, c, c.Items[0].SKU, 1, "If-Match", harness.Tag(c.Version)), http.StatusPreconditionFailed, "version_mismatch")
	require.Equal(t, paid.ID, p.CheckoutID, "whatever the edit")

	c = ada.Fill(t, s.AddProduct(t, 1250))
	asked := ada.StartCheckout(t, c, "sim_requires_action")
	a = ada.CheckOut(t, c, "sim_ok", harness.NoWait)
	require.Equal(t, asked.ID, harness.RequireProblem(t, a, http.StatusPreconditionFailed, "version_mismatch").CheckoutID)
	require.Equal(t, cart.StatusCheckingOut, harness.As[closed](t, a, http.StatusPreconditionFailed).CartStatus)
	ada.AwaitStatus(t, asked.ID, saga.RequiresAction)
	harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, asked.ID, "Prefer", harness.Waiting), http.StatusOK)

	p = harness.RequireProblem(t, ada.CheckOut(t, c, "sim_ok", harness.NoWait), http.StatusPreconditionFailed, "version_mismatch")
	require.Zero(t, p.CheckoutID, "the cart is open again")
}
