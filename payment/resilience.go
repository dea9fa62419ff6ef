package payment

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"shopping-cart/platform/failpoint"
)

// guardedProvider protects the program from a failing provider. It limits the time of a call, the rate of calls and the number of calls in flight, and
// makes no call while most calls fail. A call that was not made had no effect. Its caller is deferred: Run says when to try again.
type guardedProvider struct {
	Provider
	resilience
	slots   chan struct{} // taken by the calls in flight
	rates   *callRates
	lookups lookupLimiter
	limits  rate.Sometimes // log lines about the provider's rate limit
	now     func() time.Time

	mu       sync.Mutex
	breaker  breaker
	opened   chan struct{}          // closed when the breaker opens: it ends the waits for a slot
	deferred map[uuid.UUID]deferral // by correlation
}

// deferral is a deferred call.
type deferral struct {
	caller string
	at     time.Time // the earliest time to try again
}

// resilience configures a guardedProvider.
type resilience struct {
	timeout     time.Duration // of one call, and of the wait for a slot
	maxInFlight int
	rate        Rate // of the calls of each operation
	called      func(ctx context.Context, provider, operation, outcome string, took time.Duration)
	resume      chan<- uuid.UUID // correlations
	log         *slog.Logger
	tracer      trace.Tracer // nil: no spans
}

// The outcomes of a call, for the metrics.
const (
	callAnswered     = "answered"
	callFailed       = "failed"    // by the provider
	callLimited      = "limited"   // refused by the provider's rate limit
	callCanceled     = "forgone"   // cancelled by the caller
	callDeferredOpen = "held_open" // not made: the breaker was open
	callDeferredBusy = "held_busy" // not made: no slot became free in time
	callDeferredRate = "held_rate" // not made: it would exceed our own rate limit
)

var (
	errBreakerOpen = errors.New("the provider is failing, no calls are made for a moment")
	errBusy        = errors.New("too many calls to the provider are in flight")
)

func newGuardedProvider(p Provider, c resilience) *guardedProvider {
	return &guardedProvider{
		Provider: p, resilience: c, slots: make(chan struct{}, c.maxInFlight), rates: newCallRates(c.rate), lookups: newAside(),
		limits: rate.Sometimes{Interval: limitLogInterval}, now: time.Now, opened: make(chan struct{}), deferred: map[uuid.UUID]deferral{},
	}
}

func (g *guardedProvider) Authorize(ctx context.Context, c Call) (Answer, error) {
	return resilientCall(ctx, g, opAuthorize, c, g.Provider.Authorize)
}

func (g *guardedProvider) Capture(ctx context.Context, c Call) (Answer, error) {
	return resilientCall(ctx, g, opCapture, c, g.Provider.Capture)
}

func (g *guardedProvider) Void(ctx context.Context, c Call) (Answer, error) {
	return resilientCall(ctx, g, opVoid, c, g.Provider.Void)
}

func (g *guardedProvider) Refund(ctx context.Context, c Call) (Answer, error) {
	return resilientCall(ctx, g, opRefund, c, g.Provider.Refund)
}

func (g *guardedProvider) LookUp(ctx context.Context, c Call) (Report, error) {
	return resilientCall(ctx, g, opLookUp, c, g.Provider.LookUp)
}

// resilientCall makes a call, or returns a Transient error without making it.
func resilientCall[T any](
	ctx context.Context, g *guardedProvider, op Operation, c Call, call func(context.Context, Call) (T, error),
) (answer T, err error) {
	began, outcome := g.now(), callFailed // a panic is a failure
	ctx, span := g.startCall(ctx, op, c)
	defer func() {
		g.called(ctx, g.Name(), string(op), outcome, g.now().Sub(began))
		endCall(span, outcome)
	}()
	generation, err := g.acquire(ctx, op, c)
	if err != nil {
		outcome = deferredOutcome(err)
		return answer, &Transient{err}
	}
	defer func() { g.release(ctx, generation, c, outcome) }()
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	failpoint.Reach(failpoint.BeforeCall, string(op))
	answer, err = call(limited, c)
	failpoint.Reach(failpoint.AfterCall, string(op))
	if outcome = callOutcome(ctx, err); outcome == callLimited {
		g.limits.Do(func() {
			g.log.WarnContext(ctx, "the payment provider limits the rate of calls: lower PAYMENT_RATE", "provider", g.Name())
		})
	}
	return answer, err
}

// limitLogInterval is the time between two log lines about the provider's rate limit.
const limitLogInterval = 10 * time.Second

