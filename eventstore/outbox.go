package eventstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// subscription is a handler for one type of event.
type subscription struct {
	name   string
	handle func(context.Context, Recorded, any) error
}

// Subscribe calls handle for every event of type E in the store: directly after its commit, and again from the outbox until
// handle returns nil. Handlers run concurrently and may receive a message twice.
func Subscribe[E any](s *Store, name string, handle func(context.Context, Message[E]) error) {
	var zero E
	eventType := TypeOf(zero)
	s.subs[eventType] = append(s.subs[eventType], subscription{name, func(ctx context.Context, r Recorded, live any) error {
		event, ok := live.(E)
		if !ok {
			return fmt.Errorf("%s decodes as %T", r.Type, live)
		}
		return handle(ctx, Message[E]{Stream: r.Stream, Version: r.Version, Event: event, Meta: r.Meta, At: r.At})
	}})
}

// outboxKey identifies a row of the outbox.
type outboxKey struct {
	stream  uuid.UUID
	version int64
}

// outbox holds the keys of handled rows until a batch deletes them.
type outbox struct {
	subs    map[string][]subscription
	mu      sync.Mutex
	handled []outboxKey
	work    sync.WaitGroup
}

// wanted returns the keys of the events that have a handler.
func (o *outbox) wanted(events []newEvent) (streams [][16]byte, versions []int64) {
	for _, e := range events {
		if len(o.subs[e.Type]) > 0 && !e.handled {
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

// columns returns the columns of the keys, in one order for every batch.
func columns(keys []outboxKey) (streams [][16]byte, versions []int64) {
	slices.SortFunc(keys, func(a, b outboxKey) int {
		return cmp.Or(bytes.Compare(a.stream[:], b.stream[:]), cmp.Compare(a.version, b.version))
	})
	for _, k := range keys {
		streams, versions = append(streams, k.stream), append(versions, k.version)
	}
	return streams, versions
}

// dispatch passes committed events to their handlers.
func (s *Store) dispatch(events []newEvent) {
	for _, e := range events {
		if len(s.subs[e.Type]) == 0 || e.handled {
			continue
		}
		s.outbox.work.Add(1)
		go func() {
			defer s.outbox.work.Done()
			s.deliver(e.Recorded, e.event)
		}()
	}
}

// deliver calls every handler of a message. If all of them succeed, it marks the message as handled. Otherwise the message
// stays in the outbox for the relay, or is parked after too many failures.
func (s *Store) deliver(r Recorded, event any) {
	var failed []failure
	for _, sub := range s.subs[r.Type] {
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

// callHandler calls one handler and turns a panic into an error, so that one event cannot crash the process again and again.
func (s *Store) callHandler(sub subscription, r Recorded, event any) (err error) {
	ctx, cancel := context.WithTimeout(r.Meta.context(), batchTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v\n%s", sub.name, p, debug.Stack())
		}
		s.db.Committer.config.Handled(sub.name, time.Since(r.At), err)
	}()
	return sub.handle(ctx, r, event)
}
