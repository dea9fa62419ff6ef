package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"shopping-cart/platform/backoff"
)

const (
	firstPause = 100 * time.Millisecond // after the first failure to connect, doubled by each further one
	longPause  = 2 * time.Second
)

// gate stands before the connecting of all pools of a database. While the server is away, one attempt at a time goes
// through, with pauses in between; everybody else is told at once. A server that comes back is not met by a storm.
type gate struct {
	log *slog.Logger

	mu       sync.Mutex
	failures int       // attempts in a row; 0: open
	last     error     // why the last one failed
	since    time.Time // of the first one
	until    time.Time // no attempt before
	probing  bool      // one is under way
	turned   int       // who was told to go away, since
}

// enter asks for an attempt to connect. Who gets nil tells left how it went.
func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures == 0 {
		return nil
	}
	if g.probing || time.Now().Before(g.until) {
		g.turned++
		return fmt.Errorf("the database was not reachable a moment ago: %w", g.last)
	}
	g.probing = true
	return nil
}

// left hears how an attempt went. The log has one line for the start of an outage and one for its end.
func (g *gate) left(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	probe := g.probing
	g.probing = false
	switch {
	case err == nil && g.failures > 0:
		g.log.Info("the database is reachable again", "after", time.Since(g.since).Round(time.Millisecond), "attempts", g.failures, "turned_away", g.turned)
		g.failures, g.turned, g.last = 0, 0, nil
	case err == nil || errors.Is(err, context.Canceled): // a pool that closes gives up
	case g.failures == 0:
		g.log.Warn("the database is not reachable", "reason", err) // not "error": a change of state is always written
		g.since = time.Now()
		g.close(err)
	case probe: // what began together with the first one, and failed like it, says nothing new
		g.close(err)
	}
}

func (g *gate) close(err error) {
	pause := backoff.After(g.failures, firstPause, longPause)
	g.failures++
	g.last = err
	g.until = time.Now().Add(pause/2 + rand.N(pause/2)) // replicas do not march in step
}
