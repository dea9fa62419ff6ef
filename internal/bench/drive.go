package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrSpent, from a unit of work, ends the measurement early and without a failure: there is no work left.
var ErrSpent = errors.New("nothing left to do")

// Drive runs units of work for d, from a number of callers, each one in sequence. do gets a number that is unique within the run.
func Drive(ctx context.Context, callers int, d time.Duration, do func(ctx context.Context, n int64) error) (Sample, error) {
	running, stop := context.WithCancelCause(ctx) // running units still end normally
	defer stop(nil)
	var next atomic.Int64
	next.Store(rand.Int64N(1 << 30)) // a random start, so that a repeated run repeats no value
	latencies := make([][]time.Duration, callers)
	var wg sync.WaitGroup
	began := time.Now()
	for caller := range callers {
		wg.Go(func() {
			for at := time.Now(); at.Sub(began) < d && running.Err() == nil; {
				if err := do(ctx, next.Add(1)); err != nil {
					stop(err)
					return
				}
				now := time.Now()
				latencies[caller] = append(latencies[caller], now.Sub(at))
				at = now
			}
		})
	}
	wg.Wait()
	s := Sample{Took: time.Since(began), Latencies: slices.Concat(latencies...)}
	s.Units = len(s.Latencies)
	if err := context.Cause(running); err != nil && !errors.Is(err, ErrSpent) {
		return Sample{}, err
	}
	return s, nil
}
