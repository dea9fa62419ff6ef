package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/backoff"
)

const (
	retryFirst = time.Second // average pause after a message was parked; it doubles each time
	retryLast  = time.Hour
	errorText  = 2000 // stored bytes of an error

	retryTimeout    = 10 * time.Second // for one transaction; the projection waits for it
	postponeTimeout = 5 * time.Second
)

// parking collects the messages that one transaction parks, and the streams that are parked already.
type parking struct {
	subscription string
	streams      map[uuid.UUID]bool
	rows         []parkedRow
}

// parkedRow is a message to park. The head of its stream has an error; the messages behind it have none.
type parkedRow struct {
	Recorded
	err error
}

func (p *parking) scan(rows pgx.Rows) error {
	var stream uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&stream}, func() error {
		p.streams[stream] = true
		return nil
	})
	return err
}

// parkBehind parks an event if its stream is parked, and reports whether it did.
func (p *parking) parkBehind(e Recorded) bool {
	if !p.streams[e.Stream] {
		return false
	}
	p.rows = append(p.rows, parkedRow{e, nil})
	return true
}

// park parks an event that failed, and its stream.
func (p *parking) park(e Recorded, err error) {
	p.streams[e.Stream] = true
	p.rows = append(p.rows, parkedRow{e, err})
}

func (p *parking) write(ctx context.Context, tx pgx.Tx, sql string) error {
	if len(p.rows) == 0 {
		return nil
	}
	n := len(p.rows)
	ids, streams, versions := make([][16]byte, n), make([][16]byte, n), make([]int64, n)
	attempts, errs, pauses := make([]int32, n), make([]*string, n), make([]*int64, n)
	for i, r := range p.rows {
		ids[i], streams[i], versions[i] = uuid.Must(uuid.NewV7()), r.Stream, r.Version
		if r.err != nil {
			text, pause := storable(r.err), retryPause(1)
			attempts[i], errs[i], pauses[i] = 1, &text, &pause
		}
	}
	if _, err := tx.Exec(ctx, sql, p.subscription, ids, streams, versions, attempts, errs, pauses); err != nil {
		return fmt.Errorf("park %d messages: %w", n, err)
	}
	return nil
}

// storable returns the text of an error as a column can hold it.
func storable(err error) string {
	text := strings.ReplaceAll(err.Error(), "\x00", "")
	return strings.ToValidUTF8(text[:min(len(text), errorText)], "")
}

// retryPause returns the pause after a number of failed attempts, in microseconds.
func retryPause(attempts int) int64 {
	return backoff.Jitter(backoff.After(attempts-1, retryFirst, retryLast)).Microseconds()
}

// retryParked retries the messages of the stream that has been due longest, in order, until one fails. It locks the
// subscription, so no event of the stream can come between.
func (c *projector) retryParked(ctx context.Context) (more bool, err error) {
	var stream uuid.UUID
	err = c.store.db.Query.QueryRow(ctx, c.store.projectionSQL.due, c.name).Scan(&stream)
	if isNone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for what is parked: %w", err)
	}
	var try try
	err = c.tryAgain(ctx, stream, &try)
	switch {
	case err == nil:
		c.tries = min(2*c.tries, savepointLimit)
		return true, nil
	case len(try.applied) > 0 && len(try.messages) > 1: // the successful part was lost too
		c.tries = max(len(try.applied)/2, 1)
	case len(try.messages) > 0 && !errors.Is(ctx.Err(), context.Canceled):
		err = errors.Join(err, c.postpone(ctx, try.messages[0], err))
	}
	return false, fmt.Errorf("retry what is parked: %w", err)
}

// postpone counts an attempt whose transaction was lost, usually by a timeout, so that other streams get their turn.
func (c *projector) postpone(ctx context.Context, head waitingMessage, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postponeTimeout)
	defer cancel()
	_, err := c.store.db.Query.Exec(ctx, c.store.projectionSQL.failAgain, head.id, storable(cause), retryPause(head.attempts+1))
	return err
}

// try is an attempt at a stream: its first messages, and those that were applied.
type try struct {
	messages []waitingMessage
	applied  [][16]byte
}

func (c *projector) tryAgain(ctx context.Context, stream uuid.UUID, try *try) error {
	ctx, cancel := context.WithTimeout(ctx, retryTimeout)
	defer cancel()
	return c.inTx(ctx, func(tx pgx.Tx) error { return c.retryStream(ctx, tx, stream, try) })
}

func (c *projector) retryStream(ctx context.Context, tx pgx.Tx, stream uuid.UUID, try *try) error {
	q := c.store.projectionSQL
	var generation int
	err := tx.QueryRow(ctx, q.lock, c.name).Scan(new(int64), &generation)
	if err == nil {
		try.messages, err = c.waiting(ctx, tx, stream)
	}
	if err != nil {
		return err
	}
	for _, m := range try.messages {
		failed := c.projectOne(ctx, tx, generation, m.Recorded)
		if isTransient(failed) || tx.Conn().IsClosed() {
			return failed
		}
		if failed != nil {
			given, err := c.isDiscarded(ctx, tx, m)
			if err == nil && !given {
				_, err = tx.Exec(ctx, q.failAgain, m.id, storable(failed), retryPause(m.attempts+1))
			}
			if err != nil {
				return err
			}
			if !given {
				break
			}
		}
		try.applied = append(try.applied, m.id)
	}
	if len(try.applied) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, q.unpark, try.applied); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, q.nextHead, c.name, stream)
	return err
}

// isDiscarded reports for a rebuild whether the message was discarded in the live generation. Then the rebuild skips it too.
func (c *projector) isDiscarded(ctx context.Context, tx pgx.Tx, m waitingMessage) (given bool, err error) {
	if c.name != c.Name {
		err = tx.QueryRow(ctx, c.store.projectionSQL.isDiscarded, c.Name, m.Stream, m.Version).Scan(&given)
	}
	return given, err
}

// waitingMessage is a parked message with its event.
type waitingMessage struct {
	Recorded
	id       uuid.UUID
	attempts int
}

// waiting returns the first parked messages of a stream. It returns none if the head is no longer due.
func (c *projector) waiting(ctx context.Context, tx pgx.Tx, stream uuid.UUID) ([]waitingMessage, error) {
	rows, _ := tx.Query(ctx, c.store.projectionSQL.waiting, c.name, stream, c.tries)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m waitingMessage, err error) {
		err = row.Scan(append([]any{&m.id, &m.attempts}, m.targets()...)...)
		m.At = m.At.UTC()
		return m, err
	})
}