// isDeferred reports whether an error says that a call must wait. It was not made, or the provider's rate limit refused it.
func isDeferred(err error) bool {
	_, limited := isLimited(err)
	return limited || errors.Is(err, errBreakerOpen) || errors.Is(err, errBusy)
}

// isLimited reports whether an error is of a rate limit, and the time until the call may be made.
func isLimited(err error) (after time.Duration, limited bool) {
	l := (*RateLimited)(nil)
	if errors.As(err, &l) {
		return l.After, true
	}
	return 0, false
}

func deferredOutcome(err error) string {
	switch {
	case errors.Is(err, errBreakerOpen):
		return callDeferredOpen
	case errors.Is(err, errBusy):
		return callDeferredBusy
	case isDeferred(err):
		return callDeferredRate
	}
	return callCanceled
}

// acquire waits for the rate limit, takes a slot, and asks the breaker.
func (g *guardedProvider) acquire(ctx context.Context, op Operation, c Call) (generation int, err error) {
	if !g.breakerAllows(c.caller()) {
		return 0, errBreakerOpen
	}
	if err := g.waitForRate(ctx, op, c, longestInLine); err != nil {
		return 0, err
	}
	if err := g.waitForSlot(ctx, c.caller()); err != nil {
		return 0, err
	}
	generation, ok := g.allow(c.caller())
	if !ok {
		<-g.slots
		return 0, errBreakerOpen
	}
	return generation, nil
}

// waitForSlot waits for a free slot, at most as long as a call may take.
func (g *guardedProvider) waitForSlot(ctx context.Context, caller string) error {
	g.mu.Lock()
	opened, mayAsk := g.opened, g.breaker.wouldAllow(g.now(), caller)
	g.mu.Unlock()
	if !mayAsk {
		return errBreakerOpen
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(g.timeout)
	defer t.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-opened:
		return errBreakerOpen
	case <-t.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *guardedProvider) allow(caller string) (generation int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.stateChanged(g.breaker.state())
	return g.breaker.allow(g.now(), caller, g.timeout)
}

// release reports the end of a call to the breaker and frees its slot.
func (g *guardedProvider) release(ctx context.Context, generation int, c Call, outcome string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	<-g.slots
	defer g.stateChanged(g.breaker.state())
	if outcome == callCanceled || outcome == callLimited {
		g.breaker.cancel(g.now(), generation)
		return
	}
	g.breaker.record(g.now(), generation, c.caller(), outcome == callFailed)
}

// stateChanged logs a change of the breaker's state. When the breaker opens, stateChanged ends all waits for a slot.
func (g *guardedProvider) stateChanged(was breakerState) {
	is := g.breaker.state()
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

// maxDeferred limits the number of deferred callers. The others try again by themselves, only later.
const maxDeferred = 10_000

// deferCaller notes a caller whose call must wait, or failed while the breaker was not closed. Run tells it when to try again.
func (g *guardedProvider) deferCaller(correlation uuid.UUID, caller string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	after, _ := isLimited(err)
	unavailable := isDeferred(err) || g.breaker.state() != closed
	if unavailable && len(g.deferred) < maxDeferred {
		g.deferred[correlation] = deferral{caller, g.now().Add(after)}
	}
}

const resumeInterval = 100 * time.Millisecond

// Run tells deferred callers when to try again, until ctx is done: one while the provider is tested, and then as many as there are free
// slots.
func (g *guardedProvider) Run(ctx context.Context) {
	t := time.NewTicker(resumeInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		for _, id := range g.takeResumable() {
			select {
			case g.resume <- id:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (g *guardedProvider) takeResumable() (ids []uuid.UUID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := cap(g.slots) - len(g.slots)
	if g.breaker.state() != closed {
		n = min(n, 1)
	}
	for id, d := range g.deferred {
		if d.at.After(g.now()) || !g.breaker.wouldAllow(g.now(), d.caller) {
			continue
		}
		if n--; n < 0 {
			break
		}
		delete(g.deferred, id)
		ids = append(ids, id)
	}
	return ids
}

// Health describes a provider, as this process sees it.
type Health struct {
	Name     string
	Breaker  string // closed, half_open or open
	InFlight int    // calls
	Deferred int    // deferred checkouts, refunds and cancellations
}

// Health returns the health of each provider.
func (m *Module) Health() []Health {
	all := make([]Health, len(m.providers))
	for i, g := range m.providers {
		g.mu.Lock()
		all[i] = Health{g.Name(), string(g.breaker.state()), len(g.slots), len(g.deferred)}
		g.mu.Unlock()
	}
	return all
}

// Unwrap returns the guarded provider.
func (g *guardedProvider) Unwrap() Provider { return g.Provider }
