// Package chaos runs a shop under faults, and then compares all acknowledged answers with the final data.
//
// [Run] starts a PostgreSQL and several replicas of the program on it, each in its own process, and then
//
//	shoppers   tabs, coupons, baskets that merge, cards of every kind, 3-D Secure, refunds   scenario.go, cart.go, checkout.go, threeds.go, aftersales.go
//	operators  prices, stock, webhooks late, twice and forged, sagas that need attention     operators.go
//	faults     kill -9, SIGSTOP for a while, PostgreSQL stopped or crashed                   faults.go
//
// All of them use HTTP, and repeat an unanswered request under the same key. Every answer must be one that the API promises
// (calls.go). All acknowledged answers are recorded and must still be true at the end (audit.go). Nothing may be unfinished, the
// money must agree with the provider's ledger to the penny, and the stock must agree too.
//
// All random choices come from one seed, with a separate source for every shopper and every kind of fault. The same seed makes
// the same choices, but the processes never interleave in quite the same way.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"shopping-cart/client"
	"shopping-cart/internal/cluster"
	"shopping-cart/platform/database"
)

// Config holds the parameters of a run.
type Config struct {
	Seed          uint64
	Checkouts     int           // the shop closes after this many; 0 means no limit
	For           time.Duration // the shop closes after this time at the latest; 0 means no limit
	Replicas      int
	Shoppers      int
	FaultInterval time.Duration // mean time between two faults

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
	client   *client.Client
	postgres *cluster.Postgres
	replicas []*replica
	turns    atomic.Int64
	operator string // a token
	shelf    []product
	faults   []*fault

	*counters
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
	s := &shop{Config: c, counters: newCounters(), client: client.New("", 2*c.Shoppers*c.Replicas), started: time.Now()}
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
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	s.closing, s.close = context.WithCancel(ctx)
	defer s.close()
	s.runShoppers(ctx)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	took := time.Since(s.started)
	s.awaitFinished(ctx)
	books, err := s.audit(ctx)
	if err != nil {
		return nil, err
	}
	s.stopReplicas(ctx)
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

// open starts the replicas, and fills the price book.
func (s *shop) open(ctx context.Context) error {
	random := s.source(ofSetUp, 0)
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
	s.shelf = shelf(random)
	for _, p := range s.shelf {
		if _, ok := s.retry(ctx, s.priceCall(p, p.price, true, "new"), "201"); !ok {
			return fmt.Errorf("the product %s cannot be made: %v", p.sku, s.findings())
		}
		if p.tracked() {
			if _, ok := s.retry(ctx, s.stockCall(p, p.stock, "new"), "200"); !ok {
				return fmt.Errorf("the stock of %s cannot be set: %v", p.sku, s.findings())
			}
		}
	}
	return nil
}

// runShoppers returns when the shop has closed and all shoppers have left. The faults end at the closing: the work in progress has
// seen enough of them.
func (s *shop) runShoppers(ctx context.Context) {
	var outside, inside sync.WaitGroup
	working, stop := context.WithCancel(ctx)
	defer stop()
	s.faults = s.newFaults()
	for _, f := range s.faults {
		outside.Go(func() { f.run(s.closing, s.FaultInterval*time.Duration(len(s.faults)), &s.begun) })
	}
	outside.Go(func() { s.reportProgress(working) })
	for n := range s.Shoppers {
		inside.Go(func() { s.shopper(ctx, n) })
	}
	outside.Go(func() { s.operate(working) })
	outside.Go(func() { s.closeInTime(working) })
	inside.Wait()
	stop()
	outside.Wait()
}

// closeInTime closes the shop when there was enough of everything, and each kind of fault at least once.
func (s *shop) closeInTime(ctx context.Context) {
	for pause(ctx, 100*time.Millisecond) {
		over := s.For > 0 && time.Since(s.started) >= s.For || s.Checkouts > 0 && s.begun.Load() >= int64(s.Checkouts)
		for _, f := range s.faults {
			over = over && f.injected.Load() > 0
		}
		if over {
			s.close()
			return
		}
	}
}

const progressEvery = 5 * time.Second

func (s *shop) reportProgress(ctx context.Context) {
	for pause(ctx, progressEvery) {
		s.Progress(s.progress())
	}
}

// The sources of random choices.
const (
	ofSetUp = iota
	ofReplica
	ofFaults
	ofOperators
	ofShopper
)

func (s *shop) source(of, n int) *rand.Rand {
	return rand.New(rand.NewPCG(s.Seed, uint64(of)<<32|uint64(n))) // #nosec G115 -- both count from 0
}

// pause waits, and reports whether ctx lasted that long.
func pause(ctx context.Context, d time.Duration) bool {
	return client.Sleep(ctx, d) == nil
}

// between returns a random time from a to b.
func between(random *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(random.Int64N(int64(b-a)+1))
}
