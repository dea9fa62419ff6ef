//go:build !windows

package harness

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Within is the test's context for so long.
func Within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Patience is the deadline of whatever a test waits for.
const Patience = 30 * time.Second

// Until waits for what must come. It asks on the test's own goroutine: what it asks may fail the test.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*Patience) // the machine may be busy with much else
	defer cancel()
	require.True(t, Eventually(ctx, holds), "in vain: until "+what)
}

// Eventually asks again and again, until it holds or ctx is done.
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
