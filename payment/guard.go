package payment

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/failpoint"
)

// guard stands before a provider. A call gets a limited time, one of a limited number of places, and none at all while
// the provider fails most of them: a dead provider costs the others neither time, nor goroutines, nor connections. What
// is held back surely did nothing, waits for its turn with whoever asked, and is told when it is worth asking again.
type guard struct {
	Provider
	guarding
	places chan struct{} // taken by calls in flight
	aside  *aside
	now    func() time.Time

	mu      sync.Mutex
	breaker breaker
	opened  chan struct{}      // closed with every opening: nobody waits for a place any more
	held    map[uuid.UUID]bool // who was held back, by correlation
}

// guarding is what all guards of a module have in common.
type guarding struct {
	timeout time.Duration // of one call, and of the wait for a place
	places  int
	called  func(provider, operation, outcome string, took time.Duration)
	resume  func(correlation uuid.UUID)
	log     *slog.Logger
}

// The outcomes of a call, as they are counted.
const (
	callAnswered  = "answered"
	callFailed    = "failed"    // for want of the provider
	callForgone   = "forgone"   // given up by ourselves
	callHeldOpen  = "held_open" // not made: the breaker was open
	callHeldCrowd = "held_busy" // not made: no place became free in time
)

var (
	errOpen = errors.New("the provider fails, and is left alone for a moment")
	errBusy = errors.New("too many calls to the provider are under way")
)

func newGuard(p Provider, c guarding) *guard {
	return &guard{
		Provider: p, guarding: c, places: make(chan struct{}, c.places), aside: newAside(), now: time.Now,
		opened: make(chan struct{}), held: map[uuid.UUID]bool{},
	}
}

func (g *guard) Authorize(ctx context.Context, c Call) (Answer, error) {
	return guarded(ctx, g, opAuthorize, c, g.Provider.Authorize)
}

func (g *guard) Capture(ctx context.Context, c Call) (Answer, error) {
	return guarded(ctx, g, opCapture, c, g.Provider.Capture)
}

func (g *guard) Void(ctx context.Context, c Call) (Answer, error) {
	return guarded(ctx, g, opVoid, c, g.Provider.Void)
}

func (g *guard) Refund(ctx context.Context, c Call) (Answer, error) {
	return guarded(ctx, g, opRefund, c, g.Provider.Refund)
}

func (g *guard) LookUp(ctx context.Context, c Call) (Report, error) {
	return guarded(ctx, g, opLookUp, c, g.Provider.LookUp)
}

// guarded makes a call, or holds it back with a Transient error.
func guarded[T any](
	ctx context.Context, g *guard, op Operation, c Call, call func(context.Context, Call) (T, error),
) (answer T, err error) {
	began, outcome := g.now(), callFailed // a panic is a failure too
	defer func() { g.called(g.Name(), string(op), outcome, g.now().Sub(began)) }()
	round, err := g.enter(ctx)
	if err != nil {
		outcome = heldOutcome(err)
		return answer, &Transient{err}
	}
	defer func() { g.leave(ctx, round, c, outcome) }()
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	failpoint.Reach(failpoint.BeforeCall, string(op))
	answer, err = call(limited, c)
	failpoint.Reach(failpoint.AfterCall, string(op))
	outcome = endedAs(ctx, err)
	return answer, err
}

func heldOutcome(err error) string {
	switch {
	case errors.Is(err, errOpen):
		return callHeldOpen
	case errors.Is(err, errBusy):
		return callHeldCrowd
	}
	return callForgone
}

// enter takes a place, and asks the breaker.
func (g *guard) enter(ctx context.Context) (round int, err error) {
	if err := g.place(ctx); err != nil {
		return 0, err
	}
	round, ok := g.ask()
	if !ok {
		<-g.places
		return 0, errOpen
	}
	return round, nil
}

// place waits for one, as long as a call may take.
func (g *guard) place(ctx context.Context) error {
	g.mu.Lock()
	opened, mayAsk := g.opened, g.breaker.mayAsk(g.now())
	g.mu.Unlock()
	if !mayAsk {
		return errOpen
	}
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(g.timeout)
	defer t.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-opened:
		return errOpen
	case <-t.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *guard) ask() (round int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.changed(g.breaker.standing())
	return g.breaker.ask(g.now(), g.timeout)
}

// leave tells the breaker how a call ended, and gives its place to another.
func (g *guard) leave(ctx context.Context, round int, c Call, outcome string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	<-g.places
	defer g.changed(g.breaker.standing())
	if outcome == callForgone {
		g.breaker.forgo(g.now(), round)
		return
	}
	who := c.Customer
	if who == "" {
		who = c.Reference
	}
	g.breaker.told(g.now(), round, who, outcome == callFailed)
}

// changed says that the breaker has, if so.
func (g *guard) changed(was standing) {
	is := g.breaker.standing()
	if is == was {
		return
	}
	about := []any{slog.String("provider", g.Name()), slog.String("was", string(was)), slog.String("is", string(is))}
	switch is {
	case opened:
		if was == closed {
			close(g.opened)
		}
		g.log.Warn("the payment provider fails: calls are held back", about...)
	case halfOpen:
		g.log.Info("one call tries whether the payment provider is back", about...)
	case closed:
		g.opened = make(chan struct{})
		g.log.Info("the payment provider is back: calls go through", about...)
	}
}

// heldMost bounds what is remembered. Whoever is not tries again by themselves, only later.
const heldMost = 10_000

// remember notes that somebody is worth telling when the provider can be asked again: they were held back, or failed
// while it was being tried.
func (g *guard) remember(correlation uuid.UUID, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	away := errors.Is(err, errOpen) || errors.Is(err, errBusy) || g.breaker.standing() != closed
	if away && len(g.held) < heldMost {
		g.held[correlation] = true
	}
}

// resumeEvery is how often the guard looks whether somebody can be told.
const resumeEvery = 100 * time.Millisecond

// Run tells those who were held back when it is worth asking again, until ctx is done: one while the provider is tried,
// and then as many as find a place.
func (g *guard) Run(ctx context.Context) {
	t := time.NewTicker(resumeEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		for _, id := range g.resumable() {
			g.resume(id)
		}
	}
}

func (g *guard) resumable() (ids []uuid.UUID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := cap(g.places) - len(g.places)
	switch {
	case !g.breaker.mayAsk(g.now()):
		n = 0
	case g.breaker.standing() != closed:
		n = min(n, 1)
	}
	for id := range g.held {
		if n--; n < 0 {
			break
		}
		delete(g.held, id)
		ids = append(ids, id)
	}
	return ids
}

// Health is how a provider fares, as this process sees it.
type Health struct {
	Name     string
	Breaker  string // closed, half_open or open
	InFlight int    // calls
	Held     int    // checkouts, refunds and cancellations that wait until it can be asked again
}

// Health is how each provider fares.
func (m *Module) Health() []Health {
	all := make([]Health, len(m.providers))
	for i, g := range m.providers {
		g.mu.Lock()
		all[i] = Health{g.Name(), string(g.breaker.standing()), len(g.places), len(g.held)}
		g.mu.Unlock()
	}
	return all
}

// Unwrap is the provider that is guarded.
func (g *guard) Unwrap() Provider { return g.Provider }
