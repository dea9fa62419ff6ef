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
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	notifyChannel = "shopping_cart_log"
	notifyEvery   = 50 * time.Millisecond // at most one notification in that time, however many commits
	notifyTimeout = 5 * time.Second
	listenFor     = 10 * time.Second // without a word; then the line is tried
	listenAgain   = time.Second      // on average, after a connection was lost
)

// Notifier let the readers of all processes on a database know of new events sooner than they would look by themselves. They may
// come late, twice or not at all: nothing rests on them.
//
// They are sent off the write path: a transaction that writes and notifies takes a lock of the whole server at its commit.
type Notifier struct {
	Send   *pgxpool.Pool                            // what notifications are sent on
	Listen func(context.Context) (*pgx.Conn, error) // makes a session that listens
	Failed func(error)                              // told of what will be tried again
}

// RunNotifier sends and hears hints until ctx is done.
func (c *Committer) RunNotifier(ctx context.Context, h Notifier) error {
	var both sync.WaitGroup
	both.Go(func() { c.publish(ctx, h) })
	both.Go(func() {
		for {
			if err := c.listen(ctx, h); ctx.Err() == nil {
				h.Failed(fmt.Errorf("listen for new events: %w", err))
			}
			if !wait(ctx, jitter(listenAgain)) {
				return
			}
		}
	})
	both.Wait()
	return nil
}

// publish sends one notification for all commits since the last.
func (c *Committer) publish(ctx context.Context, h Notifier) {
	for {
		select {
		case <-c.moved.any:
		case <-ctx.Done():
			return
		}
		sending, cancel := context.WithTimeout(ctx, notifyTimeout)
		_, err := h.Send.Exec(sending, "select pg_notify($1, $2)", notifyChannel, strings.Join(c.moved.take(), " "))
		cancel()
		if err != nil && ctx.Err() == nil {
			h.Failed(fmt.Errorf("notify of new events: %w", err))
		}
		if !wait(ctx, notifyEvery) {
			return
		}
	}
}

// listen wakes the readers of the stores that somebody says have moved, until the connection is lost.
func (c *Committer) listen(ctx context.Context, h Notifier) error {
	connecting, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	conn, err := h.Listen(connecting)
	if err != nil {
		return err
	}
	defer func() { // in vain or not, it is over soon
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(connecting, "listen "+notifyChannel); err != nil {
		return err
	}
	for _, s := range c.stores { // they may have moved while nobody listened
		s.appended.wake()
	}
	for {
		said, err := nextNotification(ctx, conn)
		if err != nil {
			return err
		}
		for _, s := range c.stores {
			if slices.Contains(said, s.schema) {
				s.appended.wake()
			}
		}
	}
}

// nextNotification are the schemas of the next notification, none when there was none for a while and the line is in order.
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

// moved are the stores with new events that nobody was told of yet.
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

// broadcast wakes everybody who waits.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed at the next wake.
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

// waitOr sleeps for d or until stirred; it is false when ctx is done before.
func waitOr(ctx context.Context, d time.Duration, stirred <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stirred:
		return true
	case <-ctx.Done():
		return false
	}
}
