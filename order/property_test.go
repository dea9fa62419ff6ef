package order

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
)

// stored is a stream as the store keeps it, after a round trip through JSON.
type stored[S, E any] struct {
	state  []byte
	types  []string
	events [][]byte
}

func (s *stored[S, E]) load(t require.TestingT) S {
	var state S
	if s.state != nil {
		require.NoError(t, json.Unmarshal(s.state, &state))
	}
	return state
}

func (s *stored[S, E]) append(t require.TestingT, e E, evolve func(S, E) S) {
	data, err := json.Marshal(e)
	require.NoError(t, err)
	s.types, s.events = append(s.types, eventstore.TypeOf(e)), append(s.events, data)
	s.state, err = json.Marshal(evolve(s.load(t), e))
	require.NoError(t, err)
}

// requireFolds checks that the stored events fold to the stored state.
func (s *stored[S, E]) requireFolds(t require.TestingT, a *eventstore.Aggregate[S, E]) {
	if len(s.events) == 0 {
		require.Nil(t, s.state)
		return
	}
	var state S
	for i, data := range s.events {
		e, err := a.Event(eventstore.Recorded{Type: s.types[i], Data: data})
		require.NoError(t, err)
		state = a.Evolve(state, e)
	}
	folded, err := json.Marshal(state)
	require.NoError(t, err)
	require.JSONEq(t, string(s.state), string(folded))
}

// world is a set of orders for a set of SKUs. One SKU is never counted.
type world struct {
	orders map[uuid.UUID]*stored[State, Event]
	stock  map[string]*stored[Stock, StockEvent]
	onHand map[string]int64 // a physical count would give these numbers
}

var (
	someSKUs   = []string{"mug", "tea", "jam", "untracked"}
	someOrders = []uuid.UUID{stockID("1"), stockID("2"), stockID("3"), stockID("4"), stockID("5")}
)

func newWorld() *world {
	w := &world{map[uuid.UUID]*stored[State, Event]{}, map[string]*stored[Stock, StockEvent]{}, map[string]int64{}}
	for _, id := range someOrders {
		w.orders[id] = &stored[State, Event]{}
	}
	return w
}

func (w *world) stocks(t require.TestingT) map[string]Stock {
	all := map[string]Stock{}
	for sku, s := range w.stock {
		all[sku] = s.load(t)
	}
	return all
}

// settle writes a decision. A refusal must be a fault and must carry no events.
func (w *world) settle(t require.TestingT, id uuid.UUID, d decision, err error) {
	if err != nil {
		_, ok := fault.As(err)
		require.True(t, ok, "%v is no fault", err)
		require.Empty(t, d)
		return
	}
	for _, e := range d.order {
		w.orders[id].append(t, e, evolve)
	}
	for sku, e := range d.stock {
		require.Contains(t, w.stock, sku, "an untracked SKU moved")
		w.stock[sku].append(t, e, evolveStock)
	}
}

func (w *world) check(t require.TestingT) {
	held := map[string]int64{}
	for _, o := range w.orders {
		o.requireFolds(t, orders)
		if s := o.load(t); s.Status == StatusPending || s.Status == StatusConfirmed || s.Status == StatusCancelling {
			for sku, n := range s.tracked() {
				held[sku] += n
			}
		}
	}
	for sku, s := range w.stock {
		s.requireFolds(t, stocks)
		stock := s.load(t)
		require.Equal(t, held[sku], stock.Reserved, "reserved of %s", sku)
		require.GreaterOrEqual(t, stock.Reserved, int64(0))
		require.GreaterOrEqual(t, stock.OnHand, int64(0))
		require.Equal(t, stock.missing(), stock.Short, "only a recorded loss leaves less than is reserved")
		require.Equal(t, w.onHand[sku], stock.OnHand, "on hand of %s", sku)
	}
	for sku := range held {
		require.Contains(t, w.stock, sku)
	}
}

func anyOrder(t *rapid.T) uuid.UUID { return rapid.SampledFrom(someOrders).Draw(t, "order") }

func anyLines(t *rapid.T) []Line {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Line {
		return line(rapid.SampledFrom(someSKUs).Draw(t, "sku"), rapid.Int64Range(1, 4).Draw(t, "quantity"))
	}), 1, 4).Draw(t, "lines")
}

