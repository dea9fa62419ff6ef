package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

// TimelineEntry is something that led to an order as it is: an event of the streams of its cart, its payment, the order itself and
// its sagas, which are its checkout, its refunds and its cancellation; or a webhook as it came.
type TimelineEntry struct {
	ID          uuid.UUID       `json:"id" format:"uuid"`
	At          time.Time       `json:"at"`
	FinishedAt  *time.Time      `json:"finished_at" extensions:"x-nullable"` // of an attempt of a step, which began at At
	Module      string          `json:"module" enums:"cart,order,payment,saga"`
	Stream      uuid.UUID       `json:"stream" format:"uuid"` // of that module; of a webhook its payment
	Version     int64           `json:"version"`              // of that stream; 0 for a webhook
	Type        string          `json:"type" example:"payment.captured"`
	Step        *string         `json:"step" extensions:"x-nullable" example:"payment.charge"`
	Actor       string          `json:"actor" example:"saga"`
	Correlation uuid.UUID       `json:"correlation" format:"uuid"`                         // of all that one request, or one checkout, caused
	Causation   uuid.UUID       `json:"causation" format:"uuid"`                           // the command that did it
	Command     *uuid.UUID      `json:"command" format:"uuid" extensions:"x-nullable"`     // the command that it gave: the causation of what followed from it
	Data        json.RawMessage `json:"data" swaggertype:"object" extensions:"x-nullable"` // for operators only

	lane    int // of a stream
	webhook payment.Received
}

// webhookReceived is the type of an entry that is no event: a webhook as it was stored.
const webhookReceived = "webhook.received"

// place is how far a reader of a timeline has come: in each stream, and among the webhooks. So a page goes on where the last
// one ended, whatever happened in between.
type place struct {
	Versions []int64   `json:"versions"` // by lane
	At       time.Time `json:"at"`       // of the last webhook
	Provider string    `json:"provider"`
	ID       string    `json:"id"`
}

func (p place) past(e TimelineEntry) place {
	if e.Type == webhookReceived {
		p.At, p.Provider, p.ID = e.webhook.ReceivedAt, e.webhook.Provider, e.webhook.ID
		return p
	}
	versions := make([]int64, max(len(p.Versions), e.lane+1))
	copy(versions, p.Versions)
	versions[e.lane] = e.Version
	p.Versions = versions
	return p
}

func (p place) in(lane int) int64 {
	if lane < len(p.Versions) {
		return p.Versions[lane]
	}
	return 0
}

// streamOf is a stream of a module.
type streamOf struct {
	module string
	store  *eventstore.Store
	id     uuid.UUID // zero: there is none yet
}

// streams are those that led to an order, each in a lane of its own, which stays its: a payment's refunds are never fewer.
func (m *Module) streams(ctx context.Context, orderID uuid.UUID, t order.Trail) ([]streamOf, error) {
	lanes := []streamOf{
		{"cart", m.Stores["cart"], t.CartID}, {"saga", m.store, t.CheckoutID}, {"order", m.Stores["order"], orderID},
		{"payment", m.Stores["payment"], t.PaymentID}, {"saga", m.store, t.CancellationID},
	}
	paid, err := m.Books.Payments.Of(ctx, []uuid.UUID{t.PaymentID})
	for _, p := range paid {
		for _, r := range p.Refunds {
			if r.Ordered { // what an undo gives back, its saga tells
				lanes = append(lanes, streamOf{"saga", m.store, r.ID})
			}
		}
	}
	return lanes, err
}

// timeline is what led to an order after a place, at most n entries. Each store is asked by itself, so it does not matter which
// database it is in.
func (m *Module) timeline(ctx context.Context, orderID uuid.UUID, t order.Trail, from place, n int) ([]TimelineEntry, error) {
	streams, err := m.streams(ctx, orderID, t)
	if err != nil {
		return nil, err
	}
	var lanes [][]TimelineEntry
	for i, of := range streams {
		if of.id == uuid.Nil {
			continue
		}
		events, err := of.store.ReadStream(ctx, of.id, from.in(i), n)
		if err != nil {
			return nil, err
		}
		var lane []TimelineEntry
		for _, e := range events {
			entry := entryOf(of.module, e)
			entry.lane = i
			if entry.Correlation == uuid.Nil { // a webhook, which knows of no checkout
				entry.Correlation = t.CheckoutID
			}
			lane = append(lane, entry)
		}
		lanes = append(lanes, lane)
	}
	last := payment.Received{ReceivedAt: from.At, Provider: from.Provider, ID: from.ID}
	webhooks, err := m.Rooms.Webhooks(ctx, t.PaymentID, last, n)
	if err != nil {
		return nil, err
	}
	var lane []TimelineEntry
	for _, w := range webhooks {
		entry, err := entryOfWebhook(w, t)
		if err != nil {
			return nil, err
		}
		lane = append(lane, entry)
	}
	return merge(append(lanes, lane), n), nil
}

