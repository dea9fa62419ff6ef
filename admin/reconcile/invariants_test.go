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

// TestInvariantsAtRest checks an unfinished checkout, while its saga runs and without a saga.
func TestInvariantsAtRest(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	half := func(s *saga.Record) records { // paid, and not confirmed; the cart still sealed
		return records{
			checkout: id, saga: s, cart: &cart.Record{CheckoutID: id, CheckingOut: true, Total: 5, Currency: "GBP"},
			order:   &order.Record{CheckoutID: id, Placed: true, Pending: true, Total: 5, AddsUp: true, Currency: "GBP"},
			payment: &payment.Record{Requested: true, Captured: 5, Amount: money.Of(5, "GBP"), Undoable: true},
			balance: &payment.Balance{Authorized: 7, Captured: 5, Captures: 1, Currency: "GBP"},
		}
	}
	broken := func(r records) (checks []string) {
		for _, p := range invariants {
			if p.violation(r) != "" {
				checks = append(checks, p.check)
			}
		}
		return checks
	}
	for _, under := range []saga.Status{saga.Running, saga.RequiresAction, saga.Compensating, saga.NeedsAttention} {
		require.Empty(t, broken(half(&saga.Record{Type: saga.TypeCheckout, Status: under, Checkout: saga.Checkout{Total: 5, Currency: "GBP"}})), under)
	}
	all := []string{"captured_without_order", "authorized_and_forgotten", "cart_stuck"}
	require.Equal(t, all, broken(half(nil)))
	require.Nil(t, half(nil).undo(), "paid for, and placed: for a person")
}

// TestRefundedTooMuch: more was refunded than captured, according to us or to the provider.
func TestRefundedTooMuch(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(invariants, func(p invariant) bool { return p.check == "refunded_too_much" })
	for name, c := range map[string]struct {
		r    records
		want string
	}{
		"AllOfIt":   {records{payment: &payment.Record{Captured: 5, Refunded: 5}, balance: &payment.Balance{Captured: 5, Refunded: 5}}, ""},
		"Ours":      {records{payment: &payment.Record{Captured: 5, Refunded: 9, Amount: money.Of(5, "GBP")}}, "We know of 0.05 GBP captured and 0.09 GBP refunded."},
		"Theirs":    {records{balance: &payment.Balance{Captured: 5, Refunded: 9, Currency: "GBP"}}, "The provider captured 0.05 GBP and refunded 0.09 GBP."},
		"NoPayment": {records{}, ""},
	} {
		require.Equal(t, c.want, invariants[i].violation(c.r), name)
	}
}

// TestForgottenRefunds checks refunds with and without a saga that executes them.
func TestForgottenRefunds(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	open := payment.RefundRecord{ID: id, Amount: 3, Ordered: true, Open: true}
	ofUndo, done := open, payment.RefundRecord{ID: id, Amount: 3, Ordered: true, Done: true}
	ofUndo.Ordered = false
	with := func(r payment.RefundRecord, s *saga.Record) records {
		return records{
			order: &order.Record{Placed: true, Sold: true}, payment: &payment.Record{Refunds: []payment.RefundRecord{r}},
			refunds: map[uuid.UUID]*saga.Record{id: s},
		}
	}
	for _, under := range []saga.Status{saga.Running, saga.NeedsAttention} {
		running := &saga.Record{Status: under}
		require.Empty(t, with(open, running).forgotten(), under)
		unrecorded, wrong := with(done, running).refundsRecorded()
		require.Empty(t, unrecorded, under)
		require.False(t, wrong, under)
	}
	require.Empty(t, with(ofUndo, nil).forgotten(), "the cancellation asks for it")
	require.Len(t, with(open, nil).forgotten(), 1)
	require.Len(t, with(open, &saga.Record{Status: saga.Completed}).forgotten(), 1)
	begins := with(open, nil)
	begins.refundStarting = true
	require.Empty(t, begins.forgotten(), "what starts its saga may be on its way")
	for _, ended := range []*saga.Record{nil, {Status: saga.Completed}} {
		unrecorded, _ := with(done, ended).refundsRecorded()
		require.Len(t, unrecorded, 1)
	}
}

// nothing is a command without an effect.
type nothing struct{}

func (nothing) send(context.Context, *Module, uuid.UUID) error { return nil }
func (nothing) done(records) string                            { return "" }

// TestRepair checks that a finding counts as repaired only once it is gone.
func TestRepair(t *testing.T) {
	t.Parallel()
	m := &Module{Config: Config{Log: slog.New(slog.DiscardHandler)}}
	for name, still := range map[string]bool{"Gone": false, "StillThere": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Finding{ID: "a:1", repair: []command{nothing{}}}
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
