package eventstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

// projector applies the log to one subscription of a projection: the live one, or that of a rebuild.
type projector struct {
	Projection
	store  *Store
	name   string // of the subscription
	most   int    // events in a transaction
	failed func(error)

	limit int // less than most after a timeout
	tries int // parked messages that are retried in a transaction; fewer after a lost one

	// Up to this position events are applied one by one, because applying them together failed.
	careful int64

	// late counts the timeouts of the single event after the position lateAt.
	late   int
	lateAt int64
}

// mostLate is how often one event may time out before it is parked, because all later events wait for it.
const mostLate = 3

// advance applies the next events together. If one of them causes an error, it applies them one by one.
func (c *projector) advance(ctx context.Context) (more bool, err error) {
	var position int64
	err = c.store.db.Query.QueryRow(ctx, c.store.projectionSQL.position, c.name).Scan(&position)
	if isNone(err) && c.name != c.Name {
		return false, errOvertaken // the rebuild has ended
	}
	if isNone(err) {
		_, err = c.store.db.Query.Exec(ctx, c.store.projectionSQL.start, c.name)
	}
	if err != nil {
		return false, fmt.Errorf("read the position: %w", err)
	}
	apply, limit, alone := c.applyAll, c.limit, position < c.careful
	switch {
	case c.late >= mostLate && c.lateAt == position:
		apply, limit = c.park, 1
	case alone:
		apply, limit = c.applyEach, min(savepointLimit, c.limit)
	}
	events, err := c.store.ReadLog(ctx, position, limit, Filter{})
	if err != nil || len(events) == 0 {
		return false, err
	}
	err = c.commit(ctx, position, events, apply)
	if !alone && isEventFault(err) {
		c.careful = events[len(events)-1].Position
		return true, nil
	}
	c.adapt(position, len(events), err)
	return len(events) == limit, err
}

// adapt halves the number of events in a transaction after a timeout and doubles it after a success. It counts the timeouts
// of a single event.
func (c *projector) adapt(position int64, taken int, err error) {
	switch {
	case err == nil:
		c.limit = min(2*c.limit, c.most)
	case pgerr.Timeout(err) && taken > 1:
		c.limit = taken / 2
	case pgerr.Timeout(err) && c.lateAt == position:
		c.late++
	case pgerr.Timeout(err):
		c.limit, c.late, c.lateAt = 1, 1, position
	}
}

// newProjector returns a projector for a subscription that applies up to most events in a transaction.
func (s *Store) newProjector(r Projection, name string, most int, failed func(error)) *projector {
	return &projector{Projection: r, store: s, name: name, most: most, limit: most, tries: savepointLimit, failed: failed, lateAt: -1}
}

