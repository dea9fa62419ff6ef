package order

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
)

func TestHandle(t *testing.T) {
	t.Parallel()
	s := open(t)

	t.Run("ACheckoutThatGoesWell", func(t *testing.T) {
		s.setOnHand("well", 5)
		p := newPlace(line("well", 2), line("free", 1), line("well", 1))
		s.must(p, p, Confirm{OrderID: p.OrderID}, Confirm{OrderID: p.OrderID}, p)
		o := s.order(p.OrderID)
		require.Equal(t, StatusConfirmed, o.State.Status)
		require.EqualValues(t, 2, o.Version)
		require.Equal(t, Stock{SKU: "well", OnHand: 5, Reserved: 3}, s.stock("well"))
		requireFault(t, s.handle(Cancel{OrderID: p.OrderID}), errOrderConfirmed)
	})

	t.Run("ACancelledOneReleasesOnce", func(t *testing.T) {
		s.setOnHand("back", 5)
		p := s.placeOrder("alice", line("back", 5))
		s.must(Cancel{OrderID: p.OrderID, Reason: "declined"}, Cancel{OrderID: p.OrderID})
		require.Equal(t, Stock{SKU: "back", OnHand: 5}, s.stock("back"))
		require.Equal(t, "declined", s.order(p.OrderID).State.Reason)
		requireFault(t, s.handle(p), errOrderCancelled)
	})

	t.Run("ATombstoneRefusesThePlaceThatComesLate", func(t *testing.T) {
		s.setOnHand("late", 1)
		p := newPlace(line("late", 1))
		s.must(Cancel{OrderID: p.OrderID, Reason: "gone"})
		requireFault(t, s.handle(p), errOrderCancelled)
		require.Zero(t, s.stock("late").Reserved)
	})

	t.Run("CountingLaterMovesNothingForOrdersBefore", func(t *testing.T) {
		p := s.placeOrder("alice", line("later", 2))
		s.setOnHand("later", 1)
		s.must(Cancel{OrderID: p.OrderID})
		require.Equal(t, Stock{SKU: "later", OnHand: 1}, s.stock("later"))
	})

	t.Run("TheSameIDIsDoneOnce", func(t *testing.T) {
		id, p := newID(), newPlace(line("id", 1))
		for range 2 {
			require.NoError(t, s.Handle(t.Context(), id, p.CheckoutID, p))
		}
		events, err := s.store.ReadStream(t.Context(), p.OrderID, 0, 10)
		require.NoError(t, err)
		require.Len(t, events, 1)
		require.Equal(t, "saga", events[0].Meta.Actor)
		require.Equal(t, p.CheckoutID, events[0].Meta.Correlation)
		require.Equal(t, id, events[0].Meta.Causation)
	})

	t.Run("AvailableAnswersTrackedOnesOnly", func(t *testing.T) {
		s.setOnHand("some", 5)
		s.placeOrder("alice", line("some", 2))
		available, err := s.Available(t.Context(), []string{"some", "never counted"})
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"some": 3}, available)
		available, err = s.Available(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, available)
	})
}

func TestContention(t *testing.T) {
	t.Parallel()

	t.Run("TheLastUnitIsSoldOnce", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		processes := []*shop{openAt(t, url), openAt(t, url)}
		processes[0].setOnHand("last", 1)
		var won, short atomic.Int32
		together(50, func(i int) {
			err := processes[i%2].handle(newPlace(line("last", 1)))
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, errOutOfStock):
				short.Add(1)
			}
		})
		require.EqualValues(t, 1, won.Load())
		require.EqualValues(t, 49, short.Load())
		require.Equal(t, Stock{SKU: "last", OnHand: 1, Reserved: 1}, processes[0].stock("last"))
	})

	t.Run("OrdersThatShareManySKUsNeverLockInACircle", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		processes := []*shop{openAt(t, url), openAt(t, url)}
		skus := []string{"a", "b", "c", "d"}
		for _, sku := range skus {
			processes[0].setOnHand(sku, 1000)
		}
		var failed atomic.Int32
		together(40, func(i int) {
			lines := []Line{line(skus[i%4], 1), line(skus[(i+1)%4], 1), line(skus[(i+3)%4], 1)}
			if processes[i%2].handle(newPlace(lines...)) != nil {
				failed.Add(1)
			}
		})
		require.Zero(t, failed.Load())
		var reserved int64
		for _, sku := range skus {
			reserved += processes[0].stock(sku).Reserved
		}
		require.EqualValues(t, 3*40, reserved)
	})

	t.Run("CancelAgainstPlaceLeaksNothing", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		processes := []*shop{openAt(t, url), openAt(t, url)}
		processes[0].setOnHand("race", 1000)
		places := make([]Place, 40)
		for i := range places {
			places[i] = newPlace(line("race", 3))
		}
		errs := make([]error, 2*len(places))
		together(len(errs), func(i int) {
			p := places[i/2]
			if i%2 == 0 {
				errs[i] = processes[i/2%2].handle(p)
			} else {
				errs[i] = processes[(i/2+i/4)%2].handle(Cancel{OrderID: p.OrderID, Reason: "race"})
			}
		})
		for i, p := range places {
			requireCancelled(t, processes[0], p.OrderID, errs[2*i])
			require.NoError(t, errs[2*i+1])
		}
		require.Equal(t, Stock{SKU: "race", OnHand: 1000}, processes[0].stock("race"))
	})
}

// requireCancelled checks an order that was placed and cancelled concurrently. place is the result of the Place.
func requireCancelled(t *testing.T, s *shop, id uuid.UUID, place error) {
	t.Helper()
	o := s.order(id)
	require.Equal(t, StatusCancelled, o.State.Status)
	if place == nil {
		require.True(t, o.State.placed(), "placed, then released")
		return
	}
	_, ok := fault.As(place)
	require.True(t, ok, place)
	require.ErrorIs(t, place, errOrderCancelled)
	require.False(t, o.State.placed(), "a tombstone")
}

// TestCancelLooksAgain places the order between the Cancel's read of its stock and the decision.
func TestCancelLooksAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.setOnHand("again", 2)
	p := s.placeOrder("alice", line("again", 2))
	_, err := s.store.Do(t.Context(), commandWithStock(p.OrderID, eventstore.Command{}, nil, nil, nil, func(o State, _ map[string]Stock) (decision, error) {
		return decideCancel(o, Cancel{OrderID: p.OrderID})
	}))
	require.ErrorIs(t, err, errUnnamed)
	require.Equal(t, StatusPending, s.order(p.OrderID).State.Status)
	require.EqualValues(t, 2, s.stock("again").Reserved)
}
