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
	firstPause = 100 * time.Millisecond // after the first failed attempt; each further one doubles it
	longPause  = 2 * time.Second
)

// gate limits the connection attempts of all pools of a database. While the server is unreachable, one attempt at a time runs,
// with pauses; all other callers get an error at once. So the server does not meet a burst of connections when it returns.
type gate struct {
	log *slog.Logger

	mu       sync.Mutex
	failures int       // attempts in a row; 0: reachable
	last     error     // of the last attempt
	since    time.Time // time of the first failure
	until    time.Time // no attempt before then
	probing  bool      // an attempt is running
	turned   int       // callers refused since then
}

// enter asks for a connection attempt. After nil the caller must report its result to left.
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

// left records the result of an attempt. The log has one line for the start of an outage and one for its end.
func (g *gate) left(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	probe := g.probing
	g.probing = false
	switch {
	case err == nil && g.failures > 0:
		g.log.Info("the database is reachable again", "after", time.Since(g.since).Round(time.Millisecond), "attempts", g.failures, "turned_away", g.turned)
		g.failures, g.turned, g.last = 0, 0, nil
	case err == nil || errors.Is(err, context.Canceled): // a closing pool gives up
	case g.failures == 0:
		g.log.Warn("the database is not reachable", "reason", err) // not "error": those lines are thinned, and a change of state is always logged
		g.since = time.Now()
		g.close(err)
	case probe: // not for attempts that began with the first one
		g.close(err)
	}
}

func (g *gate) close(err error) {
	pause := backoff.After(g.failures, firstPause, longPause)
	g.failures++
	g.last = err
	g.until = time.Now().Add(pause/2 + rand.N(pause/2)) // jitter: replicas must not retry in step
}
