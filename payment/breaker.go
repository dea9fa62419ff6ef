package payment

import "time"

// breaker decides whether the provider may be called. It is pure: the caller passes the time.
//
//	closed ── half of 10 or more votes in 10 s failed ──► open ── a pause later, one call ──► half-open ── answered ──► closed
//	                                                       ▲                                    │
//	                                                       └───────────── it failed ────────────┘
//
// A caller has one vote in the window: its first call. So the calls of one address that always fail do not open the breaker for all: that takes
// five addresses, and ten in the window. A caller whose call failed tests the provider only if nobody else did in another pause, so that such calls
// do not keep the breaker open.
//
// A call counts only if no change of state happened while it ran: an older call tells nothing about the new state.
type breaker struct {
	generation int             // number of changes of state
	retryAt    time.Time       // zero: closed; otherwise the earliest time of the next test call
	probing    bool            // a call tests the provider; at retryAt it counts as lost
	votes      []vote          // oldest first
	voted      map[string]bool // the callers of the votes
	failed     int             // number of failed votes
	suspects   map[string]bool // callers with failed calls, unless the breaker is closed
}

// vote is a completed call.
type vote struct {
	at     time.Time
	caller string
	failed bool
}

const (
	breakerWindow   = 10 * time.Second
	breakerMinVotes = 10
	breakerPause    = 2 * time.Second // until a call tests the provider
	maxSuspects     = 10_000
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
func (b *breaker) wouldAllow(now time.Time, caller string) bool {
	switch {
	case b.retryAt.IsZero():
		return true
	case b.suspects[caller]:
		return !now.Before(b.retryAt.Add(breakerPause))
	}
	return !now.Before(b.retryAt)
}

// allow reports whether a call is allowed, and its generation, for record and cancel. After the pause, the first call tests the provider. If it takes
// longer than timeout, it counts as lost, and another call tests.
func (b *breaker) allow(now time.Time, caller string, timeout time.Duration) (generation int, ok bool) {
	if !b.wouldAllow(now, caller) {
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
	if failed && !b.retryAt.IsZero() {
		b.suspect(caller)
	}
	switch {
	case generation != b.generation:
	case b.probing && failed:
		b.open(now)
	case b.probing:
		*b = breaker{generation: b.generation + 1}
	default:
		b.add(vote{now, caller, failed})
		if len(b.votes) >= breakerMinVotes && 2*b.failed >= len(b.votes) {
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
	for _, v := range b.votes {
		if v.failed {
			b.suspect(v.caller)
		}
	}
	*b = breaker{generation: b.generation + 1, retryAt: now.Add(breakerPause), suspects: b.suspects}
}

func (b *breaker) suspect(caller string) {
	if b.suspects == nil || len(b.suspects) >= maxSuspects {
		b.suspects = map[string]bool{}
	}
	b.suspects[caller] = true
}

func (b *breaker) add(v vote) {
	for len(b.votes) > 0 && v.at.Sub(b.votes[0].at) >= breakerWindow {
		b.dropOldest()
	}
	if b.voted[v.caller] {
		return
	}
	if b.voted == nil {
		b.voted = map[string]bool{}
	}
	b.voted[v.caller] = true
	b.votes = append(b.votes, v)
	if v.failed {
		b.failed++
	}
}

func (b *breaker) dropOldest() {
	v := b.votes[0]
	b.votes = b.votes[1:]
	delete(b.voted, v.caller)
	if v.failed {
		b.failed--
	}
}
