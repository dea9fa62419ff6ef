// Package chaos runs a shop under faults, and then holds everything that anybody was told against what is left of it.
//
// [Run] starts a PostgreSQL and several replicas of the program on it, each a process of its own, and lets in
//
//	shoppers   tabs, coupons, baskets that merge, cards of every kind, banks, second thoughts   errand.go, cart.go, checkout.go, bank.go, after.go
//	staff      prices, stock, webhooks late, twice and forged, sagas that need a person         staff.go
//	weather    kill -9, SIGSTOP for a while, PostgreSQL stopped or crashed                      weather.go
//
// All of them speak HTTP, and repeat what was not answered under the same key. Every answer must be one that a client was
// promised (client.go). Every acknowledged one is remembered, and in the end it must still be true (audit.go): of what was
// begun nothing is left unfinished, the money is right to the penny by the provider's own book, and so is the stock.
//
// Whatever is left to chance is drawn from one seed, by a source of its own for every shopper and every kind of weather. So
// the same seed draws the same choices; processes never meet in quite the same order twice, though.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says what is run, and for how long.
type Config struct {
	Seed      uint64
	Checkouts int           // the shop closes after so many; 0: by the time alone
	For       time.Duration // and after so long at the latest; 0: by the checkouts alone
	Replicas  int
	Shoppers  int
	Calm      time.Duration // mean time between two disturbances

	Dir      string   // for the data of PostgreSQL and the logs of the replicas
	PGBinDir string   // searched for when empty
	Program  []string // how a replica is started
	Environ  []string // of a replica, beside its settings

	Secret   string                                                       // signs the webhooks of the provider
	Settings []string                                                     // of every replica
	Mint     func(subject string, scopes ...string) (string, error)       // makes tokens
	Verify   func(ctx context.Context, database string) (Verified, error) // looks at what is left
	Progress func(line string)
}

// Verified is what the reconciliation of the program came to.
type Verified struct {
	Checked map[string]int `json:"checked"`
	Found   []string       `json:"found"` // a sentence each
}

// shop is a run.
type shop struct {
	Config
	http     *http.Client
	postgres *postgres
	replicas []*replica
	turns    atomic.Int64
	operator string // a token
	shelf    []product
	weather  []*force

	*tally
	known known

	begun   atomic.Int64 // checkouts
	started time.Time
	closing context.Context // done when nobody begins anything new
	close   context.CancelFunc
}

// ActionTTL is how long the bank may take in a run, for who makes the settings.
const ActionTTL = 6 * time.Second

// Run runs a shop under faults. The report says what was found; an error, that it could not be run to the end.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	s := &shop{Config: c, tally: newTally(), http: newHTTP(c.Shoppers), started: time.Now()}
	if s.operator, err = c.Mint("operator", "admin"); err != nil {
		return nil, err
	}
	if s.postgres, err = startPostgres(ctx, c.Dir, c.PGBinDir); err != nil {
		return nil, err
	}
	defer s.postgres.end()
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
	found, err := c.Verify(ctx, s.postgres.url)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	return s.report(took, books, found), nil
}

var errInterrupted = errors.New("interrupted: nothing was found out")

// opens starts the replicas, and fills the price book.
func (s *shop) opens(ctx context.Context) error {
	luck := s.luck(ofSetUp, 0)
	var all errgroup.Group
	for n := range s.Replicas {
		r, err := newReplica(s, n, s.luck(ofReplica, n))
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

// busy returns when the shop has closed and all shoppers have gone. From its closing on the weather is fine: what is under way
// then has been through enough.
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

// watchesTheTime closes the shop when there was enough of everything: each kind of weather at least once.
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

// The sources of chance.
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

// pause returns whether ctx has let it wait for so long.
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

// between is a time from a to b.
func between(luck *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(luck.Int64N(int64(b-a)+1))
}
