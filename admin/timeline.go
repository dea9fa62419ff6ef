package admin

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// TimelineEntry is an event of an order, its cart, its payment or its sagas (the checkout, the refunds and the cancellation), a webhook, or
// the start of an attempt of a step. The event that ended the attempt contains its start.
type TimelineEntry struct {
	ID          uuid.UUID       `json:"id" format:"uuid"`
	At          time.Time       `json:"at"`
	FinishedAt  *time.Time      `json:"finished_at" extensions:"x-nullable"` // the end of the attempt, for saga.step_begun
	Module      string          `json:"module" enums:"cart,order,payment,saga,audit"`
	Stream      uuid.UUID       `json:"stream" format:"uuid"` // for a webhook, its payment
	Version     int64           `json:"version"`              // of the stream; 0 for a webhook and for saga.step_begun
	Type        string          `json:"type" example:"payment.captured"`
	Step        *string         `json:"step" extensions:"x-nullable" example:"payment.charge"`
	Actor       string          `json:"actor" example:"saga"`
	Correlation uuid.UUID       `json:"correlation" format:"uuid"`                         // shared by all effects of one request or checkout
	Causation   uuid.UUID       `json:"causation" format:"uuid"`                           // the command that caused it
	Command     *uuid.UUID      `json:"command" format:"uuid" extensions:"x-nullable"`     // the command that it issued: the causation of its effects
	Data        json.RawMessage `json:"data" swaggertype:"object" extensions:"x-nullable"` // for operators only

	began   time.Time // the start of the attempt that the event ended
	source  int       // of the events of a stream, or of the starts of its attempts
	upTo    int64     // the version of the stream up to this entry
	needs   []string  // facts that other entries must establish first
	tells   []string  // facts that this entry establishes
	webhook payment.ReceivedWebhook
}

// webhookReceived is the type of the entry of a webhook.
const webhookReceived = "webhook.received"

// stepBegun is the type of the entry of the start of an attempt.
const stepBegun = "saga.step_begun"

// cursor is a place in a timeline: a version in each stream, and a webhook. So new events do not shift the next page.
type cursor struct {
	Versions []int64   `json:"versions"` // by source
	At       time.Time `json:"at"`       // of the last webhook
	Provider string    `json:"provider"`
	ID       string    `json:"id"`
}

func (p cursor) advance(e TimelineEntry) cursor {
	if e.Type == webhookReceived {
		p.At, p.Provider, p.ID = e.webhook.ReceivedAt, e.webhook.Provider, e.webhook.ID
		return p
	}
	versions := make([]int64, max(len(p.Versions), e.source+1))
	copy(versions, p.Versions)
	versions[e.source] = e.upTo
	p.Versions = versions
	return p
}

func (p cursor) versionOf(source int) int64 {
	if source < len(p.Versions) {
		return p.Versions[source]
	}
	return 0
}

// streamOf is a stream of a module.
type streamOf struct {
	module string
	id     uuid.UUID // zero if it does not exist yet
}

// streams returns the streams of an order. Their positions are stable, since the refunds of a payment never become fewer.
func (m *Module) streams(ctx context.Context, asked *asked, orderID uuid.UUID, t order.References) ([]streamOf, error) {
	sources := []streamOf{
		{"cart", t.CartID}, {"saga", t.CheckoutID}, {"order", orderID}, {"payment", t.PaymentID}, {"saga", t.CancellationID},
	}
	var paid map[uuid.UUID]payment.Record
	err := asked.ask(ctx, "payment", func(ctx context.Context) (err error) {
		paid, err = m.Payments.Records().ByID(ctx, []uuid.UUID{t.PaymentID})
		return err
	})
	for _, r := range paid[t.PaymentID].Refunds {
		if r.Ordered { // the other refunds are in the events of the saga that compensates
			sources = append(sources, streamOf{"saga", r.ID})
		}
	}
	return sources, err
}

// readAhead is the number of events after a page that are searched for causes.
const readAhead = 100

// timeline returns at most n entries of an order after a place, and the modules whose database is away. It asks each store by itself, since
// each module may have its own database.
func (m *Module) timeline(ctx context.Context, orderID uuid.UUID, t order.References, from cursor, n int) ([]TimelineEntry, []string, error) {
	asked := &asked{away: []string{}}
	streams, err := m.streams(ctx, asked, orderID, t)
	if err != nil {
		return nil, nil, err
	}
	var sources [][]TimelineEntry
	for i, of := range streams {
		if of.id == uuid.Nil {
			continue
		}
		events, begins, err := m.streamEntries(ctx, asked, of, 2*i, t, from, n)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, events, begins)
	}
	webhooks, err := m.webhookEntries(ctx, asked, t, from, n)
	return merge(append(sources, webhooks), n), asked.away, err
}

