package bench

import (
	"cmp"
	"time"
)

// Result holds all rounds of a workload.
type Result struct {
	Name    string
	Callers int
	Rounds  []Round
}

// Results belong to one run: the n-th rounds of all of them were neighbours in time.
type Results []Result

// Median returns the median of each figure.
func (r Result) Median() Round {
	return Round{
		Rate:        over(r, func(r Round) float64 { return r.Rate }),
		P50:         over(r, func(r Round) time.Duration { return r.P50 }),
		P99:         over(r, func(r Round) time.Duration { return r.P99 }),
		Commits:     over(r, func(r Round) float64 { return r.Commits }),
		Commands:    over(r, func(r Round) float64 { return r.Commands }),
		Appends:     over(r, func(r Round) float64 { return r.Appends }),
		WAL:         over(r, func(r Round) float64 { return r.WAL }),
		PostgresCPU: over(r, func(r Round) float64 { return r.PostgresCPU }),
		ProgramCPU:  over(r, func(r Round) float64 { return r.ProgramCPU }),
		ClientCPU:   over(r, func(r Round) float64 { return r.ClientCPU }),
	}
}

func over[T cmp.Ordered](r Result, figure func(Round) T) T {
	values := make([]T, len(r.Rounds))
	for i, round := range r.Rounds {
		values[i] = figure(round)
	}
	return median(values)
}

// Of returns the result of a workload, or false if it was not measured.
func (all Results) Of(name string, callers int) (Result, bool) {
	for _, r := range all {
		if r.Name == name && r.Callers == callers && len(r.Rounds) > 0 {
			return r, true
		}
	}
	return Result{}, false
}

// Point is one figure of a workload.
type Point struct {
	Name    string
	Callers int
	Figure  func(Round) float64
}

// Rate returns the units per second of a workload.
func Rate(name string, callers int) Point {
	return Point{name, callers, func(r Round) float64 { return r.Rate }}
}

// P50 returns the median latency of a workload, in nanoseconds.
func P50(name string, callers int) Point {
	return Point{name, callers, func(r Round) float64 { return float64(r.P50) }}
}

// P99 returns the 99th percentile of a workload's latency, in nanoseconds.
func P99(name string, callers int) Point {
	return Point{name, callers, func(r Round) float64 { return float64(r.P99) }}
}

// Value returns the median of a figure, or false if it was not measured.
func (all Results) Value(p Point) (float64, bool) {
	r, ok := all.Of(p.Name, p.Callers)
	if !ok {
		return 0, false
	}
	return over(r, p.Figure), true
}

// Ratio returns the median of the ratios within each round, or false if one of the two was not measured.
func (all Results) Ratio(of, to Point) (float64, bool) {
	a, ok := all.Of(of.Name, of.Callers)
	b, also := all.Of(to.Name, to.Callers)
	if !ok || !also {
		return 0, false
	}
	ratios := make([]float64, min(len(a.Rounds), len(b.Rounds)))
	for i := range ratios {
		ratios[i] = of.Figure(a.Rounds[i]) / to.Figure(b.Rounds[i])
	}
	return median(ratios), true
}

// Target is a bound for a ratio, or for a figure if To is nil.
type Target struct {
	What   string
	Of     Point
	To     *Point
	Bound  float64
	AtMost bool   // Bound is the highest allowed value; otherwise the lowest
	Unit   string // the unit of the value, such as "R"
}

// Met returns the value of a target; measured is false if a part of it is missing.
func (t Target) Met(all Results) (value float64, met, measured bool) {
	if t.To == nil {
		value, measured = all.Value(t.Of)
	} else {
		value, measured = all.Ratio(t.Of, *t.To)
	}
	return value, measured && (value == t.Bound || value < t.Bound == t.AtMost), measured
}
