package saga

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/backoff"
)

// notifier hands the new state of a saga to its waiters and to its streams.
type notifier struct {
	draining <-chan struct{} // closed when the server stops; nil without a server
	waiters  subscribers[waiter]
	streams  subscribers[*checkoutStream]
}

// notify passes on the saga as it is now. Version 0 means that the waiters must read the saga themselves.
func (n *notifier) notify(saga eventstore.Stream[State]) {
	for _, w := range n.waiters.of(saga.ID) {
		w.update(saga)
	}
	for _, s := range n.streams.of(saga.ID) {
		s.update(saga)
	}
}

func (n *notifier) isDraining() bool {
	select {
	case <-n.draining:
		return true
	default:
		return false
	}
}

// subscribers are the subscribers of each saga.
type subscribers[T comparable] struct {
	mu sync.Mutex
	by map[uuid.UUID][]T
}

func (s *subscribers[T]) add(id uuid.UUID, one T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uuid.UUID][]T{}
	}
	s.by[id] = append(s.by[id], one)
}

// remove removes the subscribers of a saga that gone selects.
func (s *subscribers[T]) remove(id uuid.UUID, gone func(T) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[id] = slices.DeleteFunc(s.by[id], gone)
	if len(s.by[id]) == 0 {
		delete(s.by, id)
	}
}

func (s *subscribers[T]) of(id uuid.UUID) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.by[id])
}

func (s *subscribers[T]) sagas() []uuid.UUID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.by))
}

// waiter holds the newest state that nobody has received yet.
type waiter chan eventstore.Stream[State]

// update never blocks: it replaces a state that was not received.
func (w waiter) update(saga eventstore.Stream[State]) {
	for {
		select {
		case w <- saga:
			return
		case <-w:
		}
	}
}

const (
	pollEvery = 500 * time.Millisecond // on average
	pollPage  = 500                    // sagas in one query
)

// pollStreams shows the streams what other processes wrote, until ctx is done.
func (m *Module) pollStreams(ctx context.Context) {
	for backoff.Sleep(ctx, backoff.Jitter(pollEvery)) {
		if err := m.updateStreams(ctx); err != nil && ctx.Err() == nil {
			m.store.Failed(fmt.Errorf("read the checkouts of open streams: %w", err))
		}
	}
}

// updateStreams reads the versions of all checkouts with a stream, and then those that have changed. It forgets closed streams.
func (m *Module) updateStreams(ctx context.Context) error {
	streams := &m.notifier.streams
	for _, id := range streams.sagas() {
		streams.remove(id, (*checkoutStream).isClosed)
	}
	ids := streams.sagas()
	if len(ids) == 0 {
		return nil
	}
	rows, err := m.Query.Query(ctx, `select id, version from saga.streams where id = any($1)`, ids)
	if err != nil {
		return err
	}
	var changed []uuid.UUID
	var id uuid.UUID
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&id, &version}, func() error {
		if slices.ContainsFunc(streams.of(id), func(s *checkoutStream) bool { return s.isBehind(version) }) {
			changed = append(changed, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for page := range slices.Chunk(changed, pollPage) {
		found, err := sagas.LoadKnown(ctx, m.store, page)
		if err != nil {
			return err
		}
		for _, saga := range found {
			m.notifier.notify(saga)
		}
	}
	return nil
}
