package payment

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// aside is how a provider is asked for whoever is no shopper: to compare books, or before a person's word counts. It takes no
// place from those who pay, and waits behind none of them; it has no vote about the provider, so it can stop nobody; and
// it is slow enough to leave them the provider's rate limit. Only the time of a call is bounded as theirs is.
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

// turn waits for one, and for the moment that is its.
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

// lookAside asks what became of a payment, also while the provider fails.
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

// endedAs is the outcome of a call that was made.
func endedAs(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return callAnswered
	case ctx.Err() != nil:
		return callForgone
	}
	return callFailed
}

// lookUps asks for payments one by one, some at a time. A provider that is left alone is not asked: it has its shoppers to catch
// up with first.
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

// mayAsk reports whether a call would go through. With the pause over it would, though nobody may have tried since.
func (g *guard) mayAsk() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.mayAsk(g.now())
}
