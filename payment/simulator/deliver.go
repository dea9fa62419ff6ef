package simulator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/backoff"
)

const (
	deliveryTimeout = 5 * time.Second
	deliverEvery    = time.Second // on average, for webhooks that are due again or of processes that died
	deliverLimit    = 5
	lateFor         = 3 * time.Second // delay of the webhooks of sim_late_webhooks
)

const (
	queueWebhook = `insert into simulator.webhooks (event, type, reference, body, due_at) values ($1, $2, $3, $4, now() + $5)`
	// Each attempt defers a webhook by more than the time of a delivery, so that two processes do not deliver it at once.
	dueDeliveries = `update simulator.webhooks w set attempts = w.attempts + 1, due_at = now() + interval '30 seconds'
		from (select id from simulator.webhooks where delivered_at is null and due_at <= now()
			order by due_at, id limit $1 for update skip locked) d
		where w.id = d.id returning w.id, w.event, w.body`
	delivered  = `update simulator.webhooks set delivered_at = now() where id = $1`
	deferAgain = `update simulator.webhooks set due_at = now() + least(0.25 * 2 ^ attempts, 300) * interval '1 second' where id = $1`
)

// delivery is a webhook to deliver.
type delivery struct {
	ID    int64
	Event string
	Body  string
}

// queue stores a webhook in the transaction of the change that it reports.
func (s *Simulator) queue(ctx context.Context, tx pgx.Tx, a account, kind string) error {
	n, body, err := s.newEvent(a, kind)
	if err != nil {
		return err
	}
	times, late := 1, time.Duration(0)
	switch a.Token {
	case tokenDuplicateWebhooks:
		times = 2
	case tokenLateWebhooks:
		late = lateFor
	}
	for range times {
		if _, err := tx.Exec(ctx, queueWebhook, n.ID, n.Type, n.Reference, body, late); err != nil {
			return fmt.Errorf("queue a webhook: %w", err)
		}
	}
	return nil
}

// newEvent returns a webhook about a payment, and its body.
func (s *Simulator) newEvent(a account, kind string) (n event, body string, err error) {
	n = event{ID: "evt_" + uuid.Must(uuid.NewV7()).String(), Type: kind, Reference: a.Reference, CreatedAt: s.now().UTC()}
	encoded, err := json.Marshal(n)
	return n, string(encoded), err
}

// wake makes Run deliver at once.
func (s *Simulator) wake() {
	select {
	case s.queued <- struct{}{}:
	default: // already signalled
	}
}

// Run delivers webhooks, until ctx is done. It repeats a delivery after longer and longer pauses, until the answer is 2xx.
func (s *Simulator) Run(ctx context.Context) error {
	for {
		for n := deliverLimit; n == deliverLimit; {
			var err error
			if n, err = s.deliverDue(ctx); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "the simulator failed to deliver webhooks", slog.Any("error", err))
			}
		}
		if !backoff.SleepOr(ctx, backoff.Jitter(deliverEvery), s.queued) {
			return nil
		}
	}
}

func (s *Simulator) deliverDue(ctx context.Context) (int, error) {
	if s.WebhookURL() == "" {
		return 0, nil
	}
	rows, err := s.Pool.Query(ctx, dueDeliveries, deliverLimit)
	if err != nil {
		return 0, err
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[delivery])
	if err != nil {
		return 0, err
	}
	// The newest comes first, so that the second of two duplicates arrives before the first. Webhooks have no order.
	slices.SortFunc(due, func(a, b delivery) int { return cmp.Compare(b.ID, a.ID) })
	for _, d := range due {
		then := delivered
		if err := s.deliver(ctx, d); err != nil {
			s.Log.WarnContext(ctx, "a webhook was not accepted, will retry", slog.String("event", d.Event), slog.Any("error", err))
			then = deferAgain
		}
		if _, err := s.Pool.Exec(ctx, then, d.ID); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

func (s *Simulator) deliver(ctx context.Context, d delivery) error {
	body := []byte(d.Body)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.WebhookURL(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signatureHeader, s.sign(s.now(), body))
	resp, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection is reused
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
