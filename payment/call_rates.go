package payment

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"shopping-cart/platform/backoff"
)

// Rate is so many calls a second on average, and so many at once. The zero Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// callRates keeps the calls of each operation below a rate, so that the provider's own limit is seldom reached. One caller gets a quarter of it. A
// call beyond the rate gets a time slot: repeated then, it is made. So calls wait in the order in which they came, and a caller with many calls
// waits for its own share, in nobody's way.
type callRates struct {
	limit   Rate
	mu      sync.Mutex
	all     map[Operation]*rate.Limiter
	callers *simplelru.LRU[string, *rate.Limiter] // by operation and caller
	slots   map[string]timeSlot                   // by the key of a deferred call
}

// timeSlot is the earliest time of a deferred call.
type timeSlot struct {
	at      time.Time
	granted bool // by the rate of all callers, too
}

const (
	callerShare    = 4      // one caller gets the rate divided by this
	maxCallers     = 10_000 // with buckets; the one that called least recently makes room
	maxSlots       = 10_000
	slotKept       = time.Minute // after its time
	longestInLine  = time.Second // a call waits for so long; a later one is deferred
	forgottenAfter = time.Second // wait of a call that got no slot
)

func newCallRates(limit Rate) *callRates {
	callers, _ := simplelru.NewLRU[string, *rate.Limiter](maxCallers, nil) // it fails only without a size
	return &callRates{limit: limit, all: map[Operation]*rate.Limiter{}, callers: callers, slots: map[string]timeSlot{}}
}

// reserve returns 0 if a call may be made now, or else the time after which the same call may be made.
func (r *callRates) reserve(op Operation, c Call, now time.Time) time.Duration {
	if r.limit == (Rate{}) {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	slot, known := r.slots[c.Key]
	if !known {
		slot.at = now.Add(delay(r.share(op, c.caller()), now))
	}
	if !slot.at.After(now) && !slot.granted {
		slot = timeSlot{now.Add(delay(r.limiter(op), now)), true}
	}
	if !slot.at.After(now) {
		delete(r.slots, c.Key)
		return 0
	}
	if known || r.hasRoom(now) {
		r.slots[c.Key] = slot
		return slot.at.Sub(now)
	}
	return max(forgottenAfter, slot.at.Sub(now))
}

func delay(l *rate.Limiter, now time.Time) time.Duration { return l.ReserveN(now, 1).DelayFrom(now) }

// limiter returns the bucket of an operation.
func (r *callRates) limiter(op Operation) *rate.Limiter {
	if r.all[op] == nil {
		r.all[op] = rate.NewLimiter(rate.Limit(r.limit.PerSecond), r.limit.Burst)
	}
	return r.all[op]
}

// share returns the bucket of a caller.
func (r *callRates) share(op Operation, caller string) *rate.Limiter {
	id := string(op) + " " + caller
	l, ok := r.callers.Get(id)
	if !ok {
		l = rate.NewLimiter(rate.Limit(r.limit.PerSecond/callerShare), max(1, r.limit.Burst/callerShare))
		r.callers.Add(id, l)
	}
	return l
}

// hasRoom drops the slots that nobody used, if there are many.
func (r *callRates) hasRoom(now time.Time) bool {
	if len(r.slots) >= maxSlots {
		for key, slot := range r.slots {
			if now.Sub(slot.at) > slotKept {
				delete(r.slots, key)
			}
		}
	}
	return len(r.slots) < maxSlots
}

// waitForRate waits until a call may be made, or returns a RateLimited error if that takes longer than most.
func (g *guardedProvider) waitForRate(ctx context.Context, op Operation, c Call, most time.Duration) error {
	for {
		wait := g.rates.reserve(op, c, g.now())
		switch {
		case wait == 0:
			return nil
		case wait > most:
			return &RateLimited{After: wait}
		case !backoff.Sleep(ctx, wait):
			return ctx.Err()
		}
	}
}
