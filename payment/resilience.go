package payment

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/failpoint"
)

// guard protects the program from a failing provider. It limits the time of a call and the number of calls in flight, and makes no call
// while most calls fail. A call that was not made had no effect. Its caller is deferred: Run says when to try again.
type guard struct {
	Provider
	guarding
	places chan struct{} // taken by the calls in flight
	aside  aside
	now    func() time.Time

	mu      sync.Mutex
	breaker breaker
	opened  chan struct{}      // closed when the breaker opens: it ends the waits for a slot
	held    map[uuid.UUID]bool // correlations of the deferred callers
}

// guarding configures a guard.
type guarding struct {
	timeout time.Duration // of one call, and of the wait for a slot
	places  int
	called  func(provider, operation, outcome string, took time.Duration)
	resume  chan<- uuid.UUID // correlations
	log     *slog.Logger
}

// The outcomes of a call, for the metrics.
const (
	callAnswered  = "answered"
	callFailed    = "failed"    // by the provider
	callForgone   = "forgone"   // cancelled by the caller
	callHeldOpen  = "held_open" // not made: the breaker was open
	callHeldCrowd = "held_busy" // not made: no slot became free in time
)

var (
	errOpen = errors.New("the provider is failing, no calls are made for a moment")
	errBusy = errors.New("too many calls to the provider are in flight")
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

// guarded makes a call, or returns a Transient error without making it.
func guarded[T any](
	ctx context.Context, g *guard, op Operation, c Call, call func(context.Context, Call) (T, error),
) (answer T, err error) {
	began, outcome := g.now(), callFailed // a panic is a failure
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

// isDeferred reports whether an error says that a call was not made.
func isDeferred(err error) bool { return errors.Is(err, errOpen) || errors.Is(err, errBusy) }

func heldOutcome(err error) string {
	switch {
	case errors.Is(err, errOpen):
		return callHeldOpen
	case errors.Is(err, errBusy):
		return callHeldCrowd
	}
	return callForgone
}

// enter takes a slot, and asks the breaker.
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

// place waits for a free slot, at most as long as a call may take.
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

// leave reports the end of a call to the breaker and frees its slot.
func (g *guard) leave(ctx context.Context, round int, c Call, outcome string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	<-g.places
	defer g.changed(g.breaker.standing())
	if outcome == callForgone {
		g.breaker.forgo(g.now(), round)
		return
	}
	g.breaker.told(g.now(), round, cmp.Or(c.Customer, c.Reference), outcome == callFailed)
}

// changed logs a change of the breaker's state. When the breaker opens, changed ends all waits for a slot.
func (g *guard) changed(was standing) {
	is := g.breaker.standing()
	if is == was {
		return
	}
	attrs := []any{slog.String("provider", g.Name()), slog.String("was", string(was)), slog.String("is", string(is))}
	switch is {
	case opened:
		if was == closed {
			close(g.opened)
		}
		g.log.Warn("the payment provider is failing, calls are deferred", attrs...)
	case halfOpen:
		g.log.Info("one call tests the payment provider", attrs...)
	case closed:
		g.opened = make(chan struct{})
		g.log.Info("the payment provider works again", attrs...)
	}
}

// heldMost limits the number of deferred callers. The others try again by themselves, only later.
const heldMost = 10_000

// remember notes a caller whose call was not made, or failed while the breaker was not closed. Run tells it when to try again.
func (g *guard) remember(correlation uuid.UUID, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	unavailable := isDeferred(err) || g.breaker.standing() != closed
	if unavailable && len(g.held) < heldMost {
		g.held[correlation] = true
	}
}

const resumeEvery = 100 * time.Millisecond

// Run tells deferred callers when to try again, until ctx is done: one while the provider is tested, and then as many as there are free
// slots.
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
			select {
			case g.resume <- id:
			case <-ctx.Done():
				return
			}
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

// Health describes a provider, as this process sees it.
type Health struct {
	Name     string
	Breaker  string // closed, half_open or open
	InFlight int    // calls
	Held     int    // deferred checkouts, refunds and cancellations
}

// Health returns the health of each provider.
func (m *Module) Health() []Health {
	all := make([]Health, len(m.providers))
	for i, g := range m.providers {
		g.mu.Lock()
		all[i] = Health{g.Name(), string(g.breaker.standing()), len(g.places), len(g.held)}
		g.mu.Unlock()
	}
	return all
}

// Unwrap returns the guarded provider.
func (g *guard) Unwrap() Provider { return g.Provider }
