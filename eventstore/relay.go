package eventstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/backoff"
)

const (
	relayEvery = time.Second // on average, in every process
	relayLimit = 200         // messages that are redelivered at once

	// A row of the outbox is due five seconds after the decision, and a batch has batchTimeout to commit.
	relaySlack     = time.Minute
	relayFullEvery = 5 * time.Minute
)

const (
	// It postpones the messages that it claims, longer each time, and with jitter.
	claimOutbox = `with due as (
			select stream, version, due_at from @.outbox where due_at >= $1 and due_at <= now()
			order by due_at limit $2 for update skip locked),
		taken as (
			update @.outbox o set attempts = o.attempts + 1,
				due_at = now() + least(5 * 2 ^ least(o.attempts, 6), 300) * (0.5 + random()) * interval '1 second'
			from due d where o.stream = d.stream and o.version = d.version returning d.stream, d.version, d.due_at)
		select now(), max(due_at), array_agg(stream), array_agg(version) from taken`
	expediteOutbox = `update @.outbox set due_at = now() where due_at > now()`
	oldestOutbox   = `select coalesce(extract(epoch from now() - min(e.at)), 0)::float8
		from @.outbox o join @.events e on e.stream = o.stream and e.version = o.version where o.due_at >= $1`
)

// in puts the store's schema into a statement.
func (s *Store) in(sql string) string { return strings.ReplaceAll(sql, "@", s.schema) }

// relay redelivers messages that a crash or a failed handler left in the outbox, until ctx is done.
func (s *Store) relay(ctx context.Context) {
	if s.db.SingleProcess {
		if _, err := s.db.Control.Exec(ctx, s.in(expediteOutbox)); err != nil && ctx.Err() == nil {
			s.Failed(fmt.Errorf("relay the outbox of %s: %w", s.schema, err))
		}
	}
	for backoff.Sleep(ctx, backoff.Jitter(relayEvery)) {
		for n := relayLimit; n == relayLimit; {
			var err error
			if n, err = s.relayDue(ctx); err != nil && ctx.Err() == nil {
				s.Failed(fmt.Errorf("relay the outbox of %s: %w", s.schema, err))
			}
		}
	}
}

func (s *Store) relayDue(ctx context.Context) (int, error) {
	var now time.Time
	var last *time.Time
	var streams []uuid.UUID
	var versions []int64
	sent := time.Now()
	err := s.db.Control.QueryRow(ctx, s.in(claimOutbox), s.outboxWatermark.From(), relayLimit).Scan(&now, &last, &streams, &versions)
	if err != nil {
		return 0, err
	}
	if last == nil {
		last = &now
	}
	s.db.Committer.clock.Observe(sent, now, time.Now())
	if back := s.outboxWatermark.Advance(now, *last, len(streams) == relayLimit); !back.IsZero() { // rows are due by a clock that was ahead
		if _, err := s.db.Control.Exec(ctx, s.in(expediteOutbox)); err != nil {
			return 0, err
		}
	}
	if len(streams) == 0 {
		return 0, nil
	}
	messages, err := s.messages(ctx, streams, versions)
	for _, r := range messages {
		s.redeliver(r)
	}
	return len(streams), err
}

// messages returns events in no particular order.
func (s *Store) messages(ctx context.Context, streams []uuid.UUID, versions []int64) ([]Recorded, error) {
	return readEvents(ctx, s.db.Control, s.sql.messages, raw(streams), versions)
}

// redeliver passes a message from the outbox to its handlers. Other versions of the program may take a message that this one
// cannot read or has no handler for. If none does, it is parked.
func (s *Store) redeliver(r Recorded) {
	event, err := s.decode(r)
	if err == nil && len(s.subs[r.Type]) == 0 {
		err = errNoHandler
	}
	if err == nil {
		s.dispatch([]newEvent{{Recorded: r, event: event}})
		return
	}
	s.db.Committer.config.Handled(anyHandler, time.Since(r.At), err)
	s.countFailure(r, []failure{{anyHandler, err}})
}

// OldestUnhandled returns the age of the oldest event that a handler has not processed, or zero. It ignores parked messages.
func (s *Store) OldestUnhandled() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var seconds float64
	if err := s.db.Control.QueryRow(ctx, s.in(oldestOutbox), s.outboxWatermark.Mark()).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("find the oldest event in the outbox of %s: %w", s.schema, err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
