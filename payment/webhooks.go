package payment

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
)

// webhook is one that came and still has to wake its payment.
type webhook struct {
	Provider, ID, Type, Reference string
}

const (
	storeWebhook = `insert into payment.webhooks (provider, id, type, reference, body) values ($1, $2, $3, $4, $5)
		on conflict do nothing`
	// Taken up for some seconds each time, longer and longer, so that one that cannot be handled stands in no other's way.
	dueWebhooks = `update payment.webhooks w set attempts = w.attempts + 1, due_at = now() + least(5 * 2 ^ w.attempts, 300) * interval '1 second'
		from (select provider, id from payment.webhooks where handled_at is null and due_at <= now()
			order by due_at limit $1 for update skip locked) d
		where w.provider = d.provider and w.id = d.id returning w.provider, w.id, w.type, w.reference`
	webhookHandled = `update payment.webhooks set handled_at = now(), note = nullif($3, '') where provider = $1 and id = $2`
)

// keep stores a verified webhook; twice is once. From then on it will wake its payment, whatever happens here.
func (m *Module) keep(ctx context.Context, provider string, n Notification, body []byte) error {
	if _, err := m.query.Exec(ctx, storeWebhook, provider, n.ID, n.Type, n.Reference, body); err != nil {
		return fmt.Errorf("store webhook %s of %s: %w", n.ID, provider, err)
	}
	select {
	case m.arrived <- struct{}{}:
	default: // wakeAll has yet to look anyway
	}
	return nil
}

const (
	wakeEvery = 2 * time.Second // on average: what another process stored and then died
	wakeLimit = 100
)

// wakeAll wakes the payments of webhooks as they come, and of those that a crash left.
func (m *Module) wakeAll(ctx context.Context, failed func(error)) error {
	for {
		for n := wakeLimit; n == wakeLimit; {
			var err error
			if n, err = m.wakeDue(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
		t := time.NewTimer(wakeEvery/2 + rand.N(wakeEvery))
		select {
		case <-m.arrived:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (m *Module) wakeDue(ctx context.Context) (int, error) {
	rows, err := m.query.Query(ctx, dueWebhooks, wakeLimit)
	if err != nil {
		return 0, fmt.Errorf("read the webhooks: %w", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[webhook])
	if err != nil {
		return 0, fmt.Errorf("read the webhooks: %w", err)
	}
	for _, w := range due {
		if err := m.wake(ctx, w); err != nil {
			return 0, fmt.Errorf("handle webhook %s of %s: %w", w.ID, w.Provider, err)
		}
	}
	return len(due), nil
}

// wake tells the payment that there is news, and through its outbox whoever waits for it. Died in between, it's told once
// more under the same id, which is once.
func (m *Module) wake(ctx context.Context, w webhook) error {
	note, err := m.notify(ctx, w)
	if err != nil {
		return err
	}
	_, err = m.query.Exec(ctx, webhookHandled, w.Provider, w.ID, note)
	return err
}

const noteUnknown = "There is no such payment."

func (m *Module) notify(ctx context.Context, w webhook) (note string, err error) {
	const unknown = 404
	id, err := uuid.Parse(w.Reference)
	if err != nil {
		return noteUnknown, nil // it's about a payment that cannot be ours
	}
	receipt, err := m.store.Do(ctx, eventstore.Command{
		ID: derived(id, "webhook "+w.Provider+" "+w.ID, 0), Meta: eventstore.Meta{Actor: w.Provider},
		Streams: []eventstore.Ref{payments.Ref(id)},
		Decide: func(tx *eventstore.Tx) error {
			s := payments.Get(tx, id).State
			if !s.requested() || s.Provider != w.Provider {
				tx.Answer(unknown)
				return nil
			}
			payments.Append(tx, id, Notified{CheckoutID: s.CheckoutID, WebhookID: w.ID, Type: w.Type})
			return nil
		},
	})
	if receipt.Status == unknown {
		note = noteUnknown
	}
	return note, err
}
