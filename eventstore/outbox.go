package eventstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	sweepEvery = time.Second // on average: every process sweeps, with jitter
	sweepLimit = 200         // messages taken up at once
)

// subscription is a handler of one kind of event.
type subscription struct {
	name   string
	handle func(context.Context, Recorded, Event) error
}

// Subscribe sends every event of type E in the store to handle: straight after its commit, and again from the outbox
// until handle has returned nil. Handlers run side by side and may see a message twice.
func Subscribe[E Event](s *Store, name string, handle func(context.Context, Message[E]) error) {
	var zero E
	s.subs[zero.Kind()] = append(s.subs[zero.Kind()], subscription{name, func(ctx context.Context, r Recorded, live Event) error {
		// By way of any: a value that generic code turned from one interface into another may keep the first one's method
		// table, which a direct assertion to E would not recognise.
		event, ok := any(live).(E)
		if !ok {
			return fmt.Errorf("%s decodes as %T", r.Kind, live)
		}
		return handle(ctx, Message[E]{Stream: r.Stream, Version: r.Version, Event: event, Meta: r.Meta, At: r.At})
	}})
}

// outboxKey names a row of the outbox.
type outboxKey struct {
	stream  uuid.UUID
	version int64
}

// outbox remembers which rows are handled, until a batch takes them along.
type outbox struct {
	subs    map[string][]subscription
	mu      sync.Mutex
	handled []outboxKey
	work    sync.WaitGroup
}

// wanted are those of the events that somebody subscribed to.
func (o *outbox) wanted(events []pending) (streams [][16]byte, versions []int64) {
	for _, e := range events {
		if len(o.subs[e.Kind]) > 0 {
			streams, versions = append(streams, e.Stream), append(versions, e.Version)
		}
	}
	return streams, versions
}

func (o *outbox) anyHandled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.handled) > 0
}

func (o *outbox) takeHandled() []outboxKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	keys := o.handled
	o.handled = nil
	return keys
}

func (o *outbox) remember(keys []outboxKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handled = append(o.handled, keys...)
}

// columns are the keys column by column, in one order for every batch.
func columns(keys []outboxKey) (streams [][16]byte, versions []int64) {
	slices.SortFunc(keys, func(a, b outboxKey) int {
		return cmp.Or(bytes.Compare(a.stream[:], b.stream[:]), cmp.Compare(a.version, b.version))
	})
	for _, k := range keys {
		streams, versions = append(streams, k.stream), append(versions, k.version)
	}
	return streams, versions
}

// dispatch hands committed events to their handlers.
func (s *Store) dispatch(events []pending) {
	for _, e := range events {
		if len(s.subs[e.Kind]) == 0 {
			continue
		}
		s.outbox.work.Add(1)
		go func() {
			defer s.outbox.work.Done()
			s.deliver(e.Recorded, e.event)
		}()
	}
}

// deliver calls every handler of a message, and marks it handled when all of them did. What failed stays in the outbox
// for a sweep.
func (s *Store) deliver(r Recorded, event Event) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	ok := true
	for _, sub := range s.subs[r.Kind] {
		err := sub.handle(ctx, r, event)
		s.committer.config.Handled(sub.name, time.Since(r.At), err)
		ok = ok && err == nil
	}
	if ok {
		s.outbox.remember([]outboxKey{{r.Stream, r.Version}})
	}
}

// Sweep takes up what a crash or a failed handler left in the outbox, until ctx is done. With alone, no other process
// uses the store, and what lies there at the start is taken up at once. It ends when the handlers under way have ended.
func (s *Store) Sweep(ctx context.Context, alone bool, failed func(error)) error {
	defer s.outbox.work.Wait()
	if alone {
		if _, err := s.query.Exec(ctx, s.sql.allDueOutbox); err != nil && ctx.Err() == nil {
			failed(fmt.Errorf("sweep the outbox of %s: %w", s.schema, err))
		}
	}
	for wait(ctx, jitter(sweepEvery)) {
		for n := sweepLimit; n == sweepLimit; {
			var err error
			if n, err = s.sweepOnce(ctx); err != nil && ctx.Err() == nil {
				failed(fmt.Errorf("sweep the outbox of %s: %w", s.schema, err))
			}
		}
	}
	return nil
}

func (s *Store) sweepOnce(ctx context.Context) (int, error) {
	rows, err := s.query.Query(ctx, s.sql.dueOutbox, sweepLimit)
	if err != nil {
		return 0, err
	}
	var keys []outboxKey
	var k outboxKey
	for rows.Next() {
		if err := rows.Scan(&k.stream, &k.version); err != nil {
			return 0, err
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil || len(keys) == 0 {
		return 0, err
	}
	streams, versions := columns(keys)
	if rows, err = s.query.Query(ctx, s.sql.messages, streams, versions); err != nil {
		return 0, err
	}
	messages, err := collect(rows)
	for _, r := range messages {
		event, err := s.decode(r)
		if err != nil {
			s.committer.config.Handled("outbox", time.Since(r.At), err)
			continue
		}
		s.dispatch([]pending{{r, event}})
	}
	return len(keys), err
}

// OldestUnhandled is the age of the oldest event that a reaction has not handled; zero when there is none.
func (s *Store) OldestUnhandled() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var seconds float64
	if err := s.query.QueryRow(ctx, s.sql.oldestOutbox).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("find the oldest event in the outbox of %s: %w", s.schema, err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// wait sleeps for d, or until ctx is done: then it is false.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jitter is d give or take a half, so that processes do not march in step.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }
