package payment

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"shopping-cart/platform/backoff"
)

// aside limits the look-ups that serve no shopper: for the reconciliation, and before an operator's resolution counts. They take no slot of
// the shoppers' calls and do not count for the breaker. They are slow enough to leave the shoppers the provider's rate limit.
type aside struct {
	slots chan struct{} // taken by look-ups in flight
	rate  *rate.Limiter
}

const (
	asideAtOnce    = 8
	betweenLookUps = 50 * time.Millisecond
)

func newAside() aside {
	return aside{make(chan struct{}, asideAtOnce), rate.NewLimiter(rate.Every(betweenLookUps), 1)}
}

// turn waits for a slot, and until the next look-up may begin.
func (a aside) turn(ctx context.Context) (release func(), err error) {
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

// lookAside looks up a payment, even while the breaker is open. The time of the call is limited as usual.
func (g *guard) lookAside(ctx context.Context, c Call) (report Report, err error) {
	release, err := g.aside.turn(ctx)
	if err != nil {
		return report, err
	}
	defer release()
	began, outcome := g.now(), callFailed
	defer func() { g.called(g.Name(), string(opLookUp), outcome, g.now().Sub(began)) }()
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	report, err = g.Provider.LookUp(limited, c)
	outcome = endedAs(ctx, err)
	return report, err
}

// endedAs returns the outcome of a call that was made, for the metrics.
func endedAs(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return callAnswered
	case ctx.Err() != nil:
		return callForgone
	}
	return callFailed
}

// lookUps looks up payments, some at a time. It makes no call while the breaker is open, since the shoppers come first.
func (g *guard) lookUps(ctx context.Context, of []Standing) ([]Balance, error) {
	all := make([]Balance, len(of))
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(asideAtOnce)
	for i, st := range of {
		asking.Go(func() error {
			if !g.mayAsk() {
				return errOpen
			}
			report, err := g.lookAside(ctx, callOf(st.ID, st.state, ask{operation: opLookUp}))
			all[i] = balanceIn(report, st)
			return err
		})
	}
	return all, asking.Wait()
}

// mayAsk reports whether the breaker would allow a call.
func (g *guard) mayAsk() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.mayAsk(g.now())
}
