package order

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
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
			d, err := decideRequestCancellation(given(c.given...), requestCancellation{
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

func TestCancelling(t *testing.T) {
	t.Parallel()
	s := given(aPlaced, confirmed, Refunded{RefundID: exampleID("6"), Amount: 500}, asksToCancel)
	require.Equal(t, StatusCancelling, s.Status)
	require.EqualValues(t, 500, s.Refunded)

	_, err := decideFulfil(s, nil, fulfil{OrderID: anOrder})
	requireFault(t, err, errCancelling)
	_, err = decideCancel(s, Cancel{OrderID: anOrder})
	requireFault(t, err, errOrderConfirmed)
	d, err := decideConfirm(s)
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
	_, err = decideFulfil(s, nil, fulfil{OrderID: anOrder})
	requireFault(t, err, errOrderCancelled)
}

func TestNoteRefund(t *testing.T) {
	t.Parallel()
	one, two := NoteRefund{anOrder, exampleID("6"), 500}, NoteRefund{anOrder, exampleID("8"), 700}
	s := given(aPlaced, confirmed)
	for range 2 { // each twice
		for _, cmd := range []NoteRefund{one, two} {
			d, err := decideNoteRefund(s, cmd)
			require.NoError(t, err)
			for _, e := range d.order {
				s = evolve(s, e)
			}
		}
	}
	require.EqualValues(t, 1200, s.Refunded)
	s = evolve(s, asksToCancel)
	for _, refund := range []string{"7", "a"} { // an operator and the provider report the same money
		d, err := decideNoteRefund(s, NoteRefund{anOrder, exampleID(refund), 1500})
		require.NoError(t, err)
		for _, e := range d.order {
			s = evolve(s, e)
		}
		require.EqualValues(t, 1500, s.Refunded)
	}
	s = evolve(s, Cancelled{})
	d, err := decideNoteRefund(s, NoteRefund{anOrder, exampleID("9"), 300})
	require.NoError(t, err)
	require.Empty(t, d.order, "a cancelled order has counted all of them")
	require.EqualValues(t, 1500, s.Refunded)
	_, err = decideNoteRefund(State{}, one)
	requireFault(t, err, errNotFound)
	require.Zero(t, given(aPlaced, Cancelled{}).Refunded, "nothing was paid")
}

// TestCancelAgainstFulfil races a cancellation and a fulfilment in two processes. One of them wins, and the stock must agree.
func TestCancelAgainstFulfil(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processes := []*shop{openAt(t, url), openAt(t, url)}
	processes[0].counted("race", 1000)
	var fulfilled, cancelled atomic.Int64
	orders := make([]Place, 40)
	for i := range orders {
		orders[i] = processes[0].placed("alice", line("race", 3))
		processes[0].must(Confirm{orders[i].OrderID})
	}
	errs := make([]error, 2*len(orders))
	together(len(errs), func(i int) {
		s, id := processes[i/2%2], orders[i/2].OrderID
		if i%2 == 0 {
			_, errs[i] = s.fulfil(context.Background(), sender{}, s.order(id))
			return
		}
		o := s.order(id)
		if _, errs[i] = s.requestCancellation(context.Background(), sender{}, o, requestCancellation{OrderID: id, Reason: "race"}); errs[i] == nil {
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

func TestPostCancel(t *testing.T) {
	t.Parallel()
	s := open(t)
	ended := uuid.New()
	s.checkoutEnded = func(_ context.Context, id uuid.UUID) (bool, error) { return id == ended, nil }
	cancel := func(p Place, key string, headers ...string) answer {
		return s.call("alice", "POST", "/v1/orders/"+p.OrderID.String()+"/cancel", `{"reason":"Ordered twice."}`,
			append([]string{"Content-Type", "application/json", "Idempotency-Key", key}, headers...)...)
	}
	running, p := s.placed("alice", line("mug", 1)), newPlace(line("mug", 1))
	require.Equal(t, "checkout_running", cancel(running, "a").code())
	s.must(Confirm{running.OrderID})
	require.Equal(t, "checkout_running", cancel(running, "a").code())
	p.CheckoutID = ended
	s.must(p, Confirm{p.OrderID})
	require.Equal(t, "version_mismatch", cancel(p, "b", "If-Match", `"1"`).code())
	first := cancel(p, "b", "If-Match", `"2"`)
	require.Equal(t, []any{202, "cancelling", `"3"`}, []any{first.Status, first.Body["status"], first.Header.Get("ETag")})
	s.must(EndCancellation{p.OrderID})
	again := cancel(p, "b", "If-Match", `"2"`)
	require.Equal(t, []any{202, "cancelled", "true"}, []any{again.Status, again.Body["status"], again.Header.Get("Idempotent-Replayed")})
	require.Equal(t, "idempotency_key_reused", cancel(running, "b").code())
	other := cancel(p, "c")
	require.Equal(t, []any{202, "cancelled", ""}, []any{other.Status, other.Body["status"], other.Header.Get("Idempotent-Replayed")})
}