// commit applies events and moves the position in one transaction. Afterwards it reports the events that were parked.
func (c *projector) commit(ctx context.Context, position int64, events []Recorded, apply applier) error {
	var parked []parkedRow
	err := c.inTx(ctx, func(tx pgx.Tx) (err error) {
		parked, err = c.pass(ctx, tx, position, events, apply)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range parked {
		if p.err != nil {
			c.failed(fmt.Errorf("event %d, %s of stream %s, is parked: %w", p.Position, p.Type, p.Stream, p.err))
		}
	}
	return nil
}

// inTx runs a transaction. It marks an error as lost if the connection did not survive it.
func (c *projector) inTx(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, c.store.db.Query, func(tx pgx.Tx) error {
		err := do(tx)
		if err != nil && tx.Conn().IsClosed() {
			return &lostError{err}
		}
		return err
	})
}

// applier writes the rows of events whose streams are not parked, and parks the events that fail.
type applier func(ctx context.Context, tx pgx.Tx, generation int, events []Recorded, parked *parking) error

// pass is the part of commit inside the transaction. Moving the position locks the subscription, so no other process changes
// its parked messages.
func (c *projector) pass(ctx context.Context, tx pgx.Tx, position int64, events []Recorded, apply applier) ([]parkedRow, error) {
	var generation int
	parked := &parking{subscription: c.name, streams: map[uuid.UUID]bool{}}
	var b pgx.Batch
	b.Queue(c.store.projectionSQL.move, c.name, position, events[len(events)-1].Position).QueryRow(func(row pgx.Row) error {
		return row.Scan(&generation)
	})
	b.Queue(c.store.projectionSQL.parkedStreams, c.name, streamsOf(events)).Query(parked.scan)
	err := tx.SendBatch(ctx, &b).Close()
	if isNone(err) || pgerr.LockTimeout(err) { // another process is moving it
		return nil, errOvertaken
	}
	if err != nil {
		return nil, fmt.Errorf("move the position: %w", err)
	}
	if err := apply(ctx, tx, generation, events, parked); err != nil {
		return nil, err
	}
	return parked.rows, parked.write(ctx, tx, c.store.projectionSQL.park)
}

// streamsOf returns the streams of events without duplicates.
func streamsOf(events []Recorded) [][16]byte {
	streams := make([][16]byte, len(events))
	for i, e := range events {
		streams[i] = e.Stream
	}
	slices.SortFunc(streams, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(streams)
}

// applyAll applies all events at once, except those of parked streams.
func (c *projector) applyAll(ctx context.Context, tx pgx.Tx, generation int, events []Recorded, parked *parking) error {
	if len(parked.streams) > 0 {
		events = slices.DeleteFunc(slices.Clone(events), parked.parkBehind)
	}
	if len(events) == 0 {
		return nil
	}
	return c.projectSafely(ctx, tx, generation, events)
}

// applyEach applies each event under a savepoint and parks the stream of an event that fails.
func (c *projector) applyEach(ctx context.Context, tx pgx.Tx, generation int, events []Recorded, parked *parking) error {
	for _, e := range events {
		if parked.parkBehind(e) {
			continue
		}
		err := c.projectOne(ctx, tx, generation, e)
		if isTransient(err) || tx.Conn().IsClosed() {
			return err
		}
		if err != nil {
			parked.park(e, err)
		}
	}
	return nil
}

var errLate = errors.New("it took too long again and again, by itself too")

// park parks events without another attempt.
func (c *projector) park(_ context.Context, _ pgx.Tx, _ int, events []Recorded, parked *parking) error {
	for _, e := range events {
		if !parked.parkBehind(e) {
			parked.park(e, errLate)
		}
	}
	return nil
}

// projectOne applies an event under a savepoint. It checks deferred constraints at once, because an error at the commit
// could not be attributed to an event.
func (c *projector) projectOne(ctx context.Context, tx pgx.Tx, generation int, e Recorded) error {
	return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		if err := c.projectSafely(ctx, tx, generation, []Recorded{e}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "set constraints all immediate")
		return err
	})
}

// projectSafely turns a panic into an error of the events, so that others are not affected.
func (c *projector) projectSafely(ctx context.Context, tx pgx.Tx, generation int, events []Recorded) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("apply panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return c.Project(ctx, tx, generation, events)
}

// isEventFault reports whether an applied event may have caused the error.
func isEventFault(err error) bool {
	return err != nil && !errors.Is(err, errOvertaken) && !isTransient(err)
}

// lostError is an error after which the connection was closed.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

// isTransient reports whether the same work may succeed later: the database is unavailable or overloaded, a deadlock was
// broken, or time ran out. An event that only a newer version of the program can read is not transient here: it is parked.
func isTransient(err error) bool {
	if err == nil || errors.Is(err, ErrNewerVersion) {
		return false
	}
	if pgerr.Code(err) != "" {
		return pgerr.Transient(err)
	}
	f, ok := fault.As(err)
	return ok && f.Kind == fault.Unavailable || pgerr.Transient(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, new(*lostError))
}
