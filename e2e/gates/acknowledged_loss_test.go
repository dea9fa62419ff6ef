package gates

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// TestAcknowledgedLoss takes from the books what a buyer was told, and sees that it is missed.
func TestAcknowledgedLoss(t *testing.T) {
	t.Parallel()
	p := harness.Purchase{
		Cart:     harness.CartView{ID: uuid.New(), Items: []cart.ItemView{{SKU: "MUG", Quantity: 2}}},
		Checkout: uuid.New(), Method: "sim_ok", Status: http.StatusCreated,
	}
	sound := harness.Books{
		Carts:  map[uuid.UUID]cart.State{p.Cart.ID: {Status: cart.StatusCheckedOut, Lines: []cart.Line{{SKU: "MUG", Quantity: 2}}}},
		Orders: map[uuid.UUID]order.State{uuid.New(): {CheckoutID: p.Checkout, Status: order.StatusConfirmed}},
		Sagas:  map[uuid.UUID]saga.State{p.Checkout: {Status: saga.Completed}},
	}
	require.Empty(t, acknowledgedLoss(sound, []harness.Purchase{p}))
	for name, c := range map[string]struct {
		tamper func(b harness.Books, p *harness.Purchase)
		says   string
	}{
		"Cart":     {func(b harness.Books, _ *harness.Purchase) { delete(b.Carts, p.Cart.ID) }, "0 of 1 lines"},
		"Edit":     {func(b harness.Books, _ *harness.Purchase) { b.Carts[p.Cart.ID].Lines[0].Quantity = 1 }, "line 0"},
		"Checkout": {func(b harness.Books, _ *harness.Purchase) { delete(b.Sagas, p.Checkout) }, `is ""`},
		"Success":  {func(b harness.Books, _ *harness.Purchase) { b.Sagas[p.Checkout] = saga.State{Status: saga.Failed} }, `is "failed"`},
		"Order":    {func(b harness.Books, _ *harness.Purchase) { clear(b.Orders) }, `the order is ""`},
		"Refusal":  {func(_ harness.Books, p *harness.Purchase) { p.Status = http.StatusPaymentRequired }, `is "completed"`},
		"End": {func(b harness.Books, p *harness.Purchase) {
			p.Status, b.Sagas[p.Checkout] = http.StatusAccepted, saga.State{Status: saga.Running}
		}, `is "running"`},
		"Reopening": {func(b harness.Books, p *harness.Purchase) {
			p.Status, b.Sagas[p.Checkout] = http.StatusAccepted, saga.State{Status: saga.Cancelled}
		}, `the cart "checked_out"`},
		"Decline": {func(_ harness.Books, p *harness.Purchase) { p.Method = "sim_declined" }, "cannot have been paid"},
	} {
		t.Run(name, func(t *testing.T) {
			b, told := harness.Books{Carts: maps.Clone(sound.Carts), Orders: maps.Clone(sound.Orders), Sagas: maps.Clone(sound.Sagas)}, p
			one := b.Carts[p.Cart.ID]
			one.Lines = slices.Clone(one.Lines)
			b.Carts[p.Cart.ID] = one
			c.tamper(b, &told)
			require.Contains(t, strings.Join(acknowledgedLoss(b, []harness.Purchase{told}), "\n"), c.says)
		})
	}
}