// entryOf is an event. That of a saga may have been written long after what it tells of, so it names its own times.
func entryOf(module string, e eventstore.Recorded) TimelineEntry {
	entry := TimelineEntry{
		ID: e.Meta.EventID, At: web.Time(e.At), Module: module, Stream: e.Stream, Version: e.Version, Type: e.Kind, Actor: e.Meta.Actor,
		Correlation: e.Meta.Correlation, Causation: e.Meta.Causation, Data: e.Data,
	}
	var told struct {
		Step       string    `json:"step"`
		BeganAt    time.Time `json:"began_at"`
		At         time.Time `json:"at"`
		CheckoutID uuid.UUID `json:"checkout_id"`

		ID             uuid.UUID `json:"id"` // of a refund
		CancellationID uuid.UUID `json:"cancellation_id"`
	}
	_ = json.Unmarshal(e.Data, &told) // what it does not tell, or tells otherwise, stays out
	switch {
	case module == "saga" && !told.At.IsZero():
		entry.At = web.Time(told.At)
		if told.Step != "" {
			entry.Step = &told.Step
		}
		if !told.BeganAt.IsZero() {
			gave := commandID(e.Stream, told.Step)
			entry.At, entry.FinishedAt, entry.Command = web.Time(told.BeganAt), optional(told.At), &gave
		}
	case e.Kind == cart.CheckedOut{}.Kind():
		entry.Command = startOfSaga(told.CheckoutID)
	case e.Kind == payment.RefundOrdered{}.Kind():
		entry.Command = startOfSaga(told.ID)
	case e.Kind == order.CancellationRequested{}.Kind():
		entry.Command = startOfSaga(told.CancellationID)
	}
	return entry
}

func startOfSaga(id uuid.UUID) *uuid.UUID {
	start := commandID(id, "start")
	return &start
}

func entryOfWebhook(w payment.Received, t order.Trail) (TimelineEntry, error) {
	data, err := json.Marshal(map[string]any{
		"provider": w.Provider, "id": w.ID, "type": w.Type, "note": w.Note, "attempts": w.Attempts, "handled_at": w.HandledAt,
	})
	if err != nil {
		return TimelineEntry{}, fmt.Errorf("encode webhook %s of %s: %w", w.ID, w.Provider, err)
	}
	id := w.Wakes()
	return TimelineEntry{
		ID: id, At: web.Time(w.ReceivedAt), Module: "payment", Stream: t.PaymentID, Type: webhookReceived, Actor: w.Provider,
		Correlation: t.CheckoutID, Causation: id, Command: &id, Data: data, webhook: w,
	}, nil
}

// merge makes one list of several, at most n long: by time, but each stream in its own order, and nothing before what caused
// it. The times are of several clocks.
func merge(lanes [][]TimelineEntry, n int) []TimelineEntry {
	awaited := map[uuid.UUID]bool{} // commands that a later entry gave
	for _, lane := range lanes {
		for _, e := range lane {
			if e.Command != nil {
				awaited[*e.Command] = true
			}
		}
	}
	var merged []TimelineEntry
	for len(merged) < n {
		at := firstOf(lanes, func(e TimelineEntry) bool { return !awaited[e.Causation] || e.gave(e.Causation) })
		if at < 0 { // a circle, which only clocks and paging can make: time decides
			at = firstOf(lanes, func(TimelineEntry) bool { return true })
		}
		if at < 0 {
			return merged
		}
		e := lanes[at][0]
		lanes[at] = lanes[at][1:]
		if e.Command != nil {
			delete(awaited, *e.Command)
		}
		merged = append(merged, e)
	}
	return merged
}

func (e TimelineEntry) gave(command uuid.UUID) bool { return e.Command != nil && *e.Command == command }

// firstOf is the lane whose next entry is the earliest of those that may come; -1 for none.
func firstOf(lanes [][]TimelineEntry, may func(TimelineEntry) bool) int {
	first := -1
	for i, lane := range lanes {
		if len(lane) > 0 && may(lane[0]) && (first < 0 || lane[0].At.Before(lanes[first][0].At)) {
			first = i
		}
	}
	return first
}

// forCustomer leaves out what is the shop's business: what the events hold, and who in the shop did it.
func forCustomer(entries []TimelineEntry, customer string) []TimelineEntry {
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		e.Data = nil
		switch {
		case e.Type == webhookReceived:
			e.Actor = "provider"
		case e.Actor != customer:
			e.Actor = "shop"
		}
	}
	return entries
}
