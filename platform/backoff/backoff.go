// Package backoff spaces retries and periodic work.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// After returns the pause after a number of failures in a row: first, doubled by each further failure, and at most last.
func After(failures int, first, last time.Duration) time.Duration {
	pause := first
	for ; failures > 0 && pause < last; failures-- {
		pause *= 2
	}
	return min(pause, last)
}

// Jitter returns a random duration between half of d and one and a half, so that processes do not work in step.
func Jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// Sleep waits for d. It returns false when ctx is done before.
func Sleep(ctx context.Context, d time.Duration) bool { return SleepOr[struct{}](ctx, d, nil) }

// SleepOr waits for d or until something arrives on wake. It returns false when ctx is done.
func SleepOr[T any](ctx context.Context, d time.Duration, wake <-chan T) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
