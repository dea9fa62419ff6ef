package payment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

var (
	errNoWebhook = fault.New(fault.NotFound, "not_found", "There is no such webhook.")
	errNoPayment = fault.New(fault.Conflict, "unknown_payment", "The payment of this webhook is not known yet.")
)

func wakes(payment uuid.UUID, provider, webhook string) uuid.UUID {
	return derived(payment, "webhook "+provider+" "+webhook, 0)
}

// key returns the id of a webhook in the API. No provider has a colon in its name.
func (r Received) key() string { return r.Provider + ":" + r.ID }

// placeInList is the cursor of the list.
type placeInList struct {
	At       time.Time `json:"at"`
	Provider string    `json:"provider"`
	ID       string    `json:"id"`
}

func (r Received) place() placeInList { return placeInList{r.ReceivedAt, r.Provider, r.ID} }

// received returns webhooks, newest first. An empty filter matches all. Each combination of filters has its own statement: a plan for all
// of them would scan the webhooks of other payments.
func (m *Module) received(ctx context.Context, provider, reference string, from placeInList, limit int) ([]Received, error) {
	where, args := []string{"true"}, []any{limit}
	narrow := func(sql string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			sql = strings.Replace(sql, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, sql)
	}
	if provider != "" {
		narrow("provider = ?", provider)
	}
	if reference != "" {
		narrow("reference = ?", reference)
	}
	if from != (placeInList{}) {
		narrow("(received_at, provider, id) < (?, ?, ?)", from.At, from.Provider, from.ID)
	}
	rows, err := m.query.Query(ctx, `select provider, id, type, reference, received_at, handled_at, note, attempts from payment.webhooks
		where `+strings.Join(where, " and ")+` order by received_at desc, provider desc, id desc limit $1`, args...)
	if err != nil {
		return nil, fmt.Errorf("list the webhooks: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Received])
}

// webhook returns a received webhook and its body.
func (m *Module) webhook(ctx context.Context, provider, id string) (r Received, body []byte, err error) {
	err = m.query.QueryRow(ctx, `select provider, id, type, reference, received_at, handled_at, note, attempts, body from payment.webhooks
		where provider = $1 and id = $2`, provider, id).
		Scan(&r.Provider, &r.ID, &r.Type, &r.Reference, &r.ReceivedAt, &r.HandledAt, &r.Note, &r.Attempts, &body)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, nil, errNoWebhook
	}
	if err != nil {
		return r, nil, fmt.Errorf("read webhook %s of %s: %w", id, provider, err)
	}
	return r, body, nil
}

// WebhooksOf returns at most limit webhooks of a payment, oldest first, after last. A zero last begins with the first.
func (m *Module) WebhooksOf(ctx context.Context, paymentID uuid.UUID, last Received, limit int) ([]Received, error) {
	rows, err := m.query.Query(ctx, `select provider, id, type, reference, received_at, handled_at, note, attempts from payment.webhooks
		where reference = $1 and (received_at, provider, id) > ($2, $3, $4) order by received_at, provider, id limit $5`,
		paymentID.String(), last.ReceivedAt, last.Provider, last.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("read the webhooks of payment %s: %w", paymentID, err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Received])
}

// Erase deletes the bodies of the payments' webhooks, since a provider may name the shopper there. The webhooks stay and can be replayed.
func (m *Module) Erase(ctx context.Context, payments []uuid.UUID) error {
	references := make([]string, len(payments))
	for i, id := range payments {
		references[i] = id.String()
	}
	if _, err := m.query.Exec(ctx, "update payment.webhooks set body = '' where reference = any($1) and body <> ''", references); err != nil {
		return fmt.Errorf("erase the bodies of webhooks: %w", err)
	}
	return nil
}

const (
	findWebhook = `select type, reference from payment.webhooks where provider = $1 and id = $2`
	// If the webhook was stored for an unknown payment, that payment has come since.
	webhookReplayed = `update payment.webhooks set handled_at = coalesce(handled_at, now()), note = null where provider = $1 and id = $2`
)

// replay wakes the payment of a webhook again, handled or not. It appends an event of the caller to the payment.
func (m *Module) replay(ctx context.Context, provider, id string, write web.Write) (replayed bool, err error) {
	w := webhook{Provider: provider, ID: id}
	err = m.query.QueryRow(ctx, findWebhook, provider, id).Scan(&w.Type, &w.Reference)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, errNoWebhook
	}
	if err != nil {
		return false, fmt.Errorf("find webhook %s of %s: %w", id, provider, err)
	}
	paymentID, err := uuid.Parse(w.Reference)
	if err != nil {
		return false, errNoPayment
	}
	receipt, err := payments.Handle(ctx, m.store, paymentID, commandOf(write), func(tx *eventstore.Tx, p stream) ([]event, error) {
		if !p.State.requested() || p.State.Provider != provider {
			return nil, errNoPayment
		}
		tx.Exec(webhookReplayed, provider, id)
		return []event{Notified{CheckoutID: p.State.CheckoutID, WebhookID: id, Type: w.Type}}, nil
	})
	return receipt.Replayed, err
}
