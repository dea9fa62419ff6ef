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

// projector is a reader at one of its subscriptions: the live one, or the one of a rebuild.
type projector struct {
	Projection
	store  *Store
	name   string // of the subscription
	most   int    // events in a transaction
	failed func(error)

	limit int // below most, after a transaction has taken too long
	tries int // parked messages that are tried again in a transaction: fewer, after one that was lost

	// Up to this position events are applied one by one, because together they failed.
	careful int64

	// So often the one event after this position has taken too long, all by itself.
	late   int
	lateAt int64
}

// mostLate is how often an event may take too long until it is parked: whatever comes behind it waits.
const mostLate = 3

// advance applies the next events, together. If one of them is to blame that they fail, they are applied one by one.
func (c *projector) advance(ctx context.Context) (more bool, err error) {
	var position int64
	err = c.store.query.QueryRow(ctx, c.store.projectionSQL.position, c.name).Scan(&position)
	if isNone(err) && c.name != c.Name {
		return false, errOvertaken // the rebuild has come to its end
	}
	if isNone(err) {
		_, err = c.store.query.Exec(ctx, c.store.projectionSQL.start, c.name)
	}
	if err != nil {
		return false, fmt.Errorf("read the position: %w", err)
	}
	apply, limit, alone := c.applyAll, c.limit, position < c.careful
	switch {
	case c.late >= mostLate && c.lateAt == position:
		apply, limit = c.park, 1
	case alone:
		apply, limit = c.applyEach, min(followAlone, c.limit)
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

// adapt takes fewer events at once after a transaction that took too long, and more again while they go through. It
// counts how often one alone took too long.
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

// newProjector reads at a subscription, so many events in a transaction.
func (s *Store) newProjector(r Projection, name string, most int, failed func(error)) *projector {
	return &projector{Projection: r, store: s, name: name, most: most, limit: most, tries: followAlone, failed: failed, lateAt: -1}
}

// commit moves the position over events and applies them, in one transaction. What that parks, it says afterwards.
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
			c.failed(fmt.Errorf("event %d, %s of stream %s, is parked: %w", p.Position, p.Kind, p.Stream, p.err))
		}
	}
	return nil
}

// inTx is a transaction in which an error is marked as lost when the connection did not survive it.
func (c *projector) inTx(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, c.store.query, func(tx pgx.Tx) error {
		err := do(tx)
		if err != nil && tx.Conn().IsClosed() {
			return &lostError{err}
		}
		return err
	})
}

// applier writes the rows of events whose streams are not parked, and gives what it had to park of them.
type applier func(ctx context.Context, tx pgx.Tx, generation int, events []Recorded, parked *parking) error

// pass is the part of commit that lies in the transaction. Moving the position locks the subscription: from there on
// nobody else changes what is parked for it.
func (c *projector) pass(ctx context.Context, tx pgx.Tx, position int64, events []Recorded, apply applier) ([]parkedRow, error) {
	var generation int
	parked := &parking{reader: c.name, streams: map[uuid.UUID]bool{}}
	var b pgx.Batch
	b.Queue(c.store.projectionSQL.move, c.name, position, events[len(events)-1].Position).QueryRow(func(row pgx.Row) error {
		return row.Scan(&generation)
	})
	b.Queue(c.store.projectionSQL.parkedStreams, c.name, streamsOf(events)).Query(parked.scan)
	err := tx.SendBatch(ctx, &b).Close()
	if isNone(err) || pgerr.LockTimeout(err) { // gave up waiting for whoever moves it
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

// streamsOf are the streams of events, each once.
func streamsOf(events []Recorded) [][16]byte {
	streams := make([][16]byte, len(events))
	for i, e := range events {
		streams[i] = e.Stream
	}
	slices.SortFunc(streams, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(streams)
}

// applyAll applies all events at once, but for those of parked streams.
func (c *projector) applyAll(ctx context.Context, tx pgx.Tx, generation int, events []Recorded, parked *parking) error {
	if len(parked.streams) > 0 {
		events = slices.DeleteFunc(slices.Clone(events), parked.parkBehind)
	}
	if len(events) == 0 {
		return nil
	}
	return c.projectSafely(ctx, tx, generation, events)
}

// applyEach applies each event under a savepoint, and parks the stream of one that fails.
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

// park parks events without another try.
func (c *projector) park(_ context.Context, _ pgx.Tx, _ int, events []Recorded, parked *parking) error {
	for _, e := range events {
		if !parked.parkBehind(e) {
			parked.park(e, errLate)
		}
	}
	return nil
}

// projectOne applies an event under a savepoint. Constraints that would wait for the commit are checked at once: there
// nobody could tell whose they are.
func (c *projector) projectOne(ctx context.Context, tx pgx.Tx, generation int, e Recorded) error {
	return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		if err := c.projectSafely(ctx, tx, generation, []Recorded{e}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "set constraints all immediate")
		return err
	})
}

// projectSafely turns a panic into an error: it is one event's fault, and the others go on.
func (c *projector) projectSafely(ctx context.Context, tx pgx.Tx, generation int, events []Recorded) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("apply panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return c.Project(ctx, tx, generation, events)
}

// isEventFault says whether an error may be the fault of an event that was applied.
func isEventFault(err error) bool {
	return err != nil && !errors.Is(err, errOvertaken) && !isTransient(err)
}

// lostError is an error after which the connection was gone.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

// isTransient: it is nobody's fault, and the same will be tried again: the database is away or overburdened, a deadlock was
// broken, time is up. What only a newer version of the program can read is not such a thing, though it is the caller's
// to come back for: here it is parked.
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
