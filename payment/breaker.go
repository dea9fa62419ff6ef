package payment

import "time"

// breaker decides whether the provider may be called. It is pure: the caller passes the time.
//
//	closed ── half of 20 or more calls in 10 s failed ──► open ── a pause later, one call ──► half-open ── answered ──► closed
//	                                                       ▲                                    │
//	                                                       └───────────── it failed ────────────┘
//
// A call counts only if no change of state happened while it ran: an older call tells nothing about the new state.
type breaker struct {
	generation int            // number of changes of state
	retryAt    time.Time      // zero: closed; otherwise the earliest time of the next test call
	probing    bool           // a call tests the provider; at retryAt it counts as lost
	samples    []sample       // oldest first
	perCaller  map[string]int // number of samples
	failed     int            // number of failed samples
}

// sample is a completed call.
type sample struct {
	at     time.Time
	caller string
	failed bool
}

const (
	breakerWindow     = 10 * time.Second
	breakerMinSamples = 20
	breakerPause      = 2 * time.Second // until a call tests the provider

	// samplesPerCaller limits the samples of one shopper in a window. A checkout makes two calls. So one shopper's card that always hangs does not
	// open the breaker for all: that takes ten shoppers.
	samplesPerCaller = 2
)

// breakerState is the state of a breaker.
type breakerState string

const (
	closed   breakerState = "closed"    // all calls are made
	opened   breakerState = "open"      // no call is made
	halfOpen breakerState = "half_open" // one call is made
)

func (b *breaker) state() breakerState {
	switch {
	case b.retryAt.IsZero():
		return closed
	case b.probing:
		return halfOpen
	}
	return opened
}

// wouldAllow reports whether allow would allow a call.
func (b *breaker) wouldAllow(now time.Time) bool { return b.retryAt.IsZero() || !now.Before(b.retryAt) }

// allow reports whether a call is allowed, and its generation, for record and cancel. After the pause, the first call tests the provider. If it takes
// longer than timeout, it counts as lost, and another call tests.
func (b *breaker) allow(now time.Time, timeout time.Duration) (generation int, ok bool) {
	if !b.wouldAllow(now) {
		return 0, false
	}
	if !b.retryAt.IsZero() {
		b.generation++
		b.probing, b.retryAt = true, now.Add(timeout+breakerPause)
	}
	return b.generation, true
}

// record adds a completed call. A refusal for business reasons is no failure.
func (b *breaker) record(now time.Time, generation int, caller string, failed bool) {
	switch {
	case generation != b.generation:
	case b.probing && failed:
		b.open(now)
	case b.probing:
		*b = breaker{generation: b.generation + 1}
	default:
		b.add(sample{now, caller, failed})
		if len(b.samples) >= breakerMinSamples && 2*b.failed >= len(b.samples) {
			b.open(now)
		}
	}
}

// cancel ends a call that its caller cancelled. It does not count. If it was the test, the next call tests.
func (b *breaker) cancel(now time.Time, generation int) {
	if generation == b.generation && b.probing {
		b.generation++
		b.probing, b.retryAt = false, now
	}
}

func (b *breaker) open(now time.Time) {
	*b = breaker{generation: b.generation + 1, retryAt: now.Add(breakerPause)}
}

func (b *breaker) add(v sample) {
	for len(b.samples) > 0 && v.at.Sub(b.samples[0].at) >= breakerWindow {
		b.dropOldest()
	}
	if b.perCaller[v.caller] == samplesPerCaller {
		return
	}
	if b.perCaller == nil {
		b.perCaller = map[string]int{}
	}
	b.perCaller[v.caller]++
	b.samples = append(b.samples, v)
	if v.failed {
		b.failed++
	}
}

func (b *breaker) dropOldest() {
	v := b.samples[0]
	b.samples = b.samples[1:]
	if b.perCaller[v.caller]--; b.perCaller[v.caller] == 0 {
		delete(b.perCaller, v.caller)
	}
	if v.failed {
		b.failed--
	}
}
