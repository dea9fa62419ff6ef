package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/backoff"
	"shopping-cart/platform/failpoint"
	"shopping-cart/platform/web"
)

// webhook is a stored webhook.
type webhook struct {
	Provider, ID, Type, Reference string
	trace                         string // the span of the request that delivered it
}

const (
	storeWebhook = `insert into payment.webhooks (provider, id, type, reference, body, trace) values ($1, $2, $3, $4, $5, nullif($6, ''))
		on conflict (provider, id) do update set handled_at = null, note = null, due_at = now()
		where webhooks.note is not null`
	// Each attempt defers a webhook for longer, so that one that cannot be handled does not block the others.
	dueWebhooks = `with due as (
			select provider, id, due_at from payment.webhooks where handled_at is null and due_at >= $1 and due_at <= now()
			order by due_at limit $2 for update skip locked),
		taken as (
			update payment.webhooks w set attempts = w.attempts + 1,
				due_at = now() + least(5 * 2 ^ least(w.attempts, 6), 300) * (0.5 + random()) * interval '1 second'
			from due d where w.provider = d.provider and w.id = d.id
			returning w.provider, w.id, w.type, w.reference, coalesce(w.trace, '') trace, d.due_at)
		select now(), coalesce(max(due_at), now()), array_agg(provider), array_agg(id), array_agg(type), array_agg(reference),
			array_agg(trace) from taken`
	expediteWebhooks = `update payment.webhooks set due_at = now() where handled_at is null and due_at > now()`
	webhookHandled   = `update payment.webhooks set handled_at = now(), note = nullif($3, '') where provider = $1 and id = $2`
)

// maxWebhookText is the longest id, type or reference of a webhook, in bytes. Real ones have less than 100.
const maxWebhookText = 255

// check refuses a notification that cannot be stored: without an id, with control characters (PostgreSQL stores no NUL), or too long for an
// index.
func (n Notification) check() error {
	if n.ID == "" {
		return &Unreadable{"it has no id"}
	}
	for _, text := range []struct{ name, value string }{{"id", n.ID}, {"type", n.Type}, {"reference", n.Reference}} {
		switch {
		case len(text.value) > maxWebhookText:
			return &Unreadable{fmt.Sprintf("its %s is longer than %d bytes", text.name, maxWebhookText)}
		case !web.Plain(text.value):
			return &Unreadable{"its " + text.name + " has control characters"}
		}
	}
	return nil
}

// saveWebhook stores a verified webhook. A repeated webhook changes nothing, unless its payment was unknown the first time. A stored webhook is
// processed even if this process dies.
func (m *Module) saveWebhook(ctx context.Context, provider string, n Notification, body []byte) error {
	failpoint.Reach(failpoint.BeforeCommit, "webhook stored")
	if _, err := m.query.Exec(ctx, storeWebhook, provider, n.ID, n.Type, n.Reference, body, traceparent(ctx)); err != nil {
		return fmt.Errorf("store webhook %s of %s: %w", n.ID, provider, err)
	}
	failpoint.Reach(failpoint.AfterCommit, "webhook stored")
	select {
	case m.arrived <- struct{}{}:
	default: // already signalled
	}
	return nil
}

const (
	processInterval = 2 * time.Second // on average, for webhooks of processes that died
	processBatch    = 100

	webhookSlack = time.Minute // longer than the statement that stores a webhook may take
	webhookAgain = 5 * time.Minute
)

// process processes new webhooks and those of processes that died, until ctx is done.
func (m *Module) process(ctx context.Context) error {
	for {
		for n := processBatch; n == processBatch; {
			var err error
			if n, err = m.processDue(ctx); err != nil && ctx.Err() == nil {
				m.store.Failed(err)
			}
		}
		if !backoff.SleepOr(ctx, backoff.Jitter(processInterval), m.arrived) {
			return nil
		}
	}
}

func (m *Module) processDue(ctx context.Context) (int, error) {
	var now, last time.Time
	var providers, ids, types, references, traces []string
	err := m.query.QueryRow(ctx, dueWebhooks, m.due.From(), processBatch).Scan(&now, &last, &providers, &ids, &types, &references, &traces)
	if err != nil {
		return 0, fmt.Errorf("read the webhooks: %w", err)
	}
	if back := m.due.Advance(now, last, len(ids) == processBatch); !back.IsZero() { // a clock was ahead
		if _, err := m.query.Exec(ctx, expediteWebhooks); err != nil {
			return 0, fmt.Errorf("expedite the webhooks: %w", err)
		}
	}
	for i := range ids {
		w := webhook{providers[i], ids[i], types[i], references[i], traces[i]}
		if err := m.processOne(ctx, w); err != nil {
			return 0, fmt.Errorf("handle webhook %s of %s: %w", w.ID, w.Provider, err)
		}
	}
	return len(ids), nil
}

// processOne notifies the payment, and through its outbox the saga. A repetition has the same command id, so that the payment is notified once.
func (m *Module) processOne(ctx context.Context, w webhook) error {
	note, err := m.notify(ctx, w)
	if err != nil {
		return err
	}
	failpoint.Reach(failpoint.BeforeCommit, "webhook handled")
	_, err = m.query.Exec(ctx, webhookHandled, w.Provider, w.ID, note)
	failpoint.Reach(failpoint.AfterCommit, "webhook handled")
	return err
}

const saveReference = `update payment.webhooks set reference = $3 where provider = $1 and id = $2`

// referenceOf returns our reference of a webhook's payment. If the webhook holds only the provider's reference, resolved asks the provider and
// stores the answer.
func (m *Module) referenceOf(ctx context.Context, w webhook) (string, error) {
	p, err := m.provider(w.Provider)
	if _, notOurs := uuid.Parse(w.Reference); notOurs == nil || w.Reference == "" || err != nil {
		return w.Reference, nil
	}
	resolver, ok := p.Provider.(ReferenceFinder)
	if !ok {
		return w.Reference, nil
	}
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	reference, err := resolver.FindReference(limited, w.Reference)
	if err != nil || reference == "" {
		return "", err
	}
	_, err = m.query.Exec(ctx, saveReference, w.Provider, w.ID, reference)
	return reference, err
}

const noteUnknown = "There is no such payment."

func (m *Module) notify(ctx context.Context, w webhook) (note string, err error) {
	if w.Reference, err = m.referenceOf(ctx, w); err != nil {
		return "", err
	}
	id, err := uuid.Parse(w.Reference)
	if err != nil {
		return noteUnknown, nil
	}
	cmd := eventstore.Command{ID: webhookCommandID(id, w.Provider, w.ID), Meta: eventstore.Meta{Actor: w.Provider}, Named: "notify"}
	ctx, span := m.startWebhook(ctx, id, w)
	defer span.End()
	_, err = payments.Handle(ctx, m.store, id, cmd, func(_ *eventstore.Tx, p stream) ([]event, error) {
		if !p.State.requested() || p.State.Provider != w.Provider {
			return nil, errNotFound // a refused command leaves no receipt: the same webhook may succeed later
		}
		return []event{Notified{CheckoutID: p.State.CheckoutID, WebhookID: w.ID, Type: w.Type}}, nil
	})
	if errors.Is(err, errNotFound) {
		return noteUnknown, nil
	}
	return "", err
}
