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
	round   int            // number of changes of state
	until   time.Time      // zero: closed; otherwise the earliest time of the next test call
	probing bool           // a call tests the provider; at until it counts as lost
	recent  []vote         // oldest first
	votes   map[string]int // number of samples
	failed  int            // number of failed samples
}

// vote is a completed call.
type vote struct {
	at     time.Time
	who    string
	failed bool
}

const (
	breakerWindow = 10 * time.Second
	breakerCalls  = 20
	breakerPause  = 2 * time.Second // until a call tests the provider

	// votesEach limits the samples of one shopper in a window. A checkout makes two calls. So one shopper's card that always hangs does not
	// open the breaker for all: that takes ten shoppers.
	votesEach = 2
)

// standing is the state of a breaker.
type standing string

const (
	closed   standing = "closed"    // all calls are made
	opened   standing = "open"      // no call is made
	halfOpen standing = "half_open" // one call is made
)

func (b *breaker) standing() standing {
	switch {
	case b.until.IsZero():
		return closed
	case b.probing:
		return halfOpen
	}
	return opened
}

// mayAsk reports whether ask would allow a call.
func (b *breaker) mayAsk(now time.Time) bool { return b.until.IsZero() || !now.Before(b.until) }

// ask reports whether a call is allowed, and its round, for told and forgo. After the pause, the first call tests the provider. If it takes
// longer than timeout, it counts as lost, and another call tests.
func (b *breaker) ask(now time.Time, timeout time.Duration) (round int, ok bool) {
	if !b.mayAsk(now) {
		return 0, false
	}
	if !b.until.IsZero() {
		b.round++
		b.probing, b.until = true, now.Add(timeout+breakerPause)
	}
	return b.round, true
}

// told records a completed call. A refusal for business reasons is no failure.
func (b *breaker) told(now time.Time, round int, caller string, failed bool) {
	switch {
	case round != b.round:
	case b.probing && failed:
		b.open(now)
	case b.probing:
		*b = breaker{round: b.round + 1}
	default:
		b.count(vote{now, caller, failed})
		if len(b.recent) >= breakerCalls && 2*b.failed >= len(b.recent) {
			b.open(now)
		}
	}
}

// forgo ends a call that its caller cancelled. It does not count. If it was the test, the next call tests.
func (b *breaker) forgo(now time.Time, round int) {
	if round == b.round && b.probing {
		b.round++
		b.probing, b.until = false, now
	}
}

func (b *breaker) open(now time.Time) {
	*b = breaker{round: b.round + 1, until: now.Add(breakerPause)}
}

func (b *breaker) count(v vote) {
	for len(b.recent) > 0 && v.at.Sub(b.recent[0].at) >= breakerWindow {
		b.forget()
	}
	if b.votes[v.who] == votesEach {
		return
	}
	if b.votes == nil {
		b.votes = map[string]int{}
	}
	b.votes[v.who]++
	b.recent = append(b.recent, v)
	if v.failed {
		b.failed++
	}
}

func (b *breaker) forget() {
	v := b.recent[0]
	b.recent = b.recent[1:]
	if b.votes[v.who]--; b.votes[v.who] == 0 {
		delete(b.votes, v.who)
	}
	if v.failed {
		b.failed--
	}
}
