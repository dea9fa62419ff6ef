package payment

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// aside limits the look-ups that serve no shopper: for the reconciliation, and before an operator's resolution counts. They need no place
// of the shoppers' calls and wait behind none. They do not count for the breaker, so they cannot open it. They are slow enough to leave the
// shoppers the provider's rate limit. The time of a call is limited as usual.
type aside struct {
	places chan struct{} // taken by look-ups in flight

	mu   sync.Mutex
	next time.Time // when the next one may begin
}

const (
	asideAtOnce    = 8
	betweenLookUps = 50 * time.Millisecond
)

func newAside() *aside { return &aside{places: make(chan struct{}, asideAtOnce)} }

// turn waits for a place, and until the next look-up may begin.
func (a *aside) turn(ctx context.Context) (done func(), err error) {
	select {
	case a.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	done = func() { <-a.places }
	a.mu.Lock()
	now := time.Now()
	at := a.next
	if at.Before(now) {
		at = now
	}
	a.next = at.Add(betweenLookUps)
	a.mu.Unlock()
	t := time.NewTimer(at.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
		return done, nil
	case <-ctx.Done():
		done()
		return nil, ctx.Err()
	}
}

// lookAside looks up a payment, even while the breaker is open.
func (g *guard) lookAside(ctx context.Context, c Call) (report Report, err error) {
	done, err := g.aside.turn(ctx)
	if err != nil {
		return report, err
	}
	defer done()
	began, outcome := g.now(), callFailed
	defer func() { g.called(g.Name(), string(opLookUp), outcome, g.now().Sub(began)) }()
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	report, err = g.Provider.LookUp(limited, c)
	outcome = endedAs(ctx, err)
	return report, err
}

// endedAs returns the outcome of a call that was made.
func endedAs(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return callAnswered
	case ctx.Err() != nil:
		return callForgone
	}
	return callFailed
}

// lookUps looks up payments, some at a time. It calls nobody while the breaker is open: the provider has to serve its shoppers first.
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

// mayAsk reports whether the breaker would allow a call. After its pause it would, even if nobody has tried yet.
func (g *guard) mayAsk() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.mayAsk(g.now())
}
