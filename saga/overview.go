package saga

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	overviewFor    = time.Hour        // what the chart of checkouts spans
	overviewFresh  = time.Second      // how old an overview may be when it is answered
	overviewRecent = 5 * time.Minute  // minutes so young are read each time while something in them is unfinished
	overviewAgain  = 30 * time.Second // and older ones so often
	overviewAtOnce = 10               // minutes that one query counts: what it read stays known when there is no time for the next one
	perDecade      = 40               // steps of the histogram of durations for a factor of ten: 3 % from its true value at most
)

// minutes are the checkouts of the last hour, by the minute that they began in. A minute whose checkouts have all ended is never
// read again: so it costs little to follow a busy shop.
type minutes struct {
	query *pgxpool.Pool

	mu sync.Mutex
	by map[int64]*minute // by Unix time / 60
}

// minute is what began in it.
type minute struct {
	by     map[Status]int
	took   map[int]int // completed checkouts, by the step of the histogram
	readAt time.Time
	final  bool
}

// countedMinutes counts by the index of the newest sagas. Those that are no checkouts have a key.
const countedMinutes = `select floor(extract(epoch from created_at) / 60)::int8, status,
		case when status = 'completed' then ceil(log(greatest(extract(epoch from updated_at - created_at)::numeric * 1000, 1)) * $3)::int4 else 0 end,
		count(*)
	from saga.streams where kind = 'saga' and key is null and created_at >= $1 and created_at < $2 group by 1, 2, 3`

// follow reads the minutes of the hour before now that may have changed.
func (m *minutes) follow(ctx context.Context, now time.Time) error {
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

// read counts the minutes from first to end anew.
func (m *minutes) read(ctx context.Context, first, end, last int64, now time.Time) error {
	rows, err := m.query.Query(ctx, countedMinutes, time.Unix(first*60, 0), time.Unix((end+1)*60, 0), perDecade)
	if err != nil {
		return fmt.Errorf("count checkouts: %w", err)
	}
	for at := first; at <= end; at++ {
		m.by[at] = &minute{by: map[Status]int{}, took: map[int]int{}, readAt: now}
	}
	var at int64
	var status Status
	var step, n int
	if _, err = pgx.ForEachRow(rows, []any{&at, &status, &step, &n}, func() error {
		one := m.by[at]
		one.by[status] += n
		if status == Completed {
			one.took[step] += n
		}
		return nil
	}); err != nil {
		for at := first; at <= end; at++ {
			delete(m.by, at)
		}
		return fmt.Errorf("count checkouts: %w", err)
	}
	for at := first; at < min(end+1, last-1); at++ { // what begins late in a minute may be committed in the next
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

// percentile is the time that a share of the completed checkouts took at most, in seconds; 0 where none did.
func percentile(took map[int]int, share float64) float64 {
	steps, all := []int(nil), 0
	for step, n := range took {
		steps, all = append(steps, step), all+n
	}
	slices.Sort(steps)
	for passed, i := 0, 0; i < len(steps); i++ {
		if passed += took[steps[i]]; float64(passed) >= share*float64(all) {
			return math.Round(math.Pow(10, float64(steps[i])/perDecade)) / 1000
		}
	}
	return 0
}

// checkouts are those of the last hour, minute by minute, oldest first.
func (m *minutes) checkouts(ctx context.Context, now time.Time) (CheckoutsView, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[int64]*minute{}
	}
	if err := m.follow(ctx, now); err != nil {
		return CheckoutsView{}, err
	}
	view, took, last := CheckoutsView{}, map[int]int{}, now.Unix()/60
	for at := last - int64(overviewFor/time.Minute) + 1; at <= last; at++ {
		one := m.by[at]
		for step, n := range one.took {
			took[step] += n
		}
		view.Minutes = append(view.Minutes, MinuteView{
			Minute: time.Unix(at*60, 0).UTC(), Completed: one.by[Completed], Failed: one.by[Failed], Cancelled: one.by[Cancelled],
			NeedsAttention: one.by[NeedsAttention], Running: one.unfinished() - one.by[NeedsAttention],
			P50Seconds: percentile(one.took, 0.50), P95Seconds: percentile(one.took, 0.95),
		})
	}
	view.P50Seconds, view.P95Seconds = percentile(took, 0.50), percentile(took, 0.95)
	return view, nil
}

// unfinishedNow looks where OldestUnfinished does: sagas that wait for something have a timer, those that need a person are few.
const unfinishedNow = `select coalesce(split_part(key, '/', 1), 'checkout'), status, count(*), extract(epoch from now() - min(created_at))::float8
	from (select created_at, key, status from saga.streams where wake_at >= $1
		union all select created_at, key, status from saga.streams where kind = 'saga' and status = 'needs_attention') unfinished
	group by 1, 2`

// unfinished are the sagas that have not ended, by type.
func (m *Module) unfinished(ctx context.Context) ([]UnfinishedView, error) {
	rows, err := m.Query.Query(ctx, unfinishedNow, m.timer.From())
	if err != nil {
		return nil, fmt.Errorf("count unfinished sagas: %w", err)
	}
	views := []UnfinishedView{}
	for _, kind := range Types() {
		views = append(views, UnfinishedView{Type: kind})
	}
	var kind string
	var status Status
	var n int
	var age float64
	_, err = pgx.ForEachRow(rows, []any{&kind, &status, &n, &age}, func() error {
		i := slices.IndexFunc(views, func(v UnfinishedView) bool { return v.Type == kind })
		if i < 0 { // of a newer version of the program
			views = append(views, UnfinishedView{Type: kind})
			i = len(views) - 1
		}
		views[i].count(status, n, age)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count unfinished sagas: %w", err)
	}
	return views, nil
}

func (v *UnfinishedView) count(s Status, n int, age float64) {
	switch s {
	case Running:
		v.Running += n
	case RequiresAction:
		v.RequiresAction += n
	case Compensating:
		v.Compensating += n
	case NeedsAttention:
		v.NeedsAttention += n
	case Completed, Failed, Cancelled: // they have no timer
	}
	v.OldestAgeSeconds = max(v.OldestAgeSeconds, age)
}
