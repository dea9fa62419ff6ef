package eventstore

import (
	"sync"
	"time"
)

// Watermark is how far a sweep by time has come, by the database's clock. What was handled leaves a dead entry in the
// index of times, and a snapshot that somebody holds open keeps it there. A sweep that looked at all that was ever due
// would walk over more and more of them; one that begins at the mark meets those of the last minutes only.
//
// What was not yet committed when a sweep went by may lie below it. So the mark stays back by a slack, well above the
// longest time from when a row says that it is due to its commit; and every now and then a sweep begins at the
// beginning, whatever the mark says.
type Watermark struct {
	slack, again time.Duration

	mu    sync.Mutex
	mark  time.Time // nothing is due before
	began time.Time // when the sweep under way began; zero: none is
	at    time.Time // how far it has come
	all   bool      // it began at the beginning
	full  time.Time // by our own clock: when one shall begin there again
	seen  time.Time // the database's time at the latest look
}

// stepBack is how far the database's clock may go back unnoticed.
const stepBack = time.Second

// NewWatermark makes a mark that stays slack behind. About as often as again says, a sweep begins at the beginning.
func NewWatermark(slack, again time.Duration) *Watermark {
	return &Watermark{slack: slack, again: again}
}

// From is the time that the next look of the sweep begins at.
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

// Advance tells what a look found at now, in order of time: rows up to last, and perhaps more behind them. Without more the
// sweep is over, and the mark moves.
//
// The clock may have gone back since the look before, as after a failover. Then the next sweep begins at the beginning,
// and back is the time that the old clock showed: rows may be due by that clock and not by the new one.
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
	l.mark = l.began.Add(-l.slack) // of the sweep's begin: what was committed later may be due before its end
	if l.all {
		l.full = time.Now().Add(jitter(l.again))
	}
	l.began = time.Time{}
	return back
}

// Skip passes over the last row that was looked at, and those of the same time.
func (l *Watermark) Skip() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = l.at.Add(time.Microsecond)
}

// Mark is the time before which nothing is due; zero while that is not known. Whoever asks for all that is due may
// begin there.
func (l *Watermark) Mark() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark
}