func TestAnySequence(t *testing.T) {
	t.Parallel()
	t.Run("ReservedIsWhatOpenOrdersHold", rapid.MakeCheck(func(t *rapid.T) {
		w := newWorld()
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { w.check(t) },
			"place": func(t *rapid.T) {
				cmd := newPlace(anyLines(t)...)
				cmd.OrderID = anyOrder(t)
				d, err := decidePlace(w.orders[cmd.OrderID].load(t), w.stocks(t), cmd, "1000002")
				w.settle(t, cmd.OrderID, d, err)
			},
			"confirm": func(t *rapid.T) {
				id := anyOrder(t)
				d, err := decideConfirm(w.orders[id].load(t), id)
				w.settle(t, id, d, err)
			},
			"cancel": func(t *rapid.T) {
				id := anyOrder(t)
				d, err := decideCancel(w.orders[id].load(t), Cancel{OrderID: id, Reason: "any"})
				w.settle(t, id, d, err)
			},
			"request cancellation": func(t *rapid.T) {
				id := anyOrder(t)
				d, err := decideRequestCancellation(w.orders[id].load(t), RequestCancellation{OrderID: id, Reason: "any", Running: rapid.Bool().Draw(t, "running")})
				w.settle(t, id, d, err)
			},
			"end cancellation": func(t *rapid.T) {
				id := anyOrder(t)
				d, err := decideEndCancellation(w.orders[id].load(t), id)
				w.settle(t, id, d, err)
			},
			"note refund": func(t *rapid.T) {
				id := anyOrder(t)
				cmd := RecordRefund{id, rapid.SampledFrom(someOrders).Draw(t, "refund"), 100}
				d, err := decideRecordRefund(w.orders[id].load(t), cmd)
				w.settle(t, id, d, err)
			},
			"fulfil": func(t *rapid.T) {
				id := anyOrder(t)
				d, err := decideFulfil(w.orders[id].load(t), w.stocks(t), id, 0)
				w.settle(t, id, d, err)
				if err == nil {
					for sku, n := range w.orders[id].load(t).tracked() {
						w.onHand[sku] -= n
					}
				}
			},
			"count":  func(t *rapid.T) { w.count(t) },
			"adjust": func(t *rapid.T) { w.adjust(t) },
		})
	}))
}

func (w *world) count(t *rapid.T) {
	sku := rapid.SampledFrom(someSKUs[:3]).Draw(t, "sku")
	s, counted := w.stock[sku]
	if !counted {
		s = &stored[Stock, StockEvent]{}
	}
	onHand := rapid.Int64Range(0, 12).Draw(t, "on hand")
	events, err := decideSetOnHand(s.load(t), sku, onHand)
	if err != nil {
		require.ErrorIs(t, err, errBelowReserved)
		return
	}
	for _, e := range events {
		s.append(t, e, evolveStock)
	}
	w.stock[sku], w.onHand[sku] = s, onHand
}

func (w *world) adjust(t *rapid.T) {
	sku := rapid.SampledFrom(someSKUs).Draw(t, "sku")
	s, counted := w.stock[sku]
	if !counted {
		s = &stored[Stock, StockEvent]{}
	}
	events, err := decideAdjust(s.load(t), StockAdjusted{Delta: rapid.Int64Range(-12, 12).Draw(t, "delta")})
	if err != nil {
		_, is := fault.As(err)
		require.True(t, is)
		return
	}
	for _, e := range events {
		s.append(t, e, evolveStock)
		w.onHand[sku] += e.(StockAdjusted).Delta // a panic fails the test
	}
}

func TestRepeatedCommandsAddNothing(t *testing.T) {
	t.Parallel()
	t.Run("WhateverWasDone", rapid.MakeCheck(func(t *rapid.T) {
		cmd := newPlace(anyLines(t)...)
		stock := map[string]Stock{"mug": {SKU: "mug", OnHand: 99}, "tea": {SKU: "tea", OnHand: 99}}
		d, err := decidePlace(State{}, stock, cmd, "1000002")
		require.NoError(t, err)
		require.Equal(t, State{Lines: d.order[0].(Placed).Lines}.trackedSKUs(), slices.Sorted(maps.Keys(d.stock))) // a panic fails the test
		placed := given(d.order...)
		again, err := decidePlace(placed, stock, cmd, "1000014")
		require.NoError(t, err)
		require.Empty(t, again)
	}))
}
