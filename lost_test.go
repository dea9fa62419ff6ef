package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// TestLost takes from the books what a buyer was told, and sees that it is missed.
func TestLost(t *testing.T) {
	t.Parallel()
	p := purchase{
		cart:     cartView{ID: uuid.New(), Items: []cart.ItemView{{SKU: "MUG", Quantity: 2}}},
		checkout: uuid.New(), method: "sim_ok", status: http.StatusCreated,
	}
	sound := books{
		carts:  map[uuid.UUID]cart.State{p.cart.ID: {Status: cart.StatusCheckedOut, Lines: []cart.Line{{SKU: "MUG", Quantity: 2}}}},
		orders: map[uuid.UUID]order.State{uuid.New(): {CheckoutID: p.checkout, Status: order.StatusConfirmed}},
		sagas:  map[uuid.UUID]saga.State{p.checkout: {Status: saga.Completed}},
	}
	require.Empty(t, lost(sound, []purchase{p}))
	for name, c := range map[string]struct {
		tamper func(b books, p *purchase)
		says   string
	}{
		"Cart":     {func(b books, _ *purchase) { delete(b.carts, p.cart.ID) }, "0 of 1 lines"},
		"Edit":     {func(b books, _ *purchase) { b.carts[p.cart.ID].Lines[0].Quantity = 1 }, "line 0"},
		"Checkout": {func(b books, _ *purchase) { delete(b.sagas, p.checkout) }, `is ""`},
		"Success":  {func(b books, _ *purchase) { b.sagas[p.checkout] = saga.State{Status: saga.Failed} }, `is "failed"`},
		"Order":    {func(b books, _ *purchase) { clear(b.orders) }, `the order is ""`},
		"Refusal":  {func(_ books, p *purchase) { p.status = http.StatusPaymentRequired }, `is "completed"`},
		"End": {func(b books, p *purchase) {
			p.status, b.sagas[p.checkout] = http.StatusAccepted, saga.State{Status: saga.Running}
		}, `is "running"`},
		"Reopening": {func(b books, p *purchase) {
			p.status, b.sagas[p.checkout] = http.StatusAccepted, saga.State{Status: saga.Cancelled}
		}, `the cart "checked_out"`},
		"Decline": {func(_ books, p *purchase) { p.method = "sim_declined" }, "cannot have been paid"},
	} {
		t.Run(name, func(t *testing.T) {
			b, told := books{carts: maps.Clone(sound.carts), orders: maps.Clone(sound.orders), sagas: maps.Clone(sound.sagas)}, p
			one := b.carts[p.cart.ID]
			one.Lines = slices.Clone(one.Lines)
			b.carts[p.cart.ID] = one
			c.tamper(b, &told)
			require.Contains(t, strings.Join(lost(b, []purchase{told}), "\n"), c.says)
		})
	}
}
