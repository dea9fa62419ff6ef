// Package bench measures workloads side by side, so that the cost of one can be expressed in terms of another.
//
// A [Workload] does one thing in one way, with a number of callers. [Run] measures all of them in rounds, on a [Server] of its
// own at PostgreSQL's defaults. For each unit of work it counts the time and the cost: transactions, bytes of write-ahead log,
// processor time of the server and of the program. [Results] returns medians over the rounds, and ratios within a round: the
// machine may slow down over minutes, but hardly between neighbours.
//
// The package also has the baselines: pgbench with the rows that a program would write ([Pgbench]), a conventional program
// ([GORMBaseline]), a bare handler ([EchoBaseline]). The client of HTTP workloads is a separate process ([Client]).
package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"shopping-cart/client"
	"shopping-cart/internal/stats"
)

// Workload is a unit of measurement.
type Workload struct {
	Name    string // the work and the way, such as "command/process"
	Callers int
	// Prepare prepares the next Run, outside the measurement. May be nil.
	Prepare func(ctx context.Context, rate float64, d time.Duration) error // rate: units per second in the last run; 0 at first
	Run     func(ctx context.Context, callers int, d time.Duration) (Sample, error)
}

// Sample is the result of one Run.
type Sample struct {
	Took       time.Duration
	Units      int
	Latencies  []time.Duration // of all units, or of a random sample; sorted by Run
	Commands   int64           // written by the units
	Appends    int64           // events written by the units
	ProgramCPU time.Duration   // of the program, if it is another process
	ClientCPU  time.Duration   // of the HTTP client, in its own process
}

// Round is the result of one measurement. The fields after the percentiles are per unit of work.
type Round struct {
	Rate        float64       `json:"rate"` // units per second
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	Commits     float64       `json:"commits"` // writing transactions on the server, of any client
	Commands    float64       `json:"commands"`
	Appends     float64       `json:"appends"`
	WAL         float64       `json:"wal_bytes"`
	PostgresCPU float64       `json:"postgres_cpu_us"` // below 0: unknown on this system
	ProgramCPU  float64       `json:"program_cpu_us"`
	ClientCPU   float64       `json:"client_cpu_us"`
}

const (
	quiet   = 300 * time.Millisecond // pause before the cost is counted, so that deferred work of the last units is included
	longest = 30 * time.Second       // limit of the extension of a measurement in which no unit ends
	warm    = 200 * time.Millisecond // length of the first round, which does not count
)

// Run measures each workload for a time in each round, in every other round backwards, so that neighbours change their order. It
// writes a line of progress for each measurement.
func Run(ctx context.Context, server *Server, workloads []Workload, rounds int, each time.Duration, progress io.Writer) (Results, error) {
	results := make(Results, len(workloads))
	for i, w := range workloads {
		results[i] = Result{Name: w.Name, Callers: w.Callers}
	}
	rates := make([]float64, len(workloads))
	for round := 0; round <= rounds; round++ {
		length := each
		if round == 0 {
			length = min(warm, each)
		}
		for _, i := range runOrder(len(workloads), round) {
			w := workloads[i]
			got, err := measure(ctx, server, w, rates[i], length)
			if err != nil {
				return nil, fmt.Errorf("%s with %d callers: %w", w.Name, w.Callers, err)
			}
			if rates[i] = got.Rate; round > 0 {
				results[i].Rounds = append(results[i].Rounds, got)
				fmt.Fprintf(progress, "round %d of %d  %-24s %4d callers %10.0f /s\n", round, rounds, w.Name, w.Callers, got.Rate)
			}
		}
	}
	return results, nil
}

// runOrder returns the order of n workloads in a round.
func runOrder(n, round int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	if round%2 == 0 {
		slices.Reverse(all)
	}
	return all
}

func measure(ctx context.Context, server *Server, w Workload, rate float64, each time.Duration) (Round, error) {
	if w.Prepare != nil {
		if err := w.Prepare(ctx, rate, each); err != nil {
			return Round{}, fmt.Errorf("prepare: %w", err)
		}
	}
	before, err := server.usage(ctx)
	if err != nil {
		return Round{}, err
	}
	s, err := w.Run(ctx, w.Callers, each)
	if err != nil {
		return Round{}, err
	}
	if s.Units == 0 {
		if each > longest {
			return Round{}, fmt.Errorf("no unit of work ended in %s", each)
		}
		return measure(ctx, server, w, rate, 2*each) // too short for this workload
	}
	if err := client.Sleep(ctx, min(quiet, each)); err != nil {
		return Round{}, err
	}
	after, err := server.usage(ctx)
	if err != nil {
		return Round{}, err
	}
	return roundOf(s, before, after), nil
}

func roundOf(s Sample, before, after usage) Round {
	slices.Sort(s.Latencies)
	per := func(n float64) float64 { return n / float64(s.Units) }
	micros := func(d time.Duration) float64 { return per(float64(d) / float64(time.Microsecond)) }
	r := Round{
		Rate: float64(s.Units) / s.Took.Seconds(), P50: stats.Percentile(s.Latencies, 50), P99: stats.Percentile(s.Latencies, 99),
		Commits: per(float64(after.transactions - before.transactions)), WAL: per(float64(after.wal - before.wal)),
		Commands: per(float64(s.Commands)), Appends: per(float64(s.Appends)),
		PostgresCPU: -1, ProgramCPU: micros(s.ProgramCPU + after.own - before.own), ClientCPU: micros(s.ClientCPU),
	}
	if before.postgres >= 0 && after.postgres >= 0 {
		r.PostgresCPU = micros(after.postgres - before.postgres)
	}
	return r
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