// streamEntries reads the two sources of a stream: its events, and the starts of the attempts that they ended.
func (m *Module) streamEntries(
	ctx context.Context, asked *asked, of streamOf, source int, t order.References, from cursor, n int,
) (events, begins []TimelineEntry, err error) {
	after, begun := from.versionOf(source), from.versionOf(source+1)
	store, _ := m.store(of.module)
	var found []eventstore.Recorded
	err = asked.ask(ctx, of.module, func(ctx context.Context) (err error) {
		found, err = store.ReadStream(ctx, of.id, after, n+int(max(0, begun-after))+readAhead)
		if err == nil {
			err = store.RevealEvents(ctx, found)
		}
		return err
	})
	for _, e := range found {
		entry := entryOf(of.module, e)
		entry.source, entry.upTo = source, e.Version
		if entry.Correlation == uuid.Nil { // the event of a webhook
			entry.Correlation = t.CheckoutID
		}
		events = append(events, entry)
	}
	begins = slices.DeleteFunc(beginsOf(events, source+1), func(e TimelineEntry) bool { return e.upTo <= begun })
	return events, begins, err
}

func (m *Module) webhookEntries(ctx context.Context, asked *asked, t order.References, from cursor, n int) (entries []TimelineEntry, err error) {
	last := payment.ReceivedWebhook{ReceivedAt: from.At, Provider: from.Provider, ID: from.ID}
	var webhooks []payment.ReceivedWebhook
	err = asked.ask(ctx, "payment", func(ctx context.Context) (err error) {
		webhooks, err = m.Payments.WebhooksOf(ctx, t.PaymentID, last, n)
		return err
	})
	for _, w := range webhooks {
		entries = append(entries, entryOfWebhook(w, t))
	}
	return entries, err
}

// entryOf converts an event. A saga may write an event long after its attempt, so its events contain their own time.
func entryOf(module string, e eventstore.Recorded) TimelineEntry {
	entry := TimelineEntry{
		ID: e.Meta.EventID, At: web.Time(e.At), Module: module, Stream: e.Stream, Version: e.Version, Type: e.Type, Actor: e.Meta.Actor,
		Correlation: e.Meta.Correlation, Causation: e.Meta.Causation, Data: e.Data,
	}
	var told struct {
		Step       string    `json:"step"`
		BeganAt    time.Time `json:"began_at"`
		At         time.Time `json:"at"`
		CheckoutID uuid.UUID `json:"checkout_id"`
		Failure    struct {
			Code string `json:"code"`
		} `json:"failure"`

		ID             uuid.UUID `json:"id"` // of a refund
		CancellationID uuid.UUID `json:"cancellation_id"`
	}
	_ = json.Unmarshal(e.Data, &told) // missing fields stay empty
	switch {
	case module == "saga" && !told.At.IsZero():
		entry.At = web.Time(told.At)
		if told.Step != "" {
			entry.Step = &told.Step
		}
		if !told.BeganAt.IsZero() {
			entry.began = told.BeganAt
		}
	case e.Type == eventstore.TypeOf(cart.CheckedOut{}):
		entry.Command = startOfSaga(told.CheckoutID)
	case e.Type == eventstore.TypeOf(payment.RefundOrdered{}):
		entry.Command = startOfSaga(told.ID)
	case e.Type == eventstore.TypeOf(order.CancellationRequested{}):
		entry.Command = startOfSaga(told.CancellationID)
	}
	entry.needs, entry.tells = factsOf(entry, facts{
		step: told.Step, checkout: told.CheckoutID, id: told.ID, failure: told.Failure.Code, attempt: !told.BeganAt.IsZero(),
	})
	return entry
}

func startOfSaga(id uuid.UUID) *uuid.UUID {
	start := saga.CommandID(id, "start")
	return &start
}

func entryOfWebhook(w payment.ReceivedWebhook, t order.References) TimelineEntry {
	data, _ := json.Marshal(map[string]any{ // of plain fields
		"provider": w.Provider, "id": w.ID, "type": w.Type, "note": w.Note, "attempts": w.Attempts, "handled_at": w.HandledAt,
	})
	id := w.CommandID()
	needs, tells := factsOf(TimelineEntry{Causation: id, Command: &id}, facts{})
	return TimelineEntry{
		ID: id, At: web.Time(w.ReceivedAt), Module: "payment", Stream: t.PaymentID, Type: webhookReceived, Actor: w.Provider,
		Correlation: t.CheckoutID, Causation: id, Command: &id, Data: data, webhook: w, needs: needs, tells: tells,
	}
}

// forCustomer removes the data of the events, and the names of the shop's operators.
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
