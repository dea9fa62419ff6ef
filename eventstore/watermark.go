package eventstore

import (
	"sync"
	"time"

	"shopping-cart/platform/backoff"
)

// Watermark is how far a scan by time has come, by the database's clock. Handled rows leave dead entries in the index on the
// time, and an open snapshot keeps them there. A scan of everything that was ever due would visit more and more of them. A
// scan from the watermark visits only those of the last minutes.
//
// Rows that were not committed during a scan may lie below it. So the watermark stays behind by a slack, which must be well
// above the longest time between the due time of a row and its commit. From time to time a scan begins at the start,
// regardless of the watermark.
type Watermark struct {
	slack, again time.Duration

	mu    sync.Mutex
	mark  time.Time // nothing is due before
	began time.Time // when the current scan began; zero if there is none
	at    time.Time // how far it has come
	all   bool      // the scan began at the start
	full  time.Time // when the next scan from the start is due, by our own clock
	seen  time.Time // the database's time at the latest step
}

// stepBack is how far the database's clock may go back without notice.
const stepBack = time.Second

// NewWatermark returns a watermark that stays behind by slack. A scan begins at the start about as often as again says.
func NewWatermark(slack, again time.Duration) *Watermark {
	return &Watermark{slack: slack, again: again}
}

// From returns where the next step of the scan begins.
func (l *Watermark) From() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.began.IsZero() {
		return l.at
	}
	if l.all = !time.Now().Before(l.full); l.all {
		return time.Time{}
	}
	return l.mark
}

// Advance records a step at now, which found rows in order of time up to last. more says that there may be further rows.
// Without more the scan ends and the watermark moves.
//
// The clock may have gone back since the previous step, for example after a failover. Then the next scan begins at the
// start, and back is the time that the old clock showed: rows may be due by that clock only.
func (l *Watermark) Advance(now, last time.Time, more bool) (back time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	if l.seen = now; now.Before(seen.Add(-stepBack)) {
		l.mark, l.began, l.full = time.Time{}, time.Time{}, time.Time{}
		return seen
	}
	if l.began.IsZero() {
		l.began = now
	}
	if more {
		l.at = last
		return back
	}
	l.mark = l.began.Add(-l.slack) // relative to the start of the scan: rows that were committed later may be due before its end
	if l.all {
		l.full = time.Now().Add(backoff.Jitter(l.again))
	}
	l.began = time.Time{}
	return back
}

// Skip moves past the last row and other rows of the same time.
func (l *Watermark) Skip() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = l.at.Add(time.Microsecond)
}

// Mark returns the time before which nothing is due, or zero while that is not known. Queries for due rows may begin there.
func (l *Watermark) Mark() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark
}
