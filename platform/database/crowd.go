package database

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	readsPause  = 2 * time.Second        // between attempts of reads to connect after a refusal, less jitter
	othersPause = 200 * time.Millisecond // the same for writes and control
	calm        = 30 * time.Second       // without a refusal: connections are available again
)

// crowd limits the connection attempts of one pool. While other replicas or tools hold all connections of the server (53300), the
// pool makes one attempt at a time, with pauses. After each refusal the pool of reads closes a connection, if it has more than it
// keeps. The pools of writes, here and in other replicas, can then open one.
type crowd struct {
	log   *slog.Logger
	name  string // of the pool: write, query or control
	pause time.Duration
	keeps int32    // minimum number of connections
	reads *crowd   // of the pool that yields; it may be this one
	first []*crowd // of the pools that connect before this one

	pool atomic.Pointer[pgxpool.Pool]
	open atomic.Int32 // connections, without those that pay has closed and the pool still counts
	owes atomic.Bool  // the next released connection is closed

	mu      sync.Mutex
	reason  error     // of the last refusal; nil: connections are available
	refused time.Time // time of the last refusal
	until   time.Time // no attempt before then
}

// enter asks for a connection attempt. During a pause it waits if the pool has other connections, since those serve the other
// callers meanwhile. Without any it refuses at once.
func (c *crowd) enter(ctx context.Context) error {
	if wait := c.wait(); wait > 0 && c.open.Load() > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.reason == nil:
	case now.Sub(c.refused) > calm:
		c.log.Info("the database has free connections again", "pool", c.name)
		c.reason = nil
	case now.Before(c.until) || c.suffices():
		return c.refusal()
	case slices.ContainsFunc(c.first, (*crowd).lacks):
		c.rest(now)
		return c.refusal()
	default:
		c.rest(now)
	}
	return nil
}

func (c *crowd) refusal() error {
	return fmt.Errorf("the database had no free connection a moment ago: %w", c.reason)
}

func (c *crowd) wait() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		return 0
	}
	return time.Until(c.until)
}

// refuse records that the server has no free connection.
func (c *crowd) refuse(err error) {
	c.close(err)
	switch {
	case c == c.reads:
		c.giveBack()
	case c.lacks():
		c.reads.close(err)
		c.reads.giveBack()
	}
}

// succeed records a new connection. It ends the pause, since more may be available.
func (c *crowd) succeed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}

func (c *crowd) close(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		c.log.Warn("the database has no free connection: reads yield to writes", "pool", c.name, "reason", err)
	}
	c.reason, c.refused = err, time.Now()
	c.rest(c.refused)
}

func (c *crowd) rest(now time.Time) {
	c.until = now.Add(c.pause/2 + rand.N(c.pause/2)) // jitter: replicas must not retry in step
}

// giveBack closes an idle connection, or the next released one, if the pool has more than it keeps.
func (c *crowd) giveBack() {
	if c.open.Load() <= c.keeps {
		return
	}
	c.owes.Store(true)
	for _, idle := range c.pool.Load().AcquireAllIdle(context.Background()) {
		idle.Release()
	}
}

// paid marks a connection that pay has closed.
const paid = "paid"

// pay closes a released connection when one is owed.
func (c *crowd) pay(conn *pgx.Conn) {
	if !c.owes.Load() || !c.owes.CompareAndSwap(true, false) || conn.IsClosed() {
		return
	}
	if c.open.Add(-1) < c.keeps {
		c.open.Add(1)
		return
	}
	conn.PgConn().CustomData()[paid] = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// closed records that the pool drops a connection.
func (c *crowd) closed(conn *pgx.Conn) {
	if conn.PgConn().CustomData()[paid] == nil {
		c.open.Add(-1)
	}
}

func (c *crowd) lacks() bool { return c.open.Load() < c.keeps }

// suffices reports whether the pool has its minimum of connections, so that reads may take the next one. It is false for reads themselves.
func (c *crowd) suffices() bool { return c != c.reads && !c.lacks() }
