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
	clearLimit   = 1000 // rows of an old generation that are deleted at once
)

var (
	errUnknownReader = fault.New(fault.NotFound, "unknown_projection", "There is no projection of this name that can be rebuilt.")
	errRebuilding    = fault.New(fault.Conflict, "rebuild_running", "This projection is being rebuilt already.")
)

// Rebuild begins to make the rows of a projection anew from the whole log, as another generation beside the live one. The
// processes that follow the log do it. They exchange the two once the new one has caught up, and has nothing parked that the
// live one could apply; [Store.Subscriptions] shows how far they are. It is refused with unknown_projection, and with
// rebuild_running while one is under way.
func (s *Store) Rebuild(ctx context.Context, name string, once Once) (replayed bool, err error) {
	at := slices.IndexFunc(s.readers, func(r Reader) bool { return r.Name == name && r.Clear != nil })
	if at < 0 {
		return false, errUnknownReader
	}
	replayed, err = s.once(ctx, once, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, s.reading.start, name); err != nil {
			return err
		}
		var generation int
		if err := tx.QueryRow(ctx, s.reading.lock, name).Scan(new(int64), &generation); err != nil { // no exchange meanwhile
			return err
		}
		tag, err := tx.Exec(ctx, s.reading.rebuild, rebuildOf(name, generation+1), generation+1)
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

// rebuildOf is the subscription that makes a generation.
func rebuildOf(name string, generation int) string { return fmt.Sprintf("%s@%d", name, generation) }

// remake drives the rebuilds of a reader, one after the other, and clears away what they replaced.
type remake struct {
	live *cursor
	next *cursor // of the rebuild that is under way
}

func (r *remake) step(ctx context.Context) (more bool, err error) {
	var generation, cleared int
	var running bool
	err = r.live.store.query.QueryRow(ctx, r.live.store.reading.generations, r.live.Name).Scan(&generation, &cleared, &running)
	switch {
	case isNone(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for a rebuild: %w", err)
	case running:
		return r.advance(ctx, generation+1)
	case cleared < generation-1:
		return r.clear(ctx, cleared+1)
	}
	return false, nil
}

// advance takes the rebuild a batch further. When there is no full batch left it tries again what is parked and due, and
// then exchanges the rebuild for the live generation.
func (r *remake) advance(ctx context.Context, generation int) (more bool, err error) {
	if name := rebuildOf(r.live.Name, generation); r.next == nil || r.next.name != name {
		r.next = r.live.store.cursor(r.live.Reader, name, rebuildLimit, r.live.failed)
	}
	more, err = r.next.advance(ctx)
	if err == nil && !more {
		more, err = r.next.retryParked(ctx)
	}
	if err == nil && !more {
		more, err = r.exchange(ctx, generation)
	}
	if err != nil {
		return false, fmt.Errorf("generation %d: %w", generation, err)
	}
	return more, nil
}

// exchange makes the generation of the rebuild the live one, if it can catch up in one batch and has no holes: nothing
// goes from what is read. It holds the live subscription meanwhile, so that this cannot get away from it.
func (r *remake) exchange(ctx context.Context, generation int) (more bool, err error) {
	s := r.live.store
	var events []Recorded
	err = r.live.inTx(ctx, func(tx pgx.Tx) error {
		position, err := r.lock(ctx, tx)
		if err != nil {
			return err
		}
		var holes bool
		if err := tx.QueryRow(ctx, s.reading.holes, r.next.name, r.live.name).Scan(&holes); err != nil || holes {
			return err
		}
		rows, err := tx.Query(ctx, s.reading.readOn, position, followLimit)
		if err != nil {
			return err
		}
		if events, err = collect(rows); err != nil {
			return err
		}
		if more = len(events) == followLimit; more {
			return nil
		}
		if len(events) > 0 {
			if _, err := r.next.pass(ctx, tx, position, events, r.next.together); err != nil {
				return err
			}
			position = events[len(events)-1].Position
		}
		return r.takeOver(ctx, tx, position, generation)
	})
	if len(events) > 0 && blames(err) && r.next.careful < events[len(events)-1].Position {
		r.next.careful = events[len(events)-1].Position
		return true, nil
	}
	return more, err
}

// lock locks both subscriptions, and gives the position of the rebuild. It is gone when somebody else was faster.
func (r *remake) lock(ctx context.Context, tx pgx.Tx) (position int64, err error) {
	lock := r.live.store.reading.lock
	err = tx.QueryRow(ctx, lock, r.live.name).Scan(new(int64), new(int))
	if err == nil {
		err = tx.QueryRow(ctx, lock, r.next.name).Scan(&position, new(int))
	}
	if isNone(err) || pgerr.LockTimeout(err) {
		err = errOvertaken
	}
	return position, err
}

// takeOver puts the rebuild in the place of the live subscription. What is parked for it goes along; what was parked for
// the generation before has been tried anew.
func (r *remake) takeOver(ctx context.Context, tx pgx.Tx, position int64, generation int) error {
	q := r.live.store.reading
	var b pgx.Batch
	b.Queue(q.takeOver, r.live.name, position, generation)
	b.Queue(q.drop, r.next.name)
	b.Queue(q.dropParked, r.live.name)
	b.Queue(q.takeParked, r.next.name, r.live.name)
	b.Queue(q.takeDiscarded, r.next.name, r.live.name)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("exchange the generations: %w", err)
	}
	return nil
}

var errClearing = errors.New("another process clears")

// clear deletes some rows of a generation that is no longer live. One process does so at a time: of two that delete the
// same rows, one would find none and take the generation for empty.
func (r *remake) clear(ctx context.Context, generation int) (more bool, err error) {
	s := r.live.store
	err = r.live.inTx(ctx, func(tx pgx.Tx) error {
		var alone bool
		if err := tx.QueryRow(ctx, s.reading.clearing, r.live.Name).Scan(&alone); err != nil {
			return err
		}
		if !alone {
			return errClearing
		}
		n, err := r.live.Clear(ctx, tx, generation, clearLimit)
		if err != nil || n > 0 {
			return err
		}
		_, err = tx.Exec(ctx, s.reading.cleared, r.live.Name, generation)
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
