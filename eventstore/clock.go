package eventstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Clock tells the time of the database. It adds an offset to the monotonic clock of the process. Every batch and every relay
// of the outbox reads the database's clock and so measures the offset. Therefore all processes on a database use one clock,
// and a wrong local clock does not change how long a process waits.
//
// A measurement is as exact as its round trip is short. A more exact measurement replaces a less exact one. A measurement
// that contradicts the offset replaces it at once, because a clock has moved. The zero value tells the process's own time.
type Clock struct {
	Skewed func(time.Duration) // called when the skew exceeds a second, and again when it has changed by more than that; may be nil

	mu     sync.Mutex
	base   time.Time     // the monotonic reading that offsets refer to; zero if nothing was measured
	offset time.Duration // the database's clock minus base plus the time since base
	within time.Duration // the accuracy of the offset when it was measured
	at     time.Time     // of the measurement
	told   time.Duration // the last skew that was passed to Skewed
}

const (
	clockDrift     = 2000        // two clocks drift apart by at most one part in this number
	clockTolerance = time.Second // a smaller skew is not reported
)

// Now returns the database's time, in UTC, cut to the microseconds that the database keeps.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now(time.Now()).UTC().Truncate(time.Microsecond)
}

func (c *Clock) now(local time.Time) time.Time {
	if c.base.IsZero() {
		return local
	}
	return c.base.Add(local.Sub(c.base) + c.offset)
}

// Skew returns the database's time minus the wall clock of the process.
func (c *Clock) Skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew()
}

func (c *Clock) skew() time.Duration {
	local := time.Now()
	return c.now(local).Round(0).Sub(local.Round(0))
}

// Measure asks the database for its time once.
func (c *Clock) Measure(ctx context.Context, pool *pgxpool.Pool) error {
	var now time.Time
	sent := time.Now()
	if err := pool.QueryRow(ctx, "select clock_timestamp()").Scan(&now); err != nil {
		return fmt.Errorf("ask the database for its time: %w", err)
	}
	c.Observe(sent, now, time.Now())
	return nil
}

// Observe records a measurement: the database's time, which was read after sent and before received, both by time.Now.
func (c *Clock) Observe(sent, database, received time.Time) {
	if skew, tell := c.observe(sent, database, received); tell && c.Skewed != nil {
		c.Skewed(skew)
	}
}

func (c *Clock) observe(sent, database, received time.Time) (skew time.Duration, tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	within := received.Sub(sent) / 2
	if c.base.IsZero() {
		c.base = sent
	} else {
		known := c.within + received.Sub(c.at)/clockDrift
		differs := database.Sub(c.now(sent.Add(within)))
		if within >= known && differs.Abs() <= within+known {
			return 0, false // the measurement agrees and is less exact
		}
	}
	c.offset = database.Sub(c.base) - sent.Add(within).Sub(c.base)
	c.within, c.at = within, received
	skew = c.skew()
	if tell = (skew-c.told).Abs() > clockTolerance && skew.Abs() > clockTolerance; tell {
		c.told = skew
	}
	return skew, tell
}

// Clock tells the time of the committer's database.
func (c *Committer) Clock() *Clock { return &c.clock }

// Now returns the time of the store's database. See [Clock].
func (s *Store) Now() time.Time { return s.db.Committer.clock.Now() }
