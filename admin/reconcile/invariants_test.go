package reconcile

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// TestPromisesAtRest: what is unfinished is no finding while a checkout is under way, and is one when none is.
func TestPromisesAtRest(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	half := func(s *saga.Standing) books { // paid, and not confirmed; the cart still sealed
		return books{
			checkout: id, saga: s, cart: &cart.Record{CheckoutID: id, CheckingOut: true, Total: 5, Currency: "GBP"},
			order:   &order.Record{CheckoutID: id, Placed: true, Pending: true, Total: 5, AddsUp: true, Currency: "GBP"},
			payment: &payment.Standing{Requested: true, Captured: 5, Amount: money.Of(5, "GBP"), Undoable: true},
			bank:    &payment.Balance{Authorized: 7, Captured: 5, Captures: 1, Currency: "GBP"},
		}
	}
	broken := func(b books) (checks []string) {
		for _, p := range invariants {
			if p.violation(b) != "" {
				checks = append(checks, p.check)
			}
		}
		return checks
	}
	for _, under := range []saga.Status{saga.Running, saga.RequiresAction, saga.Compensating, saga.NeedsAttention} {
		require.Empty(t, broken(half(&saga.Standing{Type: saga.TypeCheckout, Status: under, Checkout: saga.Checkout{Total: 5, Currency: "GBP"}})), under)
	}
	all := []string{"captured_without_order", "authorized_and_forgotten", "cart_stuck"}
	require.Equal(t, all, broken(half(nil)))
	require.Nil(t, half(nil).undo(), "paid for, and placed: for a person")
}

// TestRefundedTooMuch: neither book may tell of more refunded than captured.
func TestRefundedTooMuch(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(invariants, func(p invariant) bool { return p.check == "refunded_too_much" })
	for name, c := range map[string]struct {
		b    books
		want string
	}{
		"AllOfIt":   {books{payment: &payment.Standing{Captured: 5, Refunded: 5}, bank: &payment.Balance{Captured: 5, Refunded: 5}}, ""},
		"Ours":      {books{payment: &payment.Standing{Captured: 5, Refunded: 9}}, "We know of 5 captured and 9 refunded."},
		"Theirs":    {books{bank: &payment.Balance{Captured: 5, Refunded: 9}}, "The provider captured 5 and refunded 9."},
		"NoPayment": {books{}, ""},
	} {
		require.Equal(t, c.want, invariants[i].violation(c.b), name)
	}
}

// TestGivingBackAtRest: a refund is forgotten once nobody minds it, and what an undo asks for its own saga minds.
func TestGivingBackAtRest(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	open := payment.RefundStanding{ID: id, Amount: 3, Ordered: true, Open: true}
	ofUndo, done := open, payment.RefundStanding{ID: id, Amount: 3, Ordered: true, Done: true}
	ofUndo.Ordered = false
	with := func(r payment.RefundStanding, s *saga.Standing) books {
		return books{
			order: &order.Record{Placed: true, Sold: true}, payment: &payment.Standing{Refunds: []payment.RefundStanding{r}},
			refunds: map[uuid.UUID]*saga.Standing{id: s},
		}
	}
	for _, under := range []saga.Status{saga.Running, saga.NeedsAttention} {
		minded := &saga.Standing{Status: under}
		require.Empty(t, with(open, minded).forgotten(), under)
		untold, wrong := with(done, minded).refundsRecorded()
		require.Empty(t, untold, under)
		require.False(t, wrong, under)
	}
	require.Empty(t, with(ofUndo, nil).forgotten(), "the cancellation asks for it")
	require.Len(t, with(open, nil).forgotten(), 1)
	require.Len(t, with(open, &saga.Standing{Status: saga.Completed}).forgotten(), 1)
	begins := with(open, nil)
	begins.refundBegins = true
	require.Empty(t, begins.forgotten(), "what starts its saga may be on its way")
	for _, ended := range []*saga.Standing{nil, {Status: saga.Completed}} {
		untold, _ := with(done, ended).refundsRecorded()
		require.Len(t, untold, 1)
	}
}

// TestMend: what a command did not mend is not called mended.
func TestMend(t *testing.T) {
	t.Parallel()
	m := &Module{Config: Config{Log: slog.New(slog.DiscardHandler)}}
	for name, still := range map[string]bool{"Gone": false, "StillThere": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Finding{ID: "a:1", repair: func(context.Context) error { return nil }}
			f.again = func(context.Context, time.Time) ([]Finding, error) {
				if still {
					return []Finding{{ID: "a:1"}}, nil
				}
				return []Finding{{ID: "b:1"}}, nil
			}
			found := []Finding{f, {ID: "c:1"}}
			m.repair(t.Context(), found, "ann", false)
			require.Equal(t, !still, *found[0].Healed)
			require.Nil(t, found[1].Healed)
		})
	}
}
