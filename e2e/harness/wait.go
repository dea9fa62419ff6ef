//go:build !windows

package harness

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Within returns the test's context with a time limit.
func Within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Patience is the deadline of all waits in tests.
const Patience = 30 * time.Second

// Until waits for a condition. It checks on the test's own goroutine, because the condition may fail the test.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*Patience) // other work may keep the machine busy
	defer cancel()
	require.True(t, Eventually(ctx, holds), "timed out: until "+what)
}

// Eventually checks repeatedly until the condition holds or ctx is done.
func Eventually(ctx context.Context, holds func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if holds() {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}
