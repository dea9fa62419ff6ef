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
	errNoPayment = fault.New(fault.Conflict, "unknown_payment", "There is no payment yet that this webhook could be about.")
)

func wakes(payment uuid.UUID, provider, webhook string) uuid.UUID {
	return derived(payment, "webhook "+provider+" "+webhook, 0)
}

// key is what operators call a webhook: no provider has a colon in its name.
func (r Received) key() string { return r.Provider + ":" + r.ID }

// placeInList is the place in the list after a webhook.
type placeInList struct {
	At       time.Time `json:"at"`
	Provider string    `json:"provider"`
	ID       string    `json:"id"`
}

func (r Received) place() placeInList { return placeInList{r.ReceivedAt, r.Provider, r.ID} }

// received are webhooks, newest first. Empty filters narrow nothing. Each has a statement of its own: a plan that has to do
// for all would walk through the webhooks of others.
func (m *Module) received(ctx context.Context, provider, reference string, from *placeInList, limit int) ([]Received, error) {
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
	if from != nil {
		narrow("(received_at, provider, id) < (?, ?, ?)", from.At, from.Provider, from.ID)
	}
	rows, err := m.query.Query(ctx, `select provider, id, type, reference, received_at, handled_at, note, attempts from payment.webhooks
		where `+strings.Join(where, " and ")+` order by received_at desc, provider desc, id desc limit $1`, args...)
	if err != nil {
		return nil, fmt.Errorf("list the webhooks: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Received])
}

// webhook is one that was received, and its body.
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

// WebhooksOf are the webhooks that came for a payment, oldest first, at most limit of them, after the one named; from the
// first one on after a zero one.
func (m *Module) WebhooksOf(ctx context.Context, paymentID uuid.UUID, last Received, limit int) ([]Received, error) {
	rows, err := m.query.Query(ctx, `select provider, id, type, reference, received_at, handled_at, note, attempts from payment.webhooks
		where reference = $1 and (received_at, provider, id) > ($2, $3, $4) order by received_at, provider, id limit $5`,
		paymentID.String(), last.ReceivedAt, last.Provider, last.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("read the webhooks of payment %s: %w", paymentID, err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Received])
}

// Erase drops what the webhooks of payments hold: a provider may name the shopper there. That they came is kept, and they can be
// replayed.
func (m *Module) Erase(ctx context.Context, payments []uuid.UUID) error {
	references := make([]string, len(payments))
	for i, id := range payments {
		references[i] = id.String()
	}
	if _, err := m.query.Exec(ctx, "update payment.webhooks set body = '' where reference = any($1) and body <> ''", references); err != nil {
		return fmt.Errorf("erase what webhooks hold: %w", err)
	}
	return nil
}

const (
	findWebhook = `select type, reference from payment.webhooks where provider = $1 and id = $2`
	// Where it was kept as one of nobody's, its payment has come since.
	webhookReplayed = `update payment.webhooks set handled_at = coalesce(handled_at, now()), note = null where provider = $1 and id = $2`
)

// replay wakes the payment of a webhook again, handled or not, on behalf of whoever asks: an event of the payment.
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
