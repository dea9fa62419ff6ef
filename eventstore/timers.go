package eventstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"shopping-cart/platform/backoff"
)

// Timer finds the streams of one kind whose wake_at has passed.
type Timer struct {
	store     *Store
	kind      string
	watermark *Watermark
	ahead     time.Time // if the database's clock went back: the time that it showed before, while claims of that time remain
}

// timerFullEvery is about how often a timer scans everything that was ever due.
const timerFullEvery = 5 * time.Minute

// Timer returns a timer for the streams of a kind. slack must be well above the longest time that a wake_at may lie in the past when
// it is committed.
func (s *Store) Timer(kind string, slack time.Duration) *Timer {
	return &Timer{store: s, kind: kind, watermark: NewWatermark(slack, timerFullEvery)}
}

const dueTimers = `with due as (
		select id, wake_at from @.streams where wake_at >= $1 and wake_at <= now() and kind = $2
		order by wake_at limit $3 for update skip locked),
	taken as (
		update @.streams t set wake_at = now() + $4::interval from due d where t.id = d.id returning t.id, d.wake_at)
	select now(), max(wake_at), array_agg(id order by wake_at) from taken`

// dueByOldClock claims streams that were claimed, or would have been due, by a clock that has gone back since. All others
// are due within a lease anyway.
const dueByOldClock = `update @.streams set wake_at = now() + $4::interval where id in (
		select id from @.streams where kind = $1 and wake_at > now() + $4::interval and wake_at <= $2::timestamptz + $4::interval
		order by wake_at limit $3 for update skip locked)
	returning id`

// Due returns up to limit streams that are due, in order of time. It postpones each by lease, so that other processes skip
// it for that long. This saves work; it is no lock.
//
// After the database's clock went back, Due returns streams that an old claim postponed too far. Then early is true, because
// what they wait for may be in the future by the new clock. Do not call Due concurrently.
func (t *Timer) Due(ctx context.Context, limit int, lease time.Duration) (ids []uuid.UUID, early bool, err error) {
	if !t.ahead.IsZero() {
		rows, _ := t.store.db.Control.Query(ctx, t.store.in(dueByOldClock), t.kind, t.ahead, limit, lease)
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err == nil && len(ids) < limit {
			t.ahead = time.Time{}
		}
		if err != nil || len(ids) > 0 {
			return ids, true, err
		}
	}
	ids, err = t.find(ctx, limit, dueTimers, t.watermark.From(), t.kind, limit, lease)
	return ids, false, err
}

// From returns the time before which there is no wake_at, or zero while that is not known.
func (t *Timer) From() time.Time { return t.watermark.Mark() }

func (t *Timer) find(ctx context.Context, limit int, sql string, args ...any) (ids []uuid.UUID, err error) {
	var now time.Time
	var last *time.Time
	if err := t.store.db.Control.QueryRow(ctx, t.store.in(sql), args...).Scan(&now, &last, &ids); err != nil {
		return nil, fmt.Errorf("look for what is due of kind %s: %w", t.kind, err)
	}
	if last == nil {
		last = &now
	}
	if back := t.watermark.Advance(now, *last, len(ids) == limit); back.After(t.ahead) {
		t.ahead = back
	}
	return ids, nil
}

// Expiry configures how untouched streams end. The wake_at of such a stream must be the ExpiryAt of its last change.
type Expiry struct {
	Kind   string
	Status string        // of the streams that may end
	After  time.Duration // time since the last change
	Expire func(ctx context.Context, id uuid.UUID) error
}

// ExpiryAt returns when to check a stream that was changed at touched. The result is the same for a whole hour, so most
// changes modify no indexed column and the row is updated in place (HOT).
func ExpiryAt(touched time.Time) time.Time { return touched.Truncate(expiryGrain) }

const (
	expiryGrain    = time.Hour
	expiryPage     = 500                    // streams that are ended before the next query
	expiryParallel = 32                     // number that are ended concurrently
	expiryPause    = 250 * time.Millisecond // average pause between two pages, in favour of clients
)

// They are not claimed: End is a command, and decides on the stream as it is then.
const expiredStreams = `with idle as (
		select id, wake_at from @.streams where wake_at >= $1 and wake_at <= now() - $4::interval
			and kind = $2 and updated_at <= now() - $4::interval order by wake_at limit $3)
	select now() - $4::interval, max(wake_at), array_agg(id order by wake_at) from idle`

// ExpireIdle ends untouched streams until ctx is done. The duration may change from one run to the next; it applies to all
// streams at once.
func (s *Store) ExpireIdle(ctx context.Context, i Expiry) {
	t := s.Timer(i.Kind, expiryGrain+relaySlack)
	untimed, walk := s.untimed(i), make(chan struct{})
	go func() {
		defer close(walk)
		untimed.run(ctx, s.db.Control, s.Failed)
	}()
	defer func() { <-walk }()
	for backoff.Sleep(ctx, backoff.Jitter(min(max(i.After/100, time.Second), timerFullEvery))) {
		for full := true; full; {
			ids, err := t.find(ctx, expiryPage, expiredStreams, t.watermark.From(), i.Kind, expiryPage, i.After)
			if err != nil && ctx.Err() == nil {
				s.Failed(err)
			}
			if full = len(ids) == expiryPage; s.expireAll(ctx, i, ids) == 0 && full {
				t.watermark.Skip() // so that they do not block all others
			}
			full = full && backoff.Sleep(ctx, backoff.Jitter(expiryPause))
		}
	}
}

func (s *Store) expireAll(ctx context.Context, i Expiry, ids []uuid.UUID) (ended int64) {
	var done atomic.Int64
	var g errgroup.Group
	g.SetLimit(expiryParallel)
	for _, id := range ids {
		g.Go(func() error {
			err := i.Expire(ctx, id)
			if err == nil {
				done.Add(1)
			} else if ctx.Err() == nil {
				s.Failed(fmt.Errorf("end the idle %s %s: %w", i.Kind, id, err))
			}
			return nil
		})
	}
	_ = g.Wait()
	return done.Load()
}

// untimedEvery is about how often all streams are searched for those without a wake_at.
const untimedEvery = 24 * time.Hour

// untimed finds streams without a wake_at. Older versions of the program wrote them, and may run beside this one during a
// rollout, so a migration cannot find them all. They are too rare for an index.
func (s *Store) untimed(i Expiry) *walk {
	sql := s.in(`select array_agg(id) from @.streams where ctid >= $1 and ctid < $2
		and wake_at is null and kind = $3 and status = $4 and updated_at <= now() - $5::interval`)
	return &walk{table: s.schema + ".streams", every: untimedEvery, step: func(ctx context.Context, from, to tid) (bool, error) {
		var ids []uuid.UUID
		if err := s.db.Control.QueryRow(ctx, sql, from, to, i.Kind, i.Status, i.After).Scan(&ids); err != nil {
			return false, err
		}
		s.expireAll(ctx, i, ids)
		return false, nil
	}}
}
