package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// webhookCommandID returns the id of the command that notifies a payment of a webhook.
func webhookCommandID(payment uuid.UUID, provider, webhook string) uuid.UUID {
	return derivedID(payment, "webhook "+provider+" "+webhook, 0)
}

// apiID returns the id of a webhook in the API. No provider has a colon in its name.
func (r ReceivedWebhook) apiID() string { return r.Provider + ":" + r.ID }

const webhookColumns = "provider, id, type, reference, received_at, handled_at, note, attempts"

// webhookCursor is the cursor of the list.
type webhookCursor struct {
	At       time.Time `json:"at"`
	Provider string    `json:"provider"`
	ID       string    `json:"id"`
}

func (r ReceivedWebhook) cursor() webhookCursor { return webhookCursor{r.ReceivedAt, r.Provider, r.ID} }

// received returns webhooks, newest first. An empty filter matches all. Each combination of filters has its own statement, since a common
// plan would scan the webhooks of other payments.
func (m *Module) received(ctx context.Context, provider, reference string, from webhookCursor, limit int) ([]ReceivedWebhook, error) {
	where, args := "true", pgx.NamedArgs{"provider": provider, "reference": reference, "limit": limit}
	if provider != "" {
		where += " and provider = @provider"
	}
	if reference != "" {
		where += " and reference = @reference"
	}
	if from != (webhookCursor{}) {
		where += " and (received_at, provider, id) < (@from_at, @from_provider, @from_id)"
		args["from_at"], args["from_provider"], args["from_id"] = from.At, from.Provider, from.ID
	}
	rows, err := m.query.Query(ctx, "select "+webhookColumns+" from payment.webhooks where "+where+
		" order by received_at desc, provider desc, id desc limit @limit", args)
	if err != nil {
		return nil, fmt.Errorf("list the webhooks: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ReceivedWebhook])
}

// webhook returns a received webhook and its body.
func (m *Module) webhook(ctx context.Context, provider, id string) (r ReceivedWebhook, body []byte, err error) {
	err = m.query.QueryRow(ctx, "select "+webhookColumns+", body from payment.webhooks where provider = $1 and id = $2", provider, id).
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
func (m *Module) WebhooksOf(ctx context.Context, paymentID uuid.UUID, last ReceivedWebhook, limit int) ([]ReceivedWebhook, error) {
	rows, err := m.query.Query(ctx, "select "+webhookColumns+` from payment.webhooks
		where reference = $1 and (received_at, provider, id) > ($2, $3, $4) order by received_at, provider, id limit $5`,
		paymentID.String(), last.ReceivedAt, last.Provider, last.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("read the webhooks of payment %s: %w", paymentID, err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ReceivedWebhook])
}

// Erase deletes the bodies of the payments' webhooks, since they may name the shopper. The webhooks stay and can be replayed.
func (m *Module) Erase(ctx context.Context, payments []uuid.UUID) (erased int64, err error) {
	references := make([]string, len(payments))
	for i, id := range payments {
		references[i] = id.String()
	}
	tag, err := m.query.Exec(ctx, "update payment.webhooks set body = '' where reference = any($1) and body <> ''", references)
	if err != nil {
		return 0, fmt.Errorf("erase the bodies of webhooks: %w", err)
	}
	return tag.RowsAffected(), nil
}

const (
	findWebhook = `select type, reference from payment.webhooks where provider = $1 and id = $2`
	// The note is removed, since the payment is not unknown any more.
	webhookReplayed = `update payment.webhooks set handled_at = coalesce(handled_at, now()), note = null where provider = $1 and id = $2`
)

// replay notifies the payment of a webhook again, on behalf of the caller.
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
	receipt, err := payments.Handle(ctx, m.store, paymentID, commandOf(write, "notify"), func(tx *eventstore.Tx, p stream) ([]event, error) {
		if !p.State.requested() || p.State.Provider != provider {
			return nil, errNoPayment
		}
		tx.Exec(webhookReplayed, provider, id)
		return []event{Notified{CheckoutID: p.State.CheckoutID, WebhookID: id, Type: w.Type}}, nil
	})
	return receipt.Replayed, err
}
