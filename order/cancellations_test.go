package order

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

var asksToCancel = CancellationRequested{
	CancellationID: cancellationID(anOrder), CustomerID: "alice", Currency: "GBP", Total: 1500, Reason: "Ordered twice.", By: ByCustomer,
}

func TestRequestCancellation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given   []Event
		running bool
		then    []Event
		err     *fault.Fault
	}{
		"OfASale":                         {[]Event{aPlaced, confirmed}, false, []Event{asksToCancel}, nil},
		"WhileItsCheckoutRuns":            {[]Event{aPlaced, confirmed}, true, nil, errCheckoutRunning},
		"BeforeItIsConfirmed":             {[]Event{aPlaced}, false, nil, errCheckoutRunning},
		"TwiceIsOnce":                     {[]Event{aPlaced, confirmed, asksToCancel}, false, nil, nil},
		"OnceCancelledThereIsNothing":     {[]Event{aPlaced, confirmed, asksToCancel, Cancelled{}}, false, nil, nil},
		"OfOneThatWasNeverSold":           {[]Event{aPlaced, Cancelled{}}, false, nil, nil},
		"OnceTheGoodsHaveLeftItIsTooLate": {[]Event{aPlaced, confirmed, Fulfilled{}}, false, nil, errAlreadyFulfilled},
		"OfNoOrder":                       {nil, false, nil, errNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := decideRequestCancellation(given(c.given...), RequestCancellation{
				OrderID: anOrder, Reason: "Ordered twice.", By: ByCustomer, Running: c.running,
			})
			require.Equal(t, c.then, d.order)
			require.Empty(t, d.stock, "it is held until the money is back")
			if c.err != nil {
				requireFault(t, err, c.err)
				return
			}
			require.NoError(t, err)
		})
	}
}

// TestLimitOfCancellations checks that a cancellation, which refunds the order, keeps to the limit of the operator's refunds.
func TestLimitOfCancellations(t *testing.T) {
	t.Parallel()
	for limit, refused := range map[int64]*fault.Fault{0: nil, 1500: nil, 1499: errRefundLimit} {
		d, err := decideRequestCancellation(given(aPlaced, confirmed), RequestCancellation{OrderID: anOrder, Reason: "Ordered twice.", By: ByCustomer, Limit: limit})
		if refused != nil {
			requireFault(t, err, refused)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []Event{asksToCancel}, d.order)
	}
}

func TestCancelling(t *testing.T) {
	t.Parallel()
	s := given(aPlaced, confirmed, Refunded{RefundID: exampleID("6"), Amount: 500}, asksToCancel)
	require.Equal(t, StatusCancelling, s.Status)
	require.EqualValues(t, 500, s.Refunded)

	_, err := decideFulfil(s, nil, anOrder, 0)
	requireFault(t, err, errCancelling)
	_, err = decideCancel(s, Cancel{OrderID: anOrder})
	requireFault(t, err, errOrderConfirmed)
	d, err := decideConfirm(s, exampleID("5"))
	require.NoError(t, err)
	require.Empty(t, d.order)

	d, err = decideEndCancellation(s, anOrder)
	require.NoError(t, err)
	require.Equal(t, []Event{Cancelled{Reason: "Ordered twice."}}, d.order)
	require.Equal(t, map[string]StockEvent{"mug": StockReleased{OrderID: anOrder, Quantity: 5}}, d.stock)
	s = evolve(s, d.order[0])
	require.Equal(t, []any{StatusCancelled, int64(1500)}, []any{s.Status, s.Refunded})
	d, err = decideEndCancellation(s, anOrder)
	require.NoError(t, err)
	require.Empty(t, d)
	for _, before := range [][]Event{nil, {aPlaced}, {aPlaced, confirmed}, {aPlaced, confirmed, Fulfilled{}}} {
		_, err = decideEndCancellation(given(before...), anOrder)
		requireFault(t, err, errNotCancelling)
	}
	_, err = decideFulfil(s, nil, anOrder, 0)
	requireFault(t, err, errOrderCancelled)
}

