package payment

import "time"

// breaker decides whether a provider is asked at all. It is pure: whoever calls it tells the time.
//
//	closed ── half of 20 or more calls in 10 s failed ──► open ── a pause later, one call ──► half-open ── answered ──► closed
//	                                                       ▲                                    │
//	                                                       └───────────── it failed ────────────┘
//
// Only what is asked between two changes says anything about the next one: a call that hung since before is no news.
type breaker struct {
	round   int            // of changes
	until   time.Time      // zero: closed; or else when a call may try
	probing bool           // one tries just now; at until it is taken for lost
	recent  []vote         // oldest first
	votes   map[string]int // by who asked
	failed  int            // of the recent ones
}

// vote is a call that came to an end.
type vote struct {
	at     time.Time
	who    string
	failed bool
}

const (
	breakerWindow = 10 * time.Second
	breakerCalls  = 20              // fewer say nothing
	breakerPause  = 2 * time.Second // until a call tries whether the provider is back

	// What one shopper's calls count for in a window: a check-out makes two. However often a card that hangs is tried, it
	// takes ten shoppers to stop all the others.
	votesEach = 2
)

// standing is where a breaker stands.
type standing string

const (
	closed   standing = "closed"    // every call goes through
	opened   standing = "open"      // none does
	halfOpen standing = "half_open" // one does
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

// mayAsk reports whether a call would go through.
func (b *breaker) mayAsk(now time.Time) bool { return b.until.IsZero() || !now.Before(b.until) }

// ask lets a call through, or does not. Its end is told with the round that it began in. After the pause the first one
// tries for all; it is taken for lost when it takes longer than longest, and then another one tries.
func (b *breaker) ask(now time.Time, longest time.Duration) (round int, ok bool) {
	if !b.mayAsk(now) {
		return 0, false
	}
	if !b.until.IsZero() {
		b.round++
		b.probing, b.until = true, now.Add(longest+breakerPause)
	}
	return b.round, true
}

// told hears how a call ended: whether the provider failed it, which a business answer never is.
func (b *breaker) told(now time.Time, round int, who string, failed bool) {
	switch {
	case round != b.round:
	case b.probing && failed:
		b.open(now)
	case b.probing:
		*b = breaker{round: b.round + 1}
	default:
		b.count(vote{now, who, failed})
		if len(b.recent) >= breakerCalls && 2*b.failed >= len(b.recent) {
			b.open(now)
		}
	}
}

// forgo hears that a call was given up by ourselves, which says nothing. If it was to try, the next one does.
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
		b.forget(b.recent[0])
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

// forget drops the oldest vote.
func (b *breaker) forget(v vote) {
	b.recent = b.recent[1:]
	if b.votes[v.who]--; b.votes[v.who] == 0 {
		delete(b.votes, v.who)
	}
	if v.failed {
		b.failed--
	}
}
