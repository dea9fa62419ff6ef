package eventstore

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/platform/backoff"
)

// Retention deletes old rows of a table.
type Retention struct {
	Table string        // including its schema
	Old   string        // SQL condition for rows to delete; $3 is After
	After time.Duration // how long rows are kept
	Pool  *pgxpool.Pool
}

// pruneLimit is the number of rows that one transaction deletes. It bounds the locks, the WAL and the work of a standby.
const pruneLimit = 1000

// Run deletes old rows in small steps until ctx is done. Any number of processes may run it at once.
func (r Retention) Run(ctx context.Context, failed func(error)) {
	r.walk().run(ctx, r.Pool, failed)
}

func (r Retention) walk() *walk {
	sql := fmt.Sprintf(`delete from %[1]s where ctid = any(array(
		select ctid from %[1]s where ctid >= $1 and ctid < $2 and (%[2]s) limit $4 for update skip locked))`, r.Table, r.Old)
	return &walk{table: r.Table, every: min(max(r.After/24, time.Second), 6*time.Hour), step: func(ctx context.Context, from, to tid) (bool, error) {
		deleted, err := r.Pool.Exec(ctx, sql, from, to, r.After, pruneLimit)
		return deleted.RowsAffected() == pruneLimit, err
	}}
}

// tid is the address of a row: its page and its place in the page.
type tid = pgtype.TID

// walk visits a table page by page for a rare and unhurried search. An index for it would make every write slower, and an
// open snapshot would fill the index with dead entries.
type walk struct {
	table string
	every time.Duration                                                  // from the end of one pass to the start of the next
	step  func(ctx context.Context, from, to tid) (more bool, err error) // visits the rows from from up to, but not including, to
}

const (
	walkPages = 256                    // in one step
	walkPause = 250 * time.Millisecond // on average, between two steps
	walkAgain = 50 * time.Millisecond  // before the rest of a step that exceeded one transaction
	walkFirst = 2 * time.Second        // before the first pass
	walkRetry = time.Minute            // after a failed pass
)

// run walks through the table again and again until ctx is done.
func (w *walk) run(ctx context.Context, pool *pgxpool.Pool, failed func(error)) {
	for pause := walkFirst; backoff.Sleep(ctx, backoff.Jitter(pause)); {
		pause = w.every
		if err := w.pass(ctx, pool); err != nil && ctx.Err() == nil {
			failed(fmt.Errorf("walk through %s: %w", w.table, err))
			pause = min(w.every, walkRetry)
		}
	}
}

// pass walks through the whole table once, from a random page, so that processes and interrupted passes do not all visit the
// same pages.
func (w *walk) pass(ctx context.Context, pool *pgxpool.Pool) error {
	const size = `select pg_relation_size($1::text::regclass) / current_setting('block_size')::int8`
	var pages uint32
	if err := pool.QueryRow(ctx, size, w.table).Scan(&pages); err != nil || pages == 0 {
		return err
	}
	steps := (pages-1)/walkPages + 1
	first := rand.N(steps)
	for n := range steps {
		at := (first + n) % steps * walkPages
		if err := w.pages(ctx, at); err != nil {
			return err
		}
		if n+1 < steps && !backoff.Sleep(ctx, backoff.Jitter(walkPause)) {
			break
		}
	}
	return nil
}

func (w *walk) pages(ctx context.Context, at uint32) error {
	from, to := tid{BlockNumber: at, Valid: true}, tid{BlockNumber: at + min(walkPages, math.MaxUint32-at), Valid: true}
	for {
		more, err := w.step(ctx, from, to)
		if err != nil || !more || !backoff.Sleep(ctx, backoff.Jitter(walkAgain)) {
			return err
		}
	}
}