func TestRecordRefund(t *testing.T) {
	t.Parallel()
	one, two := RecordRefund{anOrder, exampleID("6"), 500}, RecordRefund{anOrder, exampleID("8"), 700}
	s := given(aPlaced, confirmed)
	for range 2 { // each twice
		for _, cmd := range []RecordRefund{one, two} {
			d, err := decideRecordRefund(s, cmd)
			require.NoError(t, err)
			for _, e := range d.order {
				s = evolve(s, e)
			}
		}
	}
	require.EqualValues(t, 1200, s.Refunded)
	s = evolve(s, asksToCancel)
	for _, refund := range []string{"7", "a"} { // an operator and the provider report the same money
		d, err := decideRecordRefund(s, RecordRefund{anOrder, exampleID(refund), 1500})
		require.NoError(t, err)
		for _, e := range d.order {
			s = evolve(s, e)
		}
		require.EqualValues(t, 1500, s.Refunded)
	}
	s = evolve(s, Cancelled{})
	d, err := decideRecordRefund(s, RecordRefund{anOrder, exampleID("9"), 300})
	require.NoError(t, err)
	require.Empty(t, d.order, "a cancelled order has counted all of them")
	require.EqualValues(t, 1500, s.Refunded)
	_, err = decideRecordRefund(State{}, one)
	requireFault(t, err, errNotFound)
	require.Zero(t, given(aPlaced, Cancelled{}).Refunded, "nothing was paid")
}

// TestCancelAgainstFulfil races a cancellation and a fulfilment in two processes. One of them wins, and the stock must agree.
func TestCancelAgainstFulfil(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processes := []*shop{openAt(t, url), openAt(t, url)}
	processes[0].setOnHand("race", 1000)
	var fulfilled, cancelled atomic.Int64
	orders := make([]Place, 40)
	for i := range orders {
		orders[i] = processes[0].placeOrder("alice", line("race", 3))
		processes[0].must(Confirm{OrderID: orders[i].OrderID})
	}
	errs := make([]error, 2*len(orders))
	together(len(errs), func(i int) {
		s, id := processes[i/2%2], orders[i/2].OrderID
		if i%2 == 0 {
			_, errs[i] = s.fulfil(context.Background(), web.Write{}, s.order(id))
			return
		}
		if _, _, errs[i] = s.RequestCancellation(context.Background(), web.Write{}, RequestCancellation{OrderID: id, Reason: "race"}); errs[i] == nil {
			errs[i] = s.handle(EndCancellation{id})
		}
	})
	for i, p := range orders {
		o := processes[0].order(p.OrderID).State
		switch o.Status {
		case StatusFulfilled:
			fulfilled.Add(1)
			require.NoError(t, errs[2*i])
			requireFault(t, errs[2*i+1], errAlreadyFulfilled)
		case StatusCancelled:
			cancelled.Add(1)
			_, refused := fault.As(errs[2*i])
			require.True(t, refused, errs[2*i])
			require.NoError(t, errs[2*i+1])
		case statusNone, StatusPending, StatusConfirmed, StatusCancelling:
			require.Fail(t, "neither", o.Status)
		}
	}
	require.EqualValues(t, len(orders), fulfilled.Load()+cancelled.Load())
	require.Equal(t, Stock{SKU: "race", OnHand: 1000 - 3*fulfilled.Load()}, processes[0].stock("race"))
}

func TestCancelOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	cancel := func(p Place, key byte, running bool, match int64) (View, bool, error) {
		write := web.Write{ID: uuid.UUID{key}, Fingerprint: p.OrderID[:], IfMatch: &match}
		return s.RequestCancellation(t.Context(), write, RequestCancellation{OrderID: p.OrderID, Reason: "Ordered twice.", By: ByCustomer, Running: running})
	}
	p, other := s.placeOrder("alice", line("mug", 1)), s.placeOrder("alice", line("mug", 1))
	_, _, err := cancel(p, 1, false, 1)
	requireFault(t, err, errCheckoutRunning)
	s.must(Confirm{OrderID: p.OrderID})
	_, _, err = cancel(p, 1, true, 2)
	requireFault(t, err, errCheckoutRunning)
	_, _, err = cancel(p, 2, false, 1)
	requireFault(t, err, eventstore.ErrVersionMismatch)
	v, replayed, err := cancel(p, 2, false, 2)
	require.NoError(t, err)
	require.Equal(t, []any{StatusCancelling, int64(3), false}, []any{v.Status, v.Version, replayed})
	s.must(EndCancellation{p.OrderID})
	v, replayed, err = cancel(p, 2, false, 2)
	require.NoError(t, err)
	require.Equal(t, []any{StatusCancelled, true}, []any{v.Status, replayed})
	_, _, err = cancel(other, 2, false, 1)
	requireFault(t, err, eventstore.ErrKeyReused)
	v, replayed, err = cancel(p, 3, false, v.Version)
	require.NoError(t, err)
	require.Equal(t, []any{StatusCancelled, false}, []any{v.Status, replayed})
}
