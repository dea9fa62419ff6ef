package admin

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

// noted is an entry at a second after noon, that was caused by a command and gave one; 0 is none.
func noted(name string, second int, causedBy, gave byte) TimelineEntry {
	e := TimelineEntry{Type: name, At: after(time.Duration(second) * time.Second), Causation: uuid.UUID{causedBy}}
	if gave > 0 {
		e.Command = &uuid.UUID{gave}
	}
	e.needs, e.tells = factsOf(e, facts{})
	return e
}

func typesOf(entries []TimelineEntry) (types []string) {
	for _, e := range entries {
		types = append(types, e.Type)
	}
	return types
}

func TestMerge(t *testing.T) {
	t.Parallel()
	type lanes [][]TimelineEntry
	for name, c := range map[string]struct {
		lanes lanes
		then  []string
	}{
		"ByTime": {lanes{{noted("a", 1, 0, 0), noted("c", 3, 0, 0)}, {noted("b", 2, 0, 0)}}, []string{"a", "b", "c"}},
		"EachStreamInItsOrderThoughItsClockIsWrong": {
			lanes{{noted("a", 5, 0, 0), noted("b", 1, 0, 0)}, {noted("c", 6, 0, 0)}}, []string{"a", "b", "c"},
		},
		"NothingBeforeItsCause": {
			lanes{{noted("placed", 1, 7, 0)}, {noted("started", 3, 0, 0), noted("places", 4, 0, 7)}}, []string{"started", "places", "placed"},
		},
		"OfSeveralAttemptsTheFirstIsTheCause": {
			lanes{{noted("placed", 2, 7, 0)}, {noted("places", 1, 0, 7), noted("places again", 3, 0, 7)}}, []string{"places", "placed", "places again"},
		},
		"WhatNamesItselfIsNoCircle": {lanes{{noted("a", 1, 7, 7)}}, []string{"a"}},
		"ACircleIsLeftToTime": {
			lanes{{noted("a", 1, 8, 7)}, {noted("b", 2, 7, 8)}}, []string{"a", "b"},
		},
		"Nothing": {lanes{nil, {}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.then, typesOf(merge(c.lanes, 100)))
		})
	}
	require.Len(t, merge([][]TimelineEntry{{noted("a", 1, 0, 0), noted("b", 2, 0, 0)}}, 1), 1)
}

func TestTimelineEntries(t *testing.T) {
	t.Parallel()
	id := uuid.UUID{1}
	of := func(module, eventType, data string) TimelineEntry {
		return entryOf(module, eventstore.Recorded{Stream: id, Version: 3, Type: eventType, Data: []byte(data), At: after(time.Hour)})
	}
	t.Run("AnAttemptHasItsOwnTimesAndItsCommand", func(t *testing.T) {
		t.Parallel()
		e := of("saga", "saga.step_retried", `{"step":"order.place","began_at":"2026-03-01T12:00:00Z","at":"2026-03-01T12:00:03Z"}`)
		require.Equal(t, after(3*time.Second), e.At, "it stands where it came out")
		require.Nil(t, e.Command)
		begins := beginsOf([]TimelineEntry{e}, 1)
		require.Len(t, begins, 1)
		b := begins[0]
		require.Equal(t, []time.Time{noon, after(3 * time.Second)}, []time.Time{b.At, *b.FinishedAt})
		require.Equal(t, []any{saga.PlaceOrder, saga.CommandID(id, saga.PlaceOrder), stepBegun}, []any{*b.Step, *b.Command, b.Type})
	})
	t.Run("AnOperatorsActionIsNoAttempt", func(t *testing.T) {
		t.Parallel()
		e := of("saga", "saga.step_skipped", `{"step":"cart.complete","reason":"Gone.","at":"2026-03-01T12:00:03Z"}`)
		require.Equal(t, after(3*time.Second), e.At)
		require.Nil(t, e.FinishedAt)
		require.Nil(t, e.Command)
		require.Equal(t, saga.CompleteCart, *e.Step)
	})
	t.Run("ASealedCartStartsItsCheckout", func(t *testing.T) {
		t.Parallel()
		e := of("cart", eventstore.TypeOf(cart.CheckedOut{}), `{"checkout_id":"`+id.String()+`"}`)
		require.Equal(t, saga.CommandID(id, "start"), *e.Command)
	})
	t.Run("AnOrderedRefundAndACancellationStartTheirs", func(t *testing.T) {
		t.Parallel()
		e := of("payment", eventstore.TypeOf(payment.RefundOrdered{}), `{"id":"`+id.String()+`"}`)
		require.Equal(t, saga.CommandID(id, "start"), *e.Command)
		e = of("order", eventstore.TypeOf(order.CancellationRequested{}), `{"cancellation_id":"`+id.String()+`","checkout_id":"`+uuid.NewString()+`"}`)
		require.Equal(t, saga.CommandID(id, "start"), *e.Command)
	})
	t.Run("WhatCannotBeReadIsShownAllTheSame", func(t *testing.T) {
		t.Parallel()
		e := of("saga", "saga.gilded", `{"at":7}`)
		require.Equal(t, after(time.Hour), e.At)
	})
	t.Run("APlaceIsWhereEachStreamStands", func(t *testing.T) {
		t.Parallel()
		var p cursor
		for _, e := range []TimelineEntry{{source: 3, upTo: 1}, {source: 0, upTo: 2}, {source: 3, upTo: 3}} {
			p = p.advance(e)
		}
		p = p.advance(TimelineEntry{Module: "payment", Type: webhookReceived, webhook: payment.ReceivedWebhook{Provider: "p", ID: "7", ReceivedAt: noon}})
		require.Equal(t, cursor{Versions: []int64{2, 0, 0, 3}, At: noon, Provider: "p", ID: "7"}, p)
		require.Equal(t, []int64{2, 0, 3, 0}, []int64{p.versionOf(0), p.versionOf(1), p.versionOf(3), p.versionOf(4)}, "one that has begun since is read from its start")
	})
	t.Run("CustomersSeeThemselvesAndTheShop", func(t *testing.T) {
		t.Parallel()
		var actors []string
		entries := []TimelineEntry{{Actor: "ann", Data: []byte("{}")}, {Actor: "root"}, {Actor: "saga"}, {Actor: "p", Type: webhookReceived}}
		for _, e := range forCustomer(entries, "ann") {
			require.Nil(t, e.Data)
			actors = append(actors, e.Actor)
		}
		require.Equal(t, []string{"ann", "shop", "shop", "provider"}, actors)
		require.True(t, slices.ContainsFunc(entries, func(e TimelineEntry) bool { return e.Actor == "root" }), "what was read stays as it was")
	})
}
