package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/backoff"
)

const (
	notifyChannel = "shopping_cart_log"
	notifyEvery   = 50 * time.Millisecond // at most one notification in this time, for any number of commits
	notifyTimeout = 5 * time.Second
	listenFor     = 10 * time.Second // without a notification; then the connection is checked
	listenAgain   = time.Second      // on average, after a connection was lost
)

// Notifications tell the projections of all processes on a database about new events sooner than polling would. They may be
// late, repeated or lost: correctness does not depend on them.
//
// They are sent outside the write path, because a transaction that writes and notifies takes a lock of the whole server at
// its commit.

// notify sends and receives notifications until ctx is done.
func (d Database) notify(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { d.publish(ctx) })
	both.Go(func() {
		for {
			if err := d.listen(ctx); ctx.Err() == nil {
				d.notifyFailed(fmt.Errorf("listen for new events: %w", err))
			}
			if !backoff.Sleep(ctx, backoff.Jitter(listenAgain)) {
				return
			}
		}
	})
	both.Wait()
}

func (d Database) notifyFailed(err error) {
	d.Log.Warn("notifications of new events are delayed", "error", err)
}

// publish sends one notification for all commits since the last one.
func (d Database) publish(ctx context.Context) {
	for {
		select {
		case <-d.Committer.moved.any:
		case <-ctx.Done():
			return
		}
		sending, cancel := context.WithTimeout(ctx, notifyTimeout)
		_, err := d.Control.Exec(sending, "select pg_notify($1, $2)", notifyChannel, strings.Join(d.Committer.moved.take(), " "))
		cancel()
		if err != nil && ctx.Err() == nil {
			d.notifyFailed(fmt.Errorf("notify of new events: %w", err))
		}
		if !backoff.Sleep(ctx, notifyEvery) {
			return
		}
	}
}

// listen wakes the projections of the stores in each notification until the connection is lost.
func (d Database) listen(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	conn, err := d.Listen(connecting)
	if err != nil {
		return err
	}
	defer func() { // bounded, even if it fails
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(connecting, "listen "+notifyChannel); err != nil {
		return err
	}
	for _, s := range d.Committer.stores { // they may have changed while nobody listened
		s.appended.wake()
	}
	for {
		said, err := nextNotification(ctx, conn)
		if err != nil {
			return err
		}
		for _, s := range d.Committer.stores {
			if slices.Contains(said, s.schema) {
				s.appended.wake()
			}
		}
	}
}

// nextNotification returns the schemas in the next notification. It returns none if there was no notification for a while
// and the connection still works.
func nextNotification(ctx context.Context, conn *pgx.Conn) (schemas []string, err error) {
	listening, cancel := context.WithTimeout(ctx, listenFor)
	defer cancel()
	n, err := conn.WaitForNotification(listening)
	if err == nil {
		return strings.Fields(n.Payload), nil
	}
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	trying, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	return nil, conn.Ping(trying)
}

// moved holds the stores with new events that were not published yet.
type moved struct {
	any     chan struct{} // has room for one
	mu      sync.Mutex
	schemas map[string]bool
}

func (m *moved) add(schema string) {
	m.mu.Lock()
	m.schemas[schema] = true
	m.mu.Unlock()
	select {
	case m.any <- struct{}{}:
	default:
	}
}

func (m *moved) take() (schemas []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.schemas {
		schemas = append(schemas, s)
	}
	clear(m.schemas)
	return schemas
}

// broadcast wakes all waiting goroutines.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// next returns a channel that the next wake closes.
func (s *broadcast) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *broadcast) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
