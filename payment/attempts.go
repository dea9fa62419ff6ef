package payment

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
)

// attempts remembers the counters of declined payments that this process has seen, and the charges that it makes for each. Of one counter no more
// charges run at once than may still be declined, so that charges at the same time do not exceed its limit.
type attempts struct {
	mu sync.Mutex
	by map[uuid.UUID]attempt
}

// attempt is the memory of one counter.
type attempt struct {
	running int       // charges
	count   int       // declined payments
	until   time.Time // end of their window
}

const (
	maxAttempts = 10_000
	attemptWait = time.Second // until a charge that must wait for others tries again
)

// countAt returns the number of declined payments in the window.
func (a attempt) countAt(now time.Time) int {
	if now.Before(a.until) {
		return a.count
	}
	return 0
}

// begin begins a charge, unless as many run as may still be declined. A counter beyond its limit lets it begin: then the charge is refused.
func (a *attempts) begin(all []counter, now time.Time) (end func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range all {
		one := a.by[c.id]
		if one.running > 0 && one.running >= c.limit-one.countAt(now) {
			return nil, false
		}
	}
	a.add(all, 1, now)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.add(all, -1, now)
	}, true
}

func (a *attempts) add(all []counter, n int, now time.Time) {
	for _, c := range all {
		one := a.by[c.id]
		one.running += n
		a.put(c.id, one, now)
	}
}

// put stores a counter, or drops it if it tells nothing.
func (a *attempts) put(id uuid.UUID, one attempt, now time.Time) {
	if one.running == 0 && one.countAt(now) == 0 {
		delete(a.by, id)
		return
	}
	if len(a.by) >= maxAttempts {
		a.drop(func(of attempt) bool { return of.running == 0 && of.countAt(now) == 0 })
	}
	if len(a.by) >= maxAttempts {
		a.drop(func(of attempt) bool { return of.running == 0 })
	}
	a.by[id] = one
}

// drop drops counters. Their streams remember them.
func (a *attempts) drop(these func(attempt) bool) {
	maps.DeleteFunc(a.by, func(_ uuid.UUID, of attempt) bool { return these(of) })
}

// learn remembers the count of a counter.
func (a *attempts) learn(id uuid.UUID, count int, until, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.by[id]
	one.count, one.until = count, until
	a.put(id, one, now)
}

// wait returns the longest time until one of the counters permits a payment, and whose counter it is, or 0.
func (a *attempts) wait(all []counter, now time.Time) (wait time.Duration, by string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range all {
		if one := a.by[c.id]; one.countAt(now) >= c.limit && one.until.Sub(now) > wait {
			wait, by = one.until.Sub(now), c.by
		}
	}
	return wait, by
}
