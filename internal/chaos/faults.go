package chaos

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// The names under which faults are counted.
const (
	disturbances = "disturbances"
	killed       = "replica killed"
	frozen       = "replica frozen for a moment"
	takenOver    = "replica frozen until others took over"
	stopped      = "PostgreSQL stopped"
	crashed      = "PostgreSQL crashed"
)

// fault injects one kind of fault.
type fault struct {
	random   *rand.Rand
	inject   func(ctx context.Context, random *rand.Rand) bool // false: there was nothing to disturb
	injected atomic.Int64
}

func (s *shop) newFaults() []*fault {
	all := []*fault{{inject: s.killReplica}, {inject: s.freezeReplica}, {inject: s.restartPostgres}}
	for n, f := range all {
		f.random = s.source(ofFaults, n)
	}
	return all
}

// minCheckouts is the number of checkouts between two faults of one kind. They give a slow machine time.
const minCheckouts = 25

// run injects the fault repeatedly, with a mean time between two faults.
func (f *fault) run(ctx context.Context, mean time.Duration, begun *atomic.Int64) {
	for enough := int64(0); pause(ctx, between(f.random, mean/4, mean*7/4)); {
		if begun.Load() >= enough && f.inject(ctx, f.random) {
			f.injected.Add(1)
			enough = begun.Load() + minCheckouts
		}
	}
}

// killReplica kills a replica and starts it again some time later.
func (s *shop) killReplica(ctx context.Context, random *rand.Rand) bool {
	r, away := s.replicas[random.IntN(len(s.replicas))], between(random, 0, 2*time.Second)
	s.count(disturbances, killed)
	_ = r.Kill()
	pause(ctx, away)
	if err := r.start(context.WithoutCancel(ctx)); err != nil {
		s.addFinding("replica %d does not start again: %v", r.number, err)
	}
	return true
}

// leased is a little longer than the lease of a saga. After that time other replicas take over.
const leased = 16 * time.Second

// freezeReplica freezes a replica, mostly for moments, sometimes until the others take over its sagas.
func (s *shop) freezeReplica(ctx context.Context, random *rand.Rand) bool {
	r, lasts, how := s.replicas[random.IntN(len(s.replicas))], between(random, 50*time.Millisecond, 2*time.Second), frozen
	if random.IntN(3) == 0 {
		lasts, how = between(random, leased, leased+4*time.Second), takenOver
	}
	thaw := r.Freeze()
	if thaw == nil {
		return false
	}
	s.count(disturbances, how)
	defer thaw()
	pause(ctx, lasts)
	return true
}

// restartPostgres stops or crashes the database and starts it again.
func (s *shop) restartPostgres(ctx context.Context, random *rand.Rand) bool {
	crash, away := random.IntN(3) > 0, between(random, 0, 2*time.Second)
	how := stopped
	if crash {
		how = crashed
	}
	s.count(disturbances, how)
	if crash {
		s.postgres.Crash()
	} else {
		_ = s.postgres.Stop() // the error reports that it was not orderly
	}
	pause(ctx, away)
	if err := s.postgres.Start(context.WithoutCancel(ctx)); err != nil {
		s.addFinding("PostgreSQL does not start again: %v", err)
		s.close()
	}
	return true
}
