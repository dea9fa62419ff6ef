package console

import (
	"cmp"
	"slices"
	"time"

	"shopping-cart/platform/money"
)

// overview is the response of GET /v1/admin/overview.
type overview struct {
	At        time.Time
	Checkouts struct { // empty when the database of the sagas does not answer
		Minutes    []minute
		P50Seconds float64 `json:"p50_seconds"`
		P95Seconds float64 `json:"p95_seconds"`
	}
	Unfinished []unfinished
	Today      []struct{ Captured, Refunded money.Amount }
	Lag        []struct {
		Module          string
		Outbox, Readers int64
		Parked          int

		OutboxOldestAgeSeconds  float64 `json:"outbox_oldest_age_seconds"`
		ReadersOldestAgeSeconds float64 `json:"readers_oldest_age_seconds"`
	}
	Warnings    []string // about the settings of the server
	Unavailable []string // modules whose database does not answer: their data is missing
}

// Knows reports whether the database of a module answered.
func (o overview) Knows(module string) bool { return !slices.Contains(o.Unavailable, module) }

// Parked returns the number of parked messages in the modules that answered.
func (o overview) Parked() (n int) {
	for _, l := range o.Lag {
		n += l.Parked
	}
	return n
}

type minute struct {
	Minute time.Time

	Completed, Failed, Cancelled, Running int

	NeedsAttention int     `json:"needs_attention"`
	P50Seconds     float64 `json:"p50_seconds"`
	P95Seconds     float64 `json:"p95_seconds"`
}

type unfinished struct {
	Type                  string
	Running, Compensating int

	RequiresAction   int     `json:"requires_action"`
	NeedsAttention   int     `json:"needs_attention"`
	OldestAgeSeconds float64 `json:"oldest_age_seconds"`
}

// All returns the number of unfinished sagas.
func (u unfinished) All() int {
	return u.Running + u.RequiresAction + u.Compensating + u.NeedsAttention
}

func (o overview) needsAttention() (n int) {
	for _, u := range o.Unfinished {
		n += u.NeedsAttention
	}
	return n
}

// overviewPage is the page of the overview.
type overviewPage struct {
	overview
	Attention int
	Open      int
	Oldest    unfinished // the type with the oldest saga
	Outcomes  chart
	Times     chart
	Last      minute // the last complete one
	Totals    minute
	Behind    int64
	BehindFor float64
}

// Began returns the number of checkouts that began.
func (m minute) Began() int {
	return m.Completed + m.Failed + m.Cancelled + m.Running + m.NeedsAttention
}

// Recent returns the last minutes, newest first, for the table of the charts.
func (p overviewPage) Recent() []minute {
	all := slices.Clone(p.Checkouts.Minutes)
	slices.Reverse(all)
	return all[:min(15, len(all))]
}

func (c *Console) showOverview(v *visit) error {
	if v.overviewErr != nil {
		return v.overviewErr
	}
	p := overviewPage{overview: v.overview, Attention: v.overview.needsAttention()}
	for _, u := range p.Unfinished {
		p.Open += u.All()
	}
	if len(p.Unfinished) > 0 {
		p.Oldest = slices.MaxFunc(p.Unfinished, func(a, b unfinished) int { return cmp.Compare(a.OldestAgeSeconds, b.OldestAgeSeconds) })
	}
	for _, m := range p.Checkouts.Minutes {
		p.Totals.Completed += m.Completed
		p.Totals.Failed += m.Failed
		p.Totals.Cancelled += m.Cancelled
		p.Totals.Running += m.Running
		p.Totals.NeedsAttention += m.NeedsAttention
	}
	if n := len(p.Checkouts.Minutes); n > 1 {
		p.Last = p.Checkouts.Minutes[n-2]
	}
	for _, l := range p.Lag {
		p.Behind += l.Outbox + l.Readers
		p.BehindFor = max(p.BehindFor, l.OutboxOldestAgeSeconds, l.ReadersOldestAgeSeconds)
	}
	p.Outcomes, p.Times = outcomeChart(p.Checkouts.Minutes), durationChart(p.Checkouts.Minutes)
	return v.show("overview", "overview", "Overview", p)
}
