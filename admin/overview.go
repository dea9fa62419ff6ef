package admin

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"shopping-cart/saga"
)

const (
	overviewFor      = time.Hour        // the span of the chart of checkouts
	overviewFresh    = time.Second      // the maximum age of an overview
	overviewRecent   = 5 * time.Minute  // unfinished minutes of this age are counted each time
	overviewAgain    = 30 * time.Second // older ones are counted so often
	overviewAtOnce   = 10               // minutes in one query; its result stays known if the next query times out
	bucketsPerDecade = 40               // buckets of the histogram of durations for a factor of ten; the error is at most 3 %
)

// minutes caches the counts of the checkouts of the last hour by the minute in which they began. A minute whose checkouts have all ended is
// never counted again.
type minutes struct {
	sagas *saga.Module

	mu sync.Mutex
	by map[int64]*minute // by Unix time / 60
}

// minute counts the checkouts that began in it.
type minute struct {
	by     map[saga.Status]int
	took   map[int]int // completed checkouts, by the bucket of the histogram
	readAt time.Time
	final  bool
}

// update counts the minutes of the last hour that may have changed.
func (m *minutes) update(ctx context.Context, now time.Time) error {
	last := now.Unix() / 60
	first := last - int64(overviewFor/time.Minute) + 1
	for at := range m.by {
		if at < first {
			delete(m.by, at)
		}
	}
	for at := first; at <= last; at++ {
		if m.fresh(at, last, now) {
			continue
		}
		end := at
		for end < last && end-at < overviewAtOnce-1 && !m.fresh(end+1, last, now) {
			end++
		}
		if err := m.read(ctx, at, end, last, now); err != nil {
			return err
		}
		at = end
	}
	return nil
}

func (m *minutes) fresh(at, last int64, now time.Time) bool {
	known := m.by[at]
	return known != nil && (known.final || time.Duration(last-at)*time.Minute > overviewRecent && now.Sub(known.readAt) < overviewAgain)
}

// read counts the minutes from first to end.
func (m *minutes) read(ctx context.Context, first, end, last int64, now time.Time) error {
	counted, err := m.sagas.CountBegun(ctx, first, end, bucketsPerDecade)
	if err != nil {
		return err
	}
	for at := first; at <= end; at++ {
		m.by[at] = &minute{by: map[saga.Status]int{}, took: map[int]int{}, readAt: now}
	}
	for _, c := range counted {
		one := m.by[c.Minute]
		one.by[c.Status] += c.Count
		if c.Status == saga.Completed {
			one.took[c.Bucket] += c.Count
		}
	}
	for at := first; at < min(end+1, last-1); at++ { // a checkout that begins late in a minute may be committed in the next
		m.by[at].final = m.by[at].unfinished() == 0
	}
	return nil
}

func (m *minute) unfinished() (n int) {
	for status, count := range m.by {
		if !status.Ended() {
			n += count
		}
	}
	return n
}

// percentile returns the duration that a share of the completed checkouts did not exceed, in seconds; 0 if there are none.
func percentile(took map[int]int, share float64) float64 {
	steps, all := []int(nil), 0
	for step, n := range took {
		steps, all = append(steps, step), all+n
	}
	slices.Sort(steps)
	for passed, i := 0, 0; i < len(steps); i++ {
		if passed += took[steps[i]]; float64(passed) >= share*float64(all) {
			return math.Round(math.Pow(10, float64(steps[i])/bucketsPerDecade)) / 1000
		}
	}
	return 0
}

// checkouts returns the checkouts of the last hour by minute, oldest first.
func (m *minutes) checkouts(ctx context.Context, now time.Time) (CheckoutsView, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[int64]*minute{}
	}
	if err := m.update(ctx, now); err != nil {
		return CheckoutsView{}, err
	}
	view, took, last := CheckoutsView{}, map[int]int{}, now.Unix()/60
	for at := last - int64(overviewFor/time.Minute) + 1; at <= last; at++ {
		one := m.by[at]
		for step, n := range one.took {
			took[step] += n
		}
		view.Minutes = append(view.Minutes, MinuteView{
			Minute: time.Unix(at*60, 0).UTC(), Completed: one.by[saga.Completed], Failed: one.by[saga.Failed], Cancelled: one.by[saga.Cancelled],
			NeedsAttention: one.by[saga.NeedsAttention], Running: one.unfinished() - one.by[saga.NeedsAttention],
			P50Seconds: percentile(one.took, 0.50), P95Seconds: percentile(one.took, 0.95),
		})
	}
	view.P50Seconds, view.P95Seconds = percentile(took, 0.50), percentile(took, 0.95)
	return view, nil
}

// unfinished counts the sagas that have not ended, by type.
func (m *Module) unfinished(ctx context.Context) ([]UnfinishedView, error) {
	counted, err := m.Sagas.CountUnfinished(ctx)
	if err != nil {
		return nil, err
	}
	views := []UnfinishedView{}
	for _, kind := range saga.Types() {
		views = append(views, UnfinishedView{Type: kind})
	}
	for _, c := range counted {
		i := slices.IndexFunc(views, func(v UnfinishedView) bool { return v.Type == c.Type })
		if i < 0 { // of a newer version of the program
			views = append(views, UnfinishedView{Type: c.Type})
			i = len(views) - 1
		}
		views[i].count(c.Status, c.Count, c.OldestAgeSeconds)
	}
	return views, nil
}

func (v *UnfinishedView) count(s saga.Status, n int, age float64) {
	switch s {
	case saga.Running:
		v.Running += n
	case saga.RequiresAction:
		v.RequiresAction += n
	case saga.Compensating:
		v.Compensating += n
	case saga.NeedsAttention:
		v.NeedsAttention += n
	case saga.Completed, saga.Failed, saga.Cancelled: // they have no timer
	}
	v.OldestAgeSeconds = max(v.OldestAgeSeconds, age)
}
