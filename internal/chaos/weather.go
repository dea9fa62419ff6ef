package chaos

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// The counters of the weather.
const (
	disturbances = "disturbances"
	killed       = "replica killed"
	frozen       = "replica frozen for a moment"
	takenOver    = "replica frozen until others took over"
	stopped      = "PostgreSQL stopped"
	crashed      = "PostgreSQL crashed"
)

// force is one kind of weather.
type force struct {
	luck  *rand.Rand
	blow  func(ctx context.Context, luck *rand.Rand) bool // false: there was nothing to disturb
	blown atomic.Int64
}

func (s *shop) forces() []*force {
	all := []*force{{blow: s.kills}, {blow: s.freezes}, {blow: s.takesPostgresAway}}
	for n, f := range all {
		f.luck = s.luck(ofWeather, n)
	}
	return all
}

// seldom is the least number of checkouts between two faults of one kind. It gives a slow machine time.
const seldom = 25

// blows disturbs repeatedly, with a mean time between two faults.
func (f *force) blows(ctx context.Context, mean time.Duration, begun *atomic.Int64) {
	for enough := int64(0); pause(ctx, between(f.luck, mean/4, mean*7/4)); {
		if begun.Load() >= enough && f.blow(ctx, f.luck) {
			f.blown.Add(1)
			enough = begun.Load() + seldom
		}
	}
}

// kills kills a replica and starts it again some time later.
func (s *shop) kills(ctx context.Context, luck *rand.Rand) bool {
	r, away := s.replicas[luck.IntN(len(s.replicas))], between(luck, 0, 2*time.Second)
	s.count(disturbances, killed)
	r.Kill()
	pause(ctx, away)
	if err := r.start(context.WithoutCancel(ctx)); err != nil {
		s.finds("replica %d does not start again: %v", r.number, err)
	}
	return true
}

// leased is a little longer than the lease of a saga. After that time other replicas take over.
const leased = 16 * time.Second

// freezes freezes a replica, mostly for moments, sometimes until the others take over its sagas.
func (s *shop) freezes(ctx context.Context, luck *rand.Rand) bool {
	r, lasts, how := s.replicas[luck.IntN(len(s.replicas))], between(luck, 50*time.Millisecond, 2*time.Second), frozen
	if luck.IntN(3) == 0 {
		lasts, how = between(luck, leased, leased+4*time.Second), takenOver
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

// takesPostgresAway stops or crashes the database and starts it again.
func (s *shop) takesPostgresAway(ctx context.Context, luck *rand.Rand) bool {
	crash, away := luck.IntN(3) > 0, between(luck, 0, 2*time.Second)
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
		s.finds("PostgreSQL does not start again: %v", err)
		s.close()
	}
	return true
}
