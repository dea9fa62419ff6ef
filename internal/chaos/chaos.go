// Package chaos runs a shop under faults, and then compares all acknowledged answers with the final data.
//
// [Run] starts a PostgreSQL and several replicas of the program on it, each in its own process, and then
//
//	shoppers   tabs, coupons, baskets that merge, cards of every kind, banks, second thoughts   errand.go, cart.go, checkout.go, bank.go, after.go
//	staff      prices, stock, webhooks late, twice and forged, sagas that need attention        staff.go
//	weather    kill -9, SIGSTOP for a while, PostgreSQL stopped or crashed                      weather.go
//
// All of them use HTTP, and repeat an unanswered request under the same key. Every answer must be one that the API promises
// (client.go). All acknowledged answers are recorded and must still be true at the end (audit.go). Nothing may be unfinished, the
// money must agree with the provider's ledger to the penny, and the stock must agree too.
//
// All random choices come from one seed, with a separate source for every shopper and every kind of weather. The same seed makes
// the same choices, but the processes never interleave in quite the same way.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"shopping-cart/internal/cluster"
	"shopping-cart/platform/database"
)

// Config holds the parameters of a run.
type Config struct {
	Seed      uint64
	Checkouts int           // the shop closes after this many; 0: by time alone
	For       time.Duration // the shop closes after this time at the latest; 0: by checkouts alone
	Replicas  int
	Shoppers  int
	Calm      time.Duration // mean time between two disturbances

	Dir      string   // for the data of PostgreSQL and the logs of the replicas
	PGBinDir string   // searched for when empty
	Program  []string // command line that starts a replica
	Environ  []string // of a replica, in addition to its settings

	Secret   string                                                       // signs the webhooks of the provider
	Settings []string                                                     // of every replica
	Mint     func(subject string, scopes ...string) (string, error)       // makes tokens
	Verify   func(ctx context.Context, database string) (Verified, error) // runs the reconciliation at the end
	Progress func(line string)
}

// Verified is the result of the program's reconciliation.
type Verified struct {
	Checked map[string]int `json:"checked"`
	Found   []string       `json:"found"` // a sentence each
}

// shop is a run.
type shop struct {
	Config
	http     *http.Client
	postgres *cluster.Postgres
	replicas []*replica
	turns    atomic.Int64
	operator string // a token
	shelf    []product
	weather  []*force

	*tally
	known known

	begun   atomic.Int64 // checkouts
	started time.Time
	closing context.Context // done when no new work begins
	close   context.CancelFunc
}

// ActionTTL is the time limit of the bank in a run, for the settings of the replicas.
const ActionTTL = 6 * time.Second

// Run runs a shop under faults. The report holds the findings. An error means that the run did not complete.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	s := &shop{Config: c, tally: newTally(), http: newHTTP(c.Shoppers), started: time.Now()}
	if s.operator, err = c.Mint("operator", "admin"); err != nil {
		return nil, err
	}
	s.postgres = &cluster.Postgres{EmbeddedConfig: database.EmbeddedConfig{
		Dir: filepath.Join(c.Dir, "postgres"), BinDir: c.PGBinDir, Params: map[string]string{"max_connections": "300"},
		Logger: slog.New(slog.DiscardHandler), // its end is intended
	}}
	if err := s.postgres.Start(ctx); err != nil {
		return nil, err
	}
	defer s.postgres.Crash()
	defer s.endReplicas()
	if err := s.opens(ctx); err != nil {
		return nil, err
	}
	s.closing, s.close = context.WithCancel(ctx)
	defer s.close()
	s.busy(ctx)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	took := time.Since(s.started)
	s.settles(ctx)
	books, err := s.audit(ctx)
	if err != nil {
		return nil, err
	}
	s.stopsWell(ctx)
	found, err := c.Verify(ctx, s.postgres.URL())
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	return s.report(took, books, found), nil
}

var errInterrupted = errors.New("interrupted before a result")

// opens starts the replicas, and fills the price book.
func (s *shop) opens(ctx context.Context) error {
	luck := s.luck(ofSetUp, 0)
	var all errgroup.Group
	for n := range s.Replicas {
		r, err := newReplica(ctx, s, n)
		if err != nil {
			return err
		}
		s.replicas = append(s.replicas, r)
		all.Go(func() error { return r.start(ctx) })
	}
	if err := all.Wait(); err != nil {
		return fmt.Errorf("start a replica: %w", err)
	}
	s.shelf = shelf(luck)
	for _, p := range s.shelf {
		if _, ok := s.insists(ctx, s.prices(p, p.price, true, "new"), "201"); !ok {
			return fmt.Errorf("the product %s cannot be made: %v", p.sku, s.findings())
		}
		if p.tracked() {
			if _, ok := s.insists(ctx, s.stocks(p, p.stock, "new"), "200"); !ok {
				return fmt.Errorf("the stock of %s cannot be set: %v", p.sku, s.findings())
			}
		}
	}
	return nil
}

// busy returns when the shop has closed and all shoppers have left. The faults end at the closing: the work in progress has seen
// enough of them.
func (s *shop) busy(ctx context.Context) {
	var outside, inside sync.WaitGroup
	storm, calm := context.WithCancel(ctx)
	defer calm()
	s.weather = s.forces()
	for _, f := range s.weather {
		outside.Go(func() { f.blows(s.closing, s.Calm*time.Duration(len(s.weather)), &s.begun) })
	}
	outside.Go(func() { s.reportsProgress(storm) })
	for n := range s.Shoppers {
		inside.Go(func() { s.shopper(ctx, n) })
	}
	outside.Go(func() { s.staff(storm) })
	outside.Go(func() { s.watchesTheTime(storm) })
	inside.Wait()
	calm()
	outside.Wait()
}

// watchesTheTime closes the shop when there was enough of everything, with each kind of weather at least once.
func (s *shop) watchesTheTime(ctx context.Context) {
	for pause(ctx, 100*time.Millisecond) {
		over := s.For > 0 && time.Since(s.started) >= s.For || s.Checkouts > 0 && s.begun.Load() >= int64(s.Checkouts)
		for _, f := range s.weather {
			over = over && f.blown.Load() > 0
		}
		if over {
			s.close()
			return
		}
	}
}

const progressEvery = 5 * time.Second

func (s *shop) reportsProgress(ctx context.Context) {
	for pause(ctx, progressEvery) {
		s.Progress(s.progress())
	}
}

// The sources of random choices.
const (
	ofSetUp = iota
	ofReplica
	ofWeather
	ofStaff
	ofShopper
)

func (s *shop) luck(of, n int) *rand.Rand {
	return rand.New(rand.NewPCG(s.Seed, uint64(of)<<32|uint64(n))) // #nosec G115 -- both count from 0
}

// pause waits, and reports whether ctx lasted that long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// between returns a random time from a to b.
func between(luck *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(luck.Int64N(int64(b-a)+1))
}
