package eventstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
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
func (o *outbox) wanted(events []newEvent) (streams [][16]byte, versions []int64) {
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
func (s *Store) dispatch(events []newEvent) {
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
// for a sweep, or is parked when it has failed too often.
func (s *Store) deliver(r Recorded, event Event) {
	var failed []failure
	for _, sub := range s.subs[r.Kind] {
		if err := s.callHandler(sub, r, event); err != nil {
			failed = append(failed, failure{sub.name, err})
		}
	}
	if len(failed) == 0 {
		s.outbox.remember([]outboxKey{{r.Stream, r.Version}})
		return
	}
	s.countFailure(r, failed)
}

// callHandler calls one handler. A panic is its error: one poisoned message must not take the process with it, again and again.
func (s *Store) callHandler(sub subscription, r Recorded, event Event) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v\n%s", sub.name, p, debug.Stack())
		}
		s.committer.config.Handled(sub.name, time.Since(r.At), err)
	}()
	return sub.handle(ctx, r, event)
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
