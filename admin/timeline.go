package admin

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
	"shopping-cart/saga"
)

// TimelineEntry is something that led to an order as it is: an event of the streams of its cart, its payment, the order itself and
// its sagas, which are its checkout, its refunds and its cancellation; or a webhook as it came; or the begin of an attempt of a
// step, which the event that ended the attempt tells.
type TimelineEntry struct {
	ID          uuid.UUID       `json:"id" format:"uuid"`
	At          time.Time       `json:"at"`
	FinishedAt  *time.Time      `json:"finished_at" extensions:"x-nullable"` // of an attempt of a step, which began at At: of saga.step_begun
	Module      string          `json:"module" enums:"cart,order,payment,saga"`
	Stream      uuid.UUID       `json:"stream" format:"uuid"` // of that module; of a webhook its payment
	Version     int64           `json:"version"`              // of that stream; 0 for a webhook, and for saga.step_begun
	Type        string          `json:"type" example:"payment.captured"`
	Step        *string         `json:"step" extensions:"x-nullable" example:"payment.charge"`
	Actor       string          `json:"actor" example:"saga"`
	Correlation uuid.UUID       `json:"correlation" format:"uuid"`                         // of all that one request, or one checkout, caused
	Causation   uuid.UUID       `json:"causation" format:"uuid"`                           // the command that did it
	Command     *uuid.UUID      `json:"command" format:"uuid" extensions:"x-nullable"`     // the command that it gave: the causation of what followed from it
	Data        json.RawMessage `json:"data" swaggertype:"object" extensions:"x-nullable"` // for operators only

	began   time.Time // of an event that ended an attempt of a step
	source  int       // of a stream, or of the begins of its attempts
	upTo    int64     // the version of the stream that is read with this entry
	needs   []string  // facts that stand before this entry, where they are told at all
	tells   []string  // facts that this entry is
	webhook payment.Received
}

// webhookReceived is the type of an entry that is no event: a webhook as it was stored.
const webhookReceived = "webhook.received"

// stepBegun is the type of an entry that is no event: an attempt of a step begins. The event that ended it is another entry.
const stepBegun = "saga.step_begun"

// cursor is how far a reader of a timeline has come: in each stream, and among the webhooks. So a page goes on where the last
// one ended, whatever happened in between.
type cursor struct {
	Versions []int64   `json:"versions"` // by lane
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
	id     uuid.UUID // zero: there is none yet
}

// streams are those that led to an order, each in a lane of its own, which stays its: a payment's refunds are never fewer.
func (m *Module) streams(ctx context.Context, asked *asked, orderID uuid.UUID, t order.References) ([]streamOf, error) {
	sources := []streamOf{
		{"cart", t.CartID}, {"saga", t.CheckoutID}, {"order", orderID}, {"payment", t.PaymentID}, {"saga", t.CancellationID},
	}
	var paid map[uuid.UUID]payment.Standing
	err := asked.ask(ctx, "payment", func(ctx context.Context) (err error) {
		paid, err = m.Payments.Book().ByID(ctx, []uuid.UUID{t.PaymentID})
		return err
	})
	for _, r := range paid[t.PaymentID].Refunds {
		if r.Ordered { // the other refunds are in the events of the saga that compensates
			sources = append(sources, streamOf{"saga", r.ID})
		}
	}
	return sources, err
}

// readAhead is how far behind the end of a page a cause is looked for.
const readAhead = 100

// timeline is what led to an order after a place, at most n entries. Each store is asked by itself, so it does not matter which
// database it is in, and one that is away leaves its own entries out.
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
		events, begins := 2*i, 2*i+1 // two lanes a stream: its events, and the attempts that they ended
		ahead := max(0, from.versionOf(begins)-from.versionOf(events))
		store, _ := m.store(of.module)
		var found []eventstore.Recorded
		err := asked.ask(ctx, of.module, func(ctx context.Context) (err error) {
			found, err = store.ReadStream(ctx, of.id, from.versionOf(events), n+int(ahead)+readAhead)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		source := make([]TimelineEntry, len(found))
		for j, e := range found {
			source[j] = entryOf(of.module, e)
			source[j].source, source[j].upTo = events, e.Version
			if source[j].Correlation == uuid.Nil { // a webhook, which knows of no checkout
				source[j].Correlation = t.CheckoutID
			}
		}
		source, begun := splitAttempts(source, begins)
		sources = append(sources, source, slices.DeleteFunc(begun, func(e TimelineEntry) bool { return e.upTo <= from.versionOf(begins) }))
	}
	last := payment.Received{ReceivedAt: from.At, Provider: from.Provider, ID: from.ID}
	var webhooks []payment.Received
	err = asked.ask(ctx, "payment", func(ctx context.Context) (err error) {
		webhooks, err = m.Payments.WebhooksOf(ctx, t.PaymentID, last, n)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	var source []TimelineEntry
	for _, w := range webhooks {
		entry, err := entryOfWebhook(w, t)
		if err != nil {
			return nil, nil, err
		}
		source = append(source, entry)
	}
	return merge(append(sources, source), n), asked.away, nil
}

// entryOf is an event. That of a saga may have been written long after what it tells of, so it names its own times.
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
	_ = json.Unmarshal(e.Data, &told) // what it does not tell, or tells otherwise, stays out
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

func entryOfWebhook(w payment.Received, t order.References) (TimelineEntry, error) {
	data, err := json.Marshal(map[string]any{
		"provider": w.Provider, "id": w.ID, "type": w.Type, "note": w.Note, "attempts": w.Attempts, "handled_at": w.HandledAt,
	})
	if err != nil {
		return TimelineEntry{}, fmt.Errorf("encode webhook %s of %s: %w", w.ID, w.Provider, err)
	}
	id := w.Wakes()
	needs, tells := factsOf(TimelineEntry{Causation: id, Command: &id}, facts{})
	return TimelineEntry{
		ID: id, At: web.Time(w.ReceivedAt), Module: "payment", Stream: t.PaymentID, Type: webhookReceived, Actor: w.Provider,
		Correlation: t.CheckoutID, Causation: id, Command: &id, Data: data, webhook: w, needs: needs, tells: tells,
	}, nil
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
