package backoff_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/backoff"
)

func TestAfter(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{0: 100, 1: 200, 2: 400, 3: 800, 4: 1000, 1 << 40: 1000} {
		require.Equal(t, want, backoff.After(failures, 100, 1000))
	}
	require.EqualValues(t, 10, backoff.After(0, 100, 10))
}

func TestJitter(t *testing.T) {
	t.Parallel()
	for range 1000 {
		d := backoff.Jitter(100)
		require.GreaterOrEqual(t, d, time.Duration(50))
		require.Less(t, d, time.Duration(150))
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	require.True(t, backoff.Sleep(ctx, 1))
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	require.True(t, backoff.SleepOr(ctx, time.Hour, wake))
	cancel()
	require.False(t, backoff.Sleep(ctx, time.Hour))
}
