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
	readsPause  = 2 * time.Second        // between attempts of reads to connect, less some chance, once the server refused one
	othersPause = 200 * time.Millisecond // the same for writes and control
	calm        = 30 * time.Second       // without a refusal: then there are connections again
)

// crowd stands before the connecting of one pool. While the server has no connection left (53300), since other replicas or
// tools hold them, the pool makes one attempt at a time, with pauses. Each refusal has the pool of reads give a connection
// back, where it has more than it keeps: the pools of writes, here and in other replicas, find one.
type crowd struct {
	log   *slog.Logger
	name  string // of the pool: write, query or control
	pause time.Duration
	keeps int32    // connections that the pool always has
	reads *crowd   // of the pool that gives way, which may be this one
	first []*crowd // of the pools that connect before this one does

	pool atomic.Pointer[pgxpool.Pool]
	owes atomic.Bool // the next connection that comes back is closed

	mu      sync.Mutex
	reason  error     // of the last refusal; nil: there are connections
	refused time.Time // the last time
	until   time.Time // no attempt before
}

// enter asks for an attempt to connect. In a pause it waits where the pool has other connections, since those serve the other
// callers meanwhile, and refuses at once where it has none.
func (c *crowd) enter(ctx context.Context) error {
	if wait := c.wait(); wait > 0 && c.connected() > 0 {
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
		c.log.Info("the database has connections again", "pool", c.name)
		c.reason = nil
	case now.Before(c.until) || c.suffices() || slices.ContainsFunc(c.first, (*crowd).lacks):
		return fmt.Errorf("the database had no connection left a moment ago: %w", c.reason)
	default:
		c.rest(now)
	}
	return nil
}

func (c *crowd) wait() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		return 0
	}
	return time.Until(c.until)
}

// refuse hears that the server has no connection left.
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

// succeed hears that the pool has one connection more: there may be others.
func (c *crowd) succeed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}

func (c *crowd) close(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		c.log.Warn("the database has no connection left: reads give way to writes", "pool", c.name, "reason", err)
	}
	c.reason, c.refused = err, time.Now()
	c.rest(c.refused)
}

func (c *crowd) rest(now time.Time) {
	c.until = now.Add(c.pause/2 + rand.N(c.pause/2)) // replicas do not march in step
}

// giveBack closes a connection that is idle, or the next one that comes back, where there are more than the pool keeps.
func (c *crowd) giveBack() {
	if c.connected() <= c.keeps {
		return
	}
	c.owes.Store(true)
	for _, idle := range c.pool.Load().AcquireAllIdle(context.Background()) {
		idle.Release()
	}
}

// pay closes a connection that comes back, when one is owed.
func (c *crowd) pay(conn *pgx.Conn) {
	if c.owes.Load() && c.owes.CompareAndSwap(true, false) && c.connected() > c.keeps {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}
}

func (c *crowd) lacks() bool { return c.connected() < c.keeps }

// suffices: a pool that has what it keeps leaves the rest to reads.
func (c *crowd) suffices() bool { return c != c.reads && !c.lacks() }

// connected are the connections that the pool has.
func (c *crowd) connected() int32 {
	pool := c.pool.Load()
	if pool == nil {
		return 0
	}
	s := pool.Stat()
	return s.AcquiredConns() + s.IdleConns()
}
