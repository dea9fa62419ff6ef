package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/backoff"
)

const (
	projectEvery   = 200 * time.Millisecond // average pause when there are no new events
	projectLimit   = 500                    // events in a transaction
	savepointLimit = 60                     // events in a transaction with a savepoint for each; Postgres is fast up to 64
	projectPause   = 5 * time.Second        // maximum average pause between failing attempts
	projectTimeout = 30 * time.Second       // for one transaction
	maintainEvery  = time.Second            // average pause between searches for due parked messages and for rebuilds
)

// errOvertaken means that another process moved the position. Its rows were committed, ours were not.
var errOvertaken = errors.New("another process was faster")

// Projection applies the log to its own rows, or publishes the log. Register it before the committer runs.
//
// The rows of a projection carry their generation. Queries select the live generation:
//
//	where generation = (select generation from <schema>.subscriptions where name = '<Name>')
type Projection struct {
	Name string // name of its subscription; a new name begins at the start of the log

	// Project writes the rows of a generation for the events. tx commits them together with the position, so of two
	// processes one wins and nothing is applied twice. Events that it refuses are parked: see [Store.ListParked].
	Project func(ctx context.Context, tx pgx.Tx, generation int, events []Recorded) error

	// Truncate deletes up to limit rows of a generation and returns their number. Without it the projection cannot be rebuilt.
	Truncate func(ctx context.Context, tx pgx.Tx, generation, limit int) (int64, error)
}

// AddProjection registers a projection.
func (s *Store) AddProjection(r Projection) { s.projections = append(s.projections, r) }

// runProjections applies the log to every registered projection, retries parked messages and runs rebuilds, until ctx is
// done.
func (s *Store) runProjections(ctx context.Context) {
	var all sync.WaitGroup
	for _, r := range s.projections {
		all.Go(func() { s.runProjection(ctx, r) })
	}
	all.Wait()
}

// runProjection runs one projection until ctx is done. After an error of the database it retries with growing pauses.
func (s *Store) runProjection(ctx context.Context, r Projection) {
	report := func(err error) { s.Failed(fmt.Errorf("projection %s of %s: %w", r.Name, s.schema, err)) }
	live := s.newProjector(r, r.Name, projectLimit, report)
	var others sync.WaitGroup
	others.Go(func() { again(ctx, maintainEvery, never, report, live.retryParked) })
	if r.Truncate != nil {
		rebuilds := &rebuilder{live: live}
		others.Go(func() { again(ctx, maintainEvery, never, report, rebuilds.step) })
	}
	again(ctx, projectEvery, s.appended.next, report, live.advance)
	others.Wait()
}

// again runs step until ctx is done: immediately while there is more to do, otherwise after a pause around every, which
// grows while step fails. The channel of woken, taken before the step, ends the pause after it.
func again(
	ctx context.Context, every time.Duration, woken func() <-chan struct{},
	failed func(error), step func(context.Context) (more bool, err error),
) {
	failures := 0
	for {
		wake := woken()
		more, err := inTime(ctx, step)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil || errors.Is(err, errOvertaken):
			failures = 0
		default:
			failed(err)
			failures++
			wake = nil
		}
		if (!more || err != nil) && !backoff.SleepOr(ctx, backoff.Jitter(backoff.After(failures, every, projectPause)), wake) {
			return
		}
	}
}

// never returns a channel that is never closed.
func never() <-chan struct{} { return nil }

func inTime(ctx context.Context, step func(context.Context) (bool, error)) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, projectTimeout)
	defer cancel()
	return step(ctx)
}
