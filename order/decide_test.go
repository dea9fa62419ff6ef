package order

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/money"
)

var (
	anOrder  = uuid.MustParse("0199aaaa-0000-7000-8000-000000000001")
	aPlacing = Place{
		OrderID: anOrder, CustomerID: "alice", Currency: "GBP", Total: 1500,
		Lines: []Line{line("mug", 2), line("tea", 1), line("mug", 3)},
	}
	aPlaced = Placed{
		Number: "1000002", CustomerID: "alice", Currency: "GBP", Total: 1500,
		Lines: []Line{tracked("mug", 2), line("tea", 1), tracked("mug", 3)},
	}
	confirmed = Confirmed{Currency: "GBP", Total: 1500}
)

func tracked(sku string, quantity int64) Line {
	l := line(sku, quantity)
	l.Tracked = true
	return l
}

func given(events ...Event) State {
	var s State
	for _, e := range events {
		s = evolve(s, e)
	}
	return s
}

func mugs(onHand, reserved int64) map[string]Stock {
	return map[string]Stock{"mug": {SKU: "mug", OnHand: onHand, Reserved: reserved}}
}

func TestPlace(t *testing.T) {
	t.Parallel()

	t.Run("ReservesTrackedLinesTogether", func(t *testing.T) {
		t.Parallel()
		d, err := decidePlace(given(), mugs(5, 0), aPlacing, "1000002")
		require.NoError(t, err)
		require.Equal(t, []Event{aPlaced}, d.order)
		require.Equal(t, map[string]StockEvent{"mug": StockReserved{OrderID: anOrder, Quantity: 5}}, d.stock)
	})

	t.Run("UntrackedStockIsEndless", func(t *testing.T) {
		t.Parallel()
		d, err := decidePlace(given(), nil, aPlacing, "1000002")
		require.NoError(t, err)
		require.Len(t, d.order, 1)
		require.Empty(t, d.stock)
		require.Empty(t, given(d.order...).tracked())
	})

	t.Run("OneUnitShortRefusesEverything", func(t *testing.T) {
		t.Parallel()
		stock := mugs(5, 1)
		stock["tea"] = Stock{SKU: "tea", OnHand: 9}
		d, err := decidePlace(given(), stock, aPlacing, "1000002")
		f := requireFault(t, err, errOutOfStock)
		require.Equal(t, []shortage{{SKU: "mug", Requested: 5, Available: 4}}, f.Extra["lines"])
		require.Empty(t, d.order)
		require.Empty(t, d.stock)
	})

	t.Run("MustAddUp", func(t *testing.T) {
		t.Parallel()
		for name, spoil := range map[string]func(*Place){
			"AnotherTotal": func(c *Place) { c.Total = 1499 },
			"CutToZero":    func(c *Place) { c.Total, c.Adjustments = 0, []Adjustment{{Code: "off", Amount: -2000}} },
			"BelowZero":    func(c *Place) { c.Total, c.Adjustments = -500, []Adjustment{{Code: "off", Amount: -2000}} },
			"LinesTooDear": func(c *Place) { c.Lines = []Line{{SKU: "mug", Quantity: 9999, UnitPrice: money.Max}} },
		} {
			cmd := aPlacing
			spoil(&cmd)
			d, err := decidePlace(given(), mugs(5, 0), cmd, "1000002")
			requireFault(t, err, errDoesNotAddUp)
			require.Empty(t, d.order, name)
		}
		gift := aPlacing
		gift.Total, gift.Adjustments = 0, []Adjustment{{Code: "gift", Amount: -1500}}
		_, err := decidePlace(given(), mugs(5, 0), gift, "1000002")
		require.NoError(t, err, "a total of zero adds up")
	})

	t.Run("AnyTrackingInTheCommandIsIgnored", func(t *testing.T) {
		t.Parallel()
		cmd := aPlacing
		cmd.Lines, cmd.Total = []Line{tracked("tea", 1)}, 250
		d, err := decidePlace(given(), nil, cmd, "1000002")
		require.NoError(t, err)
		require.Empty(t, given(d.order...).tracked())
		require.True(t, cmd.Lines[0].Tracked, "the command is not changed in place")
	})

	t.Run("TwiceIsOnce", func(t *testing.T) {
		t.Parallel()
		for _, s := range []State{given(aPlaced), given(aPlaced, confirmed), given(aPlaced, confirmed, Fulfilled{})} {
			d, err := decidePlace(s, mugs(0, 0), aPlacing, "1000014")
			require.NoError(t, err)
			require.Empty(t, d)
		}
	})

	t.Run("CancelledBeforeItCameIsRefused", func(t *testing.T) {
		t.Parallel()
		_, err := decidePlace(given(Cancelled{}), mugs(9, 0), aPlacing, "1000002")
		requireFault(t, err, errOrderCancelled)
	})

	t.Run("CancelledIsRefused", func(t *testing.T) {
		t.Parallel()
		_, err := decidePlace(given(aPlaced, Cancelled{}), mugs(9, 0), aPlacing, "1000002")
		requireFault(t, err, errOrderCancelled)
	})
}

