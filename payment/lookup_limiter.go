package payment

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"shopping-cart/platform/backoff"
)

// lookupLimiter limits the look-ups that serve no shopper: for the reconciliation, and before an operator's resolution counts. They take no slot of
// the shoppers' calls and do not count for the breaker. They are slow enough to leave the shoppers the provider's rate limit, of which they take one
// caller's share.
type lookupLimiter struct {
	slots chan struct{} // taken by look-ups in flight
	rate  *rate.Limiter
}

const (
	maxBackgroundLookUps = 8
	lookUpInterval       = 50 * time.Millisecond
)

func newAside() lookupLimiter {
	return lookupLimiter{make(chan struct{}, maxBackgroundLookUps), rate.NewLimiter(rate.Every(lookUpInterval), 1)}
}

// acquire waits for a slot, and until the next look-up may begin.
func (a lookupLimiter) acquire(ctx context.Context) (release func(), err error) {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release = func() { <-a.slots }
	if !backoff.Sleep(ctx, a.rate.Reserve().Delay()) {
		release()
		return nil, ctx.Err()
	}
	return release, nil
}

// backgroundCaller is the caller of the look-ups that serve no shopper.
const backgroundCaller = "background"

// lookUpInBackground looks up a payment, even while the breaker is open. The time of the call is limited as usual.
func (g *guardedProvider) lookUpInBackground(ctx context.Context, c Call) (report Report, err error) {
	release, err := g.lookups.acquire(ctx)
	if err != nil {
		return report, err
	}
	defer release()
	if err := g.waitForRate(ctx, opLookUp, Call{Key: uuid.NewString(), Customer: backgroundCaller}, math.MaxInt64); err != nil {
		return report, err
	}
	began, outcome := g.now(), callFailed
	ctx, span := g.startCall(ctx, opLookUp, c)
	defer func() {
		g.called(ctx, g.Name(), string(opLookUp), outcome, g.now().Sub(began))
		endCall(span, outcome)
	}()
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	report, err = g.Provider.LookUp(limited, c)
	outcome = callOutcome(ctx, err)
	return report, err
}

// callOutcome returns the outcome of a call that was made, for the metrics.
func callOutcome(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return callAnswered
	case ctx.Err() != nil:
		return callCanceled
	}
	if _, limited := isLimited(err); limited {
		return callLimited
	}
	return callFailed
}

// lookUpAll looks up payments, some at a time. It makes no call while the breaker is open, since the shoppers come first.
func (g *guardedProvider) lookUpAll(ctx context.Context, of []Record) ([]Balance, error) {
	all := make([]Balance, len(of))
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(maxBackgroundLookUps)
	for i, st := range of {
		asking.Go(func() error {
			if !g.breakerAllows(backgroundCaller) {
				return errBreakerOpen
			}
			report, err := g.lookUpInBackground(ctx, callOf(st.ID, st.state, providerCall{operation: opLookUp}))
			all[i] = balanceFrom(report, st)
			return err
		})
	}
	return all, asking.Wait()
}

// breakerAllows reports whether the breaker would allow a call.
func (g *guardedProvider) breakerAllows(caller string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.wouldAllow(g.now(), caller)
}
