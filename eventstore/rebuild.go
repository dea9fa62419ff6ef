package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

const (
	rebuildLimit = 5000 // events in a transaction of a rebuild, until it has caught up
	clearLimit   = 1000 // rows of an old generation that one transaction deletes
)

var (
	errUnknownProjection = fault.New(fault.NotFound, "unknown_projection", "There is no projection of this name that can be rebuilt.")
	errRebuilding        = fault.New(fault.Conflict, "rebuild_running", "This projection is being rebuilt already.")
)

// Rebuild starts to rebuild a projection from the whole log, as a new generation beside the live one. The processes that run
// the projection do the work. They swap the generations when the new one has caught up and has no parked messages that the
// live one could apply. [Store.Subscriptions] shows the progress. It returns unknown_projection, or rebuild_running while a
// rebuild is under way.
func (s *Store) Rebuild(ctx context.Context, name string, key IdempotencyKey) (replayed bool, err error) {
	at := slices.IndexFunc(s.projections, func(r Projection) bool { return r.Name == name && r.Truncate != nil })
	if at < 0 {
		return false, errUnknownProjection
	}
	replayed, err = s.withKey(ctx, key, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, s.projectionSQL.start, name); err != nil {
			return err
		}
		var generation int
		if err := tx.QueryRow(ctx, s.projectionSQL.lock, name).Scan(new(int64), &generation); err != nil { // so no swap happens meanwhile
			return err
		}
		tag, err := tx.Exec(ctx, s.projectionSQL.rebuild, rebuildOf(name, generation+1), generation+1)
		if err == nil && tag.RowsAffected() == 0 {
			err = errRebuilding
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("rebuild %s: %w", name, err)
	}
	return replayed, nil
}

// rebuildOf returns the subscription that builds a generation.
func rebuildOf(name string, generation int) string { return fmt.Sprintf("%s@%d", name, generation) }

// rebuilder runs the rebuilds of a projection one after the other and deletes the generations that they replaced.
type rebuilder struct {
	live *projector
	next *projector // the current rebuild, if any
}

func (r *rebuilder) step(ctx context.Context) (more bool, err error) {
	var generation, cleared int
	var running bool
	err = r.live.store.db.Query.QueryRow(ctx, r.live.store.projectionSQL.generations, r.live.Name).Scan(&generation, &cleared, &running)
	switch {
	case isNone(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for a rebuild: %w", err)
	case running:
		return r.advance(ctx, generation+1)
	case cleared < generation-1:
		return r.truncate(ctx, cleared+1)
	}
	return false, nil
}

// advance runs the next batch of the rebuild. After the last full batch it retries parked messages that are due, and then
// swaps the generations.
func (r *rebuilder) advance(ctx context.Context, generation int) (more bool, err error) {
	if name := rebuildOf(r.live.Name, generation); r.next == nil || r.next.name != name {
		r.next = r.live.store.newProjector(r.live.Projection, name, rebuildLimit, r.live.failed)
	}
	more, err = r.next.advance(ctx)
	if err == nil && !more {
		more, err = r.next.retryParked(ctx)
	}
	if err == nil && !more {
		more, err = r.trySwap(ctx, generation)
	}
	if err != nil {
		return false, fmt.Errorf("generation %d: %w", generation, err)
	}
	return more, nil
}

// trySwap makes the new generation live if it can catch up in one batch and lacks nothing that the live one has. It locks
// the live subscription, so the live generation cannot advance meanwhile.
func (r *rebuilder) trySwap(ctx context.Context, generation int) (more bool, err error) {
	s := r.live.store
	var events []Recorded
	err = r.live.inTx(ctx, func(tx pgx.Tx) error {
		position, err := r.lock(ctx, tx)
		if err != nil {
			return err
		}
		var holes bool
		if err := tx.QueryRow(ctx, s.projectionSQL.holes, r.next.name, r.live.name).Scan(&holes); err != nil || holes {
			return err
		}
		if events, err = readEvents(ctx, tx, s.projectionSQL.readOn, position, projectLimit); err != nil {
			return err
		}
		if more = len(events) == projectLimit; more {
			return nil
		}
		if len(events) > 0 {
			if _, err := r.next.pass(ctx, tx, position, events, r.next.applyAll); err != nil {
				return err
			}
			position = events[len(events)-1].Position
		}
		return r.promote(ctx, tx, position, generation)
	})
	if len(events) > 0 && isEventFault(err) && r.next.careful < events[len(events)-1].Position {
		r.next.careful = events[len(events)-1].Position
		return true, nil
	}
	return more, err
}

// lock locks both subscriptions and returns the position of the rebuild. It returns errOvertaken if another process was
// faster.
func (r *rebuilder) lock(ctx context.Context, tx pgx.Tx) (position int64, err error) {
	lock := r.live.store.projectionSQL.lock
	err = tx.QueryRow(ctx, lock, r.live.name).Scan(new(int64), new(int))
	if err == nil {
		err = tx.QueryRow(ctx, lock, r.next.name).Scan(&position, new(int))
	}
	if isNone(err) || pgerr.LockTimeout(err) {
		err = errOvertaken
	}
	return position, err
}

// promote replaces the live subscription with the rebuild, and its parked messages with those of the rebuild.
func (r *rebuilder) promote(ctx context.Context, tx pgx.Tx, position int64, generation int) error {
	q := r.live.store.projectionSQL
	var b pgx.Batch
	b.Queue(q.promote, r.live.name, position, generation)
	b.Queue(q.drop, r.next.name)
	b.Queue(q.dropParked, r.live.name)
	b.Queue(q.moveParked, r.next.name, r.live.name)
	b.Queue(q.moveDiscarded, r.next.name, r.live.name)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("swap the generations: %w", err)
	}
	return nil
}

var errClearing = errors.New("another process clears")

// truncate deletes some rows of a generation that is no longer live. Only one process does so at a time: of two, one could
// find no rows and take the generation for empty.
func (r *rebuilder) truncate(ctx context.Context, generation int) (more bool, err error) {
	s := r.live.store
	err = r.live.inTx(ctx, func(tx pgx.Tx) error {
		var alone bool
		if err := tx.QueryRow(ctx, s.projectionSQL.clearing, r.live.Name).Scan(&alone); err != nil {
			return err
		}
		if !alone {
			return errClearing
		}
		n, err := r.live.Truncate(ctx, tx, generation, clearLimit)
		if err != nil || n > 0 {
			return err
		}
		_, err = tx.Exec(ctx, s.projectionSQL.cleared, r.live.Name, generation)
		return err
	})
	if errors.Is(err, errClearing) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("clear generation %d: %w", generation, err)
	}
	return true, nil
}
