package order

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// waiting returns what a holder holds.
func (s *shop) waiting(holder uuid.UUID) map[uuid.UUID]money.Amount {
	s.t.Helper()
	h, err := holders.Load(s.t.Context(), s.store, holder)
	require.NoError(s.t, err)
	return h.State.Waiting
}

// TestHolders: an order that waits is entered at its customer and its address once, and leaves them however it ends.
func TestHolders(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.setOnHand("held", 9)
	for name, end := range map[string]func(uuid.UUID) Command{
		"Confirmed": func(id uuid.UUID) Command { return Confirm{OrderID: id} },
		"Cancelled": func(id uuid.UUID) Command { return Cancel{OrderID: id, Reason: "payment_declined"} },
	} {
		t.Run(name, func(t *testing.T) {
			p := s.placeOrder("alice", line("held", 2))
			hold := Hold{OrderID: p.OrderID, CustomerID: "alice", Source: "5f1d"}
			s.must(hold, hold)
			for _, holder := range []uuid.UUID{customerHolder("alice"), addressHolder("5f1d")} {
				require.Equal(t, map[uuid.UUID]money.Amount{p.OrderID: money.Of(p.Total, "GBP")}, s.waiting(holder))
			}
			require.Len(t, s.order(p.OrderID).State.Holders, 2)
			version := s.order(p.OrderID).Version
			require.EqualValues(t, 2, version, "the second command changed nothing")

			s.must(end(p.OrderID), end(p.OrderID), hold)
			require.Empty(t, s.waiting(customerHolder("alice")))
			require.Empty(t, s.waiting(addressHolder("5f1d")))
			require.EqualValues(t, 3, s.order(p.OrderID).Version, "it came too late")
		})
	}
	t.Run("WithoutHolders", func(t *testing.T) {
		p := s.placeOrder("bob", line("held", 1))
		s.must(Confirm{OrderID: p.OrderID})
		require.EqualValues(t, 2, s.order(p.OrderID).Version)
	})
	t.Run("UnknownOrder", func(t *testing.T) {
		s.must(Hold{OrderID: newID(), CustomerID: "alice"})
		require.Empty(t, s.waiting(customerHolder("alice")))
	})
}

// TestHolderLimits: a holder holds so many orders of so much value in each currency. A payment in doubt is entered all the same.
func TestHolderLimits(t *testing.T) {
	t.Parallel()
	pounds, euros := money.Of(500, "GBP"), money.Of(500, "EUR")
	held := Holder{Waiting: map[uuid.UUID]money.Amount{{1}: pounds, {2}: euros}}
	for name, c := range map[string]struct {
		limit HolderLimit
		total money.Amount
		ok    bool
	}{
		"Unlimited":      {HolderLimit{}, money.Of(money.Max, "GBP"), true},
		"OneMore":        {HolderLimit{Orders: 3}, pounds, true},
		"NoMore":         {HolderLimit{Orders: 2}, pounds, false},
		"WorthTheLimit":  {HolderLimit{Value: 1000}, pounds, true},
		"WorthMore":      {HolderLimit{Value: 999}, pounds, false},
		"AnotherHasRoom": {HolderLimit{Value: 999}, money.Of(999, "JPY"), true},
		"TheFirst":       {HolderLimit{Value: 999}, money.Of(50_000, "JPY"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.ok, c.limit.allows(held, c.total))
		})
	}

	s := open(t)
	s.Limits = Limits{Customer: HolderLimit{Orders: 2}, Guest: HolderLimit{Orders: 1}, Address: HolderLimit{Orders: 3}}
	holds := func(customer, source string, guest, doubt bool) error {
		p := s.placeOrder(customer, line("any", 1))
		return s.handle(Hold{OrderID: p.OrderID, CustomerID: customer, Source: source, Guest: guest, InDoubt: doubt})
	}
	require.NoError(t, holds("guest", "a", true, false))
	requireFault(t, holds("guest", "b", true, false), errTooManyWaiting)
	require.NoError(t, holds("ann", "a", false, false))
	require.NoError(t, holds("ann", "a", false, false))
	requireFault(t, holds("ann", "b", false, false), errTooManyWaiting)
	requireFault(t, holds("bob", "a", false, false), errTooManyWaiting)
	require.Empty(t, s.waiting(customerHolder("bob")), "an order is entered at all its holders or at none")
	require.NoError(t, holds("bob", "a", false, true))
	require.Len(t, s.waiting(addressHolder("a")), 4)
}

// TestEndNamesHolders: an order that got holders after the command read it is read again.
func TestEndNamesHolders(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.placeOrder("alice", line("any", 1))
	s.must(Hold{OrderID: p.OrderID, CustomerID: "alice"})
	_, err := s.store.Do(t.Context(), commandWithStock(p.OrderID, eventstore.Command{}, nil, nil, nil, func(o State, _ map[string]Stock) (decision, error) {
		return decideConfirm(o, p.OrderID)
	}))
	require.ErrorIs(t, err, errUnnamed)
	require.Equal(t, StatusPending, s.order(p.OrderID).State.Status)
	s.must(Confirm{OrderID: p.OrderID})
}
