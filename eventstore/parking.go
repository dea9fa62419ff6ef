package eventstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	retryFirst = time.Second // after a message was parked, on average; then twice as long each time
	retryLast  = time.Hour
	errorText  = 2000 // bytes of an error that are kept
)

// parking is what one transaction parks, and which streams it finds parked.
type parking struct {
	reader  string
	streams map[uuid.UUID]bool
	rows    []parkedRow
}

// parkedRow is a message to park: with an error the head of its stream, without one behind it.
type parkedRow struct {
	stream  uuid.UUID
	version int64
	err     error
}

func (p *parking) scan(rows pgx.Rows) error {
	var stream uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&stream}, func() error {
		p.streams[stream] = true
		return nil
	})
	return err
}

// takes parks an event behind those of its stream that are parked already, if any.
func (p *parking) takes(e Recorded) bool {
	if !p.streams[e.Stream] {
		return false
	}
	p.rows = append(p.rows, parkedRow{e.Stream, e.Version, nil})
	return true
}

// add parks an event that failed, and with it its stream.
func (p *parking) add(e Recorded, err error) {
	p.streams[e.Stream] = true
	p.rows = append(p.rows, parkedRow{e.Stream, e.Version, err})
}

func (p *parking) write(ctx context.Context, tx pgx.Tx, sql string) error {
	if len(p.rows) == 0 {
		return nil
	}
	n := len(p.rows)
	ids, streams, versions := make([][16]byte, n), make([][16]byte, n), make([]int64, n)
	attempts, errs, pauses := make([]int32, n), make([]*string, n), make([]*int64, n)
	for i, r := range p.rows {
		ids[i], streams[i], versions[i] = uuid.Must(uuid.NewV7()), r.stream, r.version
		if r.err != nil {
			text, pause := storable(r.err), pauseAfter(1, retryFirst, retryLast)
			attempts[i], errs[i], pauses[i] = 1, &text, &pause
		}
	}
	if _, err := tx.Exec(ctx, sql, p.reader, ids, streams, versions, attempts, errs, pauses); err != nil {
		return fmt.Errorf("park %d messages: %w", n, err)
	}
	return nil
}

// storable is an error as a column holds it.
func storable(err error) string {
	text := strings.ReplaceAll(err.Error(), "\x00", "")
	return strings.ToValidUTF8(text[:min(len(text), errorText)], "")
}

// pauseAfter is how long to wait after so many attempts, in microseconds: first, doubled by each attempt, up to last, and
// all of it give or take a half.
func pauseAfter(attempts int, first, last time.Duration) int64 {
	pause := last
	if attempts < 32 {
		pause = min(first<<(attempts-1), last)
	}
	return jitter(pause).Microseconds()
}

// retryParked applies what is parked and due: the oldest due stream's messages in order, as far as they go. It locks the
// subscription like every batch, so that no event of the stream comes between.
func (c *cursor) retryParked(ctx context.Context) (more bool, err error) {
	var stream uuid.UUID
	err = c.store.query.QueryRow(ctx, c.store.reading.due, c.name).Scan(&stream)
	if isNone(err) {
		return false, nil
	}
	if err == nil {
		err = c.inTx(ctx, func(tx pgx.Tx) error { return c.retryStream(ctx, tx, stream) })
	}
	if err != nil {
		return false, fmt.Errorf("retry what is parked: %w", err)
	}
	return true, nil
}

func (c *cursor) retryStream(ctx context.Context, tx pgx.Tx, stream uuid.UUID) error {
	var generation int
	if err := tx.QueryRow(ctx, c.store.reading.lock, c.name).Scan(new(int64), &generation); err != nil {
		return err
	}
	waiting, err := c.waiting(ctx, tx, stream)
	if err != nil {
		return err
	}
	var applied [][16]byte
	for _, m := range waiting {
		err := c.applyAlone(ctx, tx, generation, m.Recorded)
		if isAway(err) || tx.Conn().IsClosed() {
			return err
		}
		if err != nil {
			pause := pauseAfter(m.attempts+1, retryFirst, retryLast)
			if _, err := tx.Exec(ctx, c.store.reading.failAgain, m.id, storable(err), pause); err != nil {
				return err
			}
			break
		}
		applied = append(applied, m.id)
	}
	if len(applied) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, c.store.reading.unpark, applied); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, c.store.reading.nextHead, c.name, stream)
	return err
}

// waitingMessage is a parked message with the event that it stands for.
type waitingMessage struct {
	Recorded
	id       uuid.UUID
	attempts int
}

// waiting are the first of a stream's parked messages. There are none when its head is no longer due.
func (c *cursor) waiting(ctx context.Context, tx pgx.Tx, stream uuid.UUID) ([]waitingMessage, error) {
	rows, err := tx.Query(ctx, c.store.reading.waiting, c.name, stream, followAlone)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanWaiting)
}

func scanWaiting(row pgx.CollectableRow) (m waitingMessage, err error) {
	err = row.Scan(&m.id, &m.attempts, &m.Position, &m.Stream, &m.Version, &m.Kind, &m.Data, &m.Meta, &m.At)
	m.At = m.At.UTC()
	return m, err
}