func TestConfirm(t *testing.T) {
	t.Parallel()

	t.Run("PendingBecomesASale", func(t *testing.T) {
		t.Parallel()
		d, err := decideConfirm(given(aPlaced), exampleID("5"))
		require.NoError(t, err)
		require.Equal(t, decision{order: []Event{confirmed}}, d)
	})

	t.Run("TwiceIsOnce", func(t *testing.T) {
		t.Parallel()
		for _, s := range []State{given(aPlaced, confirmed), given(aPlaced, confirmed, Fulfilled{})} {
			d, err := decideConfirm(s, exampleID("5"))
			require.NoError(t, err)
			require.Empty(t, d)
		}
	})

	t.Run("CancelledIsRefused", func(t *testing.T) {
		t.Parallel()
		_, err := decideConfirm(given(aPlaced, Cancelled{}), exampleID("5"))
		requireFault(t, err, errOrderCancelled)
	})

	t.Run("UnknownIsRefused", func(t *testing.T) {
		t.Parallel()
		_, err := decideConfirm(given(), exampleID("5"))
		requireFault(t, err, errNotFound)
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	cmd := Cancel{OrderID: anOrder, Reason: "payment_declined"}

	t.Run("PendingReleasesWhatItHolds", func(t *testing.T) {
		t.Parallel()
		d, err := decideCancel(given(aPlaced), cmd)
		require.NoError(t, err)
		require.Equal(t, decision{
			order: []Event{Cancelled{Reason: "payment_declined"}},
			stock: map[string]StockEvent{"mug": StockReleased{OrderID: anOrder, Quantity: 5}},
		}, d)
	})

	t.Run("UnknownLeavesATombstone", func(t *testing.T) {
		t.Parallel()
		d, err := decideCancel(given(), cmd)
		require.NoError(t, err)
		require.Equal(t, []Event{Cancelled{Reason: "payment_declined"}}, d.order)
		require.Empty(t, d.stock)
		require.False(t, given(d.order...).placed())
	})

	t.Run("TwiceIsOnce", func(t *testing.T) {
		t.Parallel()
		for _, s := range []State{given(Cancelled{}), given(aPlaced, Cancelled{})} {
			d, err := decideCancel(s, cmd)
			require.NoError(t, err)
			require.Empty(t, d)
		}
	})

	t.Run("ConfirmedIsRefused", func(t *testing.T) {
		t.Parallel()
		_, err := decideCancel(given(aPlaced, confirmed), cmd)
		requireFault(t, err, errOrderConfirmed)
	})

	t.Run("FulfilledIsRefused", func(t *testing.T) {
		t.Parallel()
		_, err := decideCancel(given(aPlaced, confirmed, Fulfilled{}), cmd)
		requireFault(t, err, errAlreadyFulfilled)
	})
}

func TestFulfil(t *testing.T) {
	t.Parallel()

	t.Run("ConfirmedLeavesTheHouse", func(t *testing.T) {
		t.Parallel()
		d, err := decideFulfil(given(aPlaced, confirmed), map[string]Stock{"mug": {OnHand: 5, Reserved: 5}}, anOrder, 0)
		require.NoError(t, err)
		require.Equal(t, decision{
			order: []Event{Fulfilled{}},
			stock: map[string]StockEvent{"mug": StockFulfilled{OrderID: anOrder, Quantity: 5}},
		}, d)
	})

	for name, c := range map[string]struct {
		state     State
		refunding int64
		want      error
	}{
		"UnknownIsRefused":                 {given(), 0, errNotFound},
		"PendingIsRefused":                 {given(aPlaced), 0, errNotConfirmed},
		"CancelledIsRefused":               {given(aPlaced, Cancelled{}), 0, errOrderCancelled},
		"TwiceIsRefused":                   {given(aPlaced, confirmed, Fulfilled{}), 0, errAlreadyFulfilled},
		"TwiceIsRefusedWhateverIsRefunded": {given(aPlaced, confirmed, Fulfilled{}), 1500, errAlreadyFulfilled},
		"CancellingIsRefused":              {State{Status: StatusCancelling}, 0, errCancelling},
		"FullyRefundedIsRefused":           {given(aPlaced, confirmed, Refunded{Amount: 1000}, Refunded{Amount: 500}), 0, errOrderRefunded},
		"BeingFullyRefundedIsRefused":      {given(aPlaced, confirmed, Refunded{Amount: 1000}), 1500, errOrderRefunded},
		"RefundedInPartIsFulfilled":        {given(aPlaced, confirmed, Refunded{Amount: 1000}), 1499, nil},
		"NothingPaidIsFulfilled":           {State{Status: StatusConfirmed}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decideFulfil(c.state, map[string]Stock{"mug": {OnHand: 5, Reserved: 5}}, anOrder, c.refunding)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestSetOnHand(t *testing.T) {
	t.Parallel()

	t.Run("TheFirstOneBeginsTracking", func(t *testing.T) {
		t.Parallel()
		events, err := decideSetOnHand(Stock{}, "mug", 0)
		require.NoError(t, err)
		require.Equal(t, []StockEvent{StockCounted{SKU: "mug", OnHand: 0}}, events)
	})

	t.Run("DownToWhatIsReserved", func(t *testing.T) {
		t.Parallel()
		events, err := decideSetOnHand(Stock{SKU: "mug", OnHand: 9, Reserved: 4}, "mug", 4)
		require.NoError(t, err)
		require.Equal(t, []StockEvent{StockCounted{SKU: "mug", OnHand: 4}}, events)
	})

	t.Run("BelowReservedIsRefused", func(t *testing.T) {
		t.Parallel()
		_, err := decideSetOnHand(Stock{SKU: "mug", OnHand: 9, Reserved: 4}, "mug", 3)
		f := requireFault(t, err, errBelowReserved)
		require.EqualValues(t, 4, f.Extra["reserved"])
	})

	t.Run("TheSameAgainIsNothing", func(t *testing.T) {
		t.Parallel()
		events, err := decideSetOnHand(Stock{SKU: "mug", OnHand: 9}, "mug", 9)
		require.NoError(t, err)
		require.Empty(t, events)
	})
}
