package eventstore

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestClock: the clock follows the database's, however wrong the process's own is.
func TestClock(t *testing.T) {
	t.Parallel()
	const exact = 20 * time.Millisecond // well above how long the test itself takes
	ahead := func(c *Clock, by, trip time.Duration) {
		received := time.Now()
		sent := received.Add(-trip)
		c.Observe(sent, sent.Add(trip/2+by), received)
	}
	for name, by := range map[string]time.Duration{"Ahead": 23 * time.Hour, "Behind": -10 * time.Minute, "Equal": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c Clock
			require.WithinDuration(t, time.Now(), c.Now(), time.Minute, "nothing was measured")
			ahead(&c, by, time.Millisecond)
			require.InDelta(t, by, c.Skew(), float64(exact))
			ahead(&c, by+500*time.Millisecond, 2*time.Second)
			require.InDelta(t, by, c.Skew(), float64(exact), "a less exact measurement that agrees changes nothing")
			ahead(&c, by-time.Hour, 100*time.Millisecond)
			require.InDelta(t, by-time.Hour, c.Skew(), float64(exact), "a clock has moved")
		})
	}
	t.Run("TellsOfASkew", func(t *testing.T) {
		t.Parallel()
		var told []time.Duration
		c := Clock{Skewed: func(skew time.Duration) { told = append(told, skew.Round(time.Second)) }}
		for _, by := range []time.Duration{0, 900 * time.Millisecond, time.Minute, time.Minute, 2 * time.Minute} {
			ahead(&c, by, time.Millisecond)
		}
		require.Equal(t, []time.Duration{time.Minute, 2 * time.Minute}, told)
	})
}

// TestClockThatGoesBack: a sweep looks at everything again, and says what the clock showed before.
func TestClockThatGoesBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	l := NewWatermark(time.Minute, time.Hour)
	require.Zero(t, l.From())
	require.Zero(t, l.Advance(noon, noon, false))
	require.Equal(t, noon.Add(-time.Minute), l.From())
	require.Zero(t, l.Advance(noon.Add(-time.Second), noon, false), "within the tolerance")
	require.Equal(t, noon.Add(-time.Second), l.Advance(noon.Add(-time.Hour), noon, false))
	require.Zero(t, l.From(), "everything")
	require.Zero(t, l.Advance(noon.Add(-time.Hour), noon, false))
}

// TestClaimsOfAnOldClock: a claim that was made by a clock that has gone back since is found at once.
func TestClaimsOfAnOldClock(t *testing.T) {
	t.Parallel()
	b := open(t)
	exec := func(sql string, args ...any) {
		_, err := b.pools.Control.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	claimed, later := uuid.New(), uuid.New()
	for id, in := range map[uuid.UUID]string{claimed: "1 hour 30 seconds", later: "5 hours"} {
		exec(`insert into cart.streams (id, version, kind, fold, state, wake_at, created_at, updated_at)
			values ($1, 1, 'jar', 1, '{}', now() + $2::text::interval, now(), now())`, id, in)
	}
	timer := b.Timer("jar", time.Minute)
	timer.watermark.Advance(time.Now().Add(time.Hour), time.Now(), false) // an hour ahead, until now
	for _, want := range []struct {
		ids   []uuid.UUID
		early bool
	}{{nil, false}, {[]uuid.UUID{claimed}, true}, {nil, false}} {
		ids, early, err := timer.Due(t.Context(), 10, time.Minute)
		require.NoError(t, err)
		require.Equal(t, want.ids, ids)
		require.Equal(t, want.early, early)
	}
}
