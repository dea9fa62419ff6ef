package admin

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/eventstore"
	"shopping-cart/saga"
)

// chapter is an event of a stream, as a log holds it.
type chapter struct {
	eventType, step string
	cause           uuid.UUID
	data            map[string]any
	began, at       int // seconds after noon
}

// TestTheOrderDoesNotRestOnClocks tells a declined checkout whose four databases and processes each have a clock of their own.
func TestTheOrderDoesNotRestOnClocks(t *testing.T) {
	t.Parallel()
	checkoutID, pay := uuid.UUID{1}, map[string]any{"checkout_id": uuid.UUID{1}}
	story := map[string][]chapter{
		"cart": {
			{eventType: "cart.checked_out", data: pay, at: 1},
			{eventType: "cart.reopened", cause: saga.CommandID(checkoutID, saga.ReopenCart), at: 14},
		},
		"saga": {
			{eventType: "saga.started", cause: saga.CommandID(checkoutID, "start"), at: 2},
			{eventType: "saga.step_done", step: saga.PlaceOrder, began: 3, at: 5},
			{eventType: "saga.step_refused", step: saga.ChargeMoney, began: 5, at: 8, data: map[string]any{"failure": map[string]any{"code": "payment_declined"}}},
			{eventType: "saga.step_done", step: saga.UndoPayment, began: 9, at: 10},
			{eventType: "saga.step_done", step: saga.CancelOrder, began: 10, at: 12},
			{eventType: "saga.step_done", step: saga.ReopenCart, began: 13, at: 15},
			{eventType: "saga.ended", at: 16},
		},
		"order": {
			{eventType: "order.placed", cause: saga.CommandID(checkoutID, saga.PlaceOrder), at: 4},
			{eventType: "order.cancelled", cause: saga.CommandID(checkoutID, saga.CancelOrder), at: 11},
		},
		"payment": {{eventType: "payment.requested", data: pay, at: 6}, {eventType: "payment.declined", at: 7}},
	}
	want := []string{
		"cart.checked_out", "saga.started", "begun order.place", "order.placed", "step_done order.place", "begun payment.charge",
		"payment.requested", "payment.declined", "step_refused payment.charge", "begun payment.undo", "step_done payment.undo",
		"begun order.cancel", "order.cancelled", "step_done order.cancel", "begun cart.reopen", "cart.reopened", "step_done cart.reopen", "saga.ended",
	}
	rapid.Check(t, func(r *rapid.T) {
		var lanes [][]TimelineEntry
		for i, module := range []string{"cart", "saga", "order", "payment"} {
			wrong := time.Duration(rapid.IntRange(-100, 100).Draw(r, module)) * time.Second
			lane := entriesOf(t, module, checkoutID, story[module], wrong)
			events, begins := lane, beginsOf(lane, 2*i+1)
			lanes = append(lanes, events, begins)
		}
		limit := rapid.IntRange(1, len(want)).Draw(r, "limit")
		var got []string
		for _, e := range merge(lanes, limit) {
			got = append(got, nameOf(e))
		}
		require.Equal(r, want[:limit], got)
	})
}

func entriesOf(t *testing.T, module string, stream uuid.UUID, story []chapter, wrong time.Duration) (lane []TimelineEntry) {
	t.Helper()
	second := func(n int) time.Time { return after(time.Duration(n)*time.Second + wrong) }
	for i, e := range story {
		data := map[string]any{"at": second(e.at)}
		if e.step != "" {
			data["step"], data["began_at"] = e.step, second(e.began)
		}
		for k, v := range e.data {
			data[k] = v
		}
		body, err := json.Marshal(data)
		require.NoError(t, err)
		lane = append(lane, entryOf(module, eventstore.Recorded{
			Stream: stream, Version: int64(i + 1), Type: e.eventType, Data: body, At: second(e.at),
			Meta: eventstore.Meta{Causation: e.cause, EventID: uuid.New()},
		}))
	}
	return lane
}

func nameOf(e TimelineEntry) string {
	switch {
	case e.Type == stepBegun:
		return "begun " + *e.Step
	case e.Step != nil:
		return e.Type[len("saga."):] + " " + *e.Step
	}
	return e.Type
}
