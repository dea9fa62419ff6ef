package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	followEvery   = 200 * time.Millisecond // on average, when there is nothing new
	followLimit   = 500                    // events in a transaction
	followAlone   = 60                     // events in one that has a savepoint for each: Postgres is quick up to 64
	followPause   = 5 * time.Second        // around that at most, between attempts that fail
	followTimeout = 30 * time.Second       // for one transaction
	besideEvery   = time.Second            // on average: a look for parked messages that are due, and for rebuilds
)

// errOvertaken: another process moved the position; its rows stand, ours do not.
var errOvertaken = errors.New("another reader was faster")

// Projection applies the log to rows of its own: a projection, or what is published from the log. It is registered before
// the committer runs.
//
// Rows of a projection carry their generation, and whoever reads them picks the live one in the same query:
//
//	where generation = (select generation from <schema>.subscriptions where name = '<Name>')
type Projection struct {
	Name string // of its subscription; a new name begins at the start of the log

	// Project writes what the events say to the rows of a generation. tx commits them together with the position, so that
	// of two processes one wins and nothing is applied twice. What it refuses is parked: see [Store.ListParked].
	Project func(ctx context.Context, tx pgx.Tx, generation int, events []Recorded) error

	// Truncate deletes at most limit rows of a generation and says how many it did. Without it the reader cannot be rebuilt.
	Truncate func(ctx context.Context, tx pgx.Tx, generation, limit int) (int64, error)
}

// AddProjection registers a reader.
func (s *Store) AddProjection(r Projection) { s.projections = append(s.projections, r) }

// RunProjections keeps every registered reader up with the log, and drives what is parked and what is rebuilt, until ctx is done.
func (s *Store) RunProjections(ctx context.Context, failed func(error)) error {
	var all sync.WaitGroup
	for _, r := range s.projections {
		all.Go(func() { _ = s.runProjection(ctx, r, failed) })
	}
	all.Wait()
	return nil
}

// runProjection drives one reader until ctx is done. A batch that fails because the database is away is tried again, later and
// later; failed is told why, and of all that is parked.
func (s *Store) runProjection(ctx context.Context, r Projection, failed func(error)) error {
	report := func(err error) { failed(fmt.Errorf("reader %s of %s: %w", r.Name, s.schema, err)) }
	live := s.newProjector(r, r.Name, followLimit, report)
	var beside sync.WaitGroup
	beside.Go(func() { again(ctx, besideEvery, never, report, live.retryParked) })
	if r.Truncate != nil {
		remake := &rebuilder{live: live}
		beside.Go(func() { again(ctx, besideEvery, never, report, remake.step) })
	}
	again(ctx, followEvery, s.appended.next, report, live.advance)
	beside.Wait()
	return nil
}

// again takes steps until ctx is done: at once while there is more to do, otherwise with a pause around every, which
// grows while steps fail. What stirs is asked for before each step, and ends the pause after it.
func again(
	ctx context.Context, every time.Duration, stirred func() <-chan struct{},
	failed func(error), step func(context.Context) (more bool, err error),
) {
	pause := every
	for {
		stir := stirred()
		more, err := inTime(ctx, step)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil || errors.Is(err, errOvertaken):
			pause = every
		default:
			failed(err)
			pause, stir = min(2*pause, followPause), nil
		}
		if (!more || err != nil) && !waitOr(ctx, jitter(pause), stir) {
			return
		}
	}
}

// never stirs.
func never() <-chan struct{} { return nil }

func inTime(ctx context.Context, step func(context.Context) (bool, error)) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	return step(ctx)
}
