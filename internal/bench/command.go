package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/telemetry"
)

// Command measures the program and its baselines.
type Command struct {
	Rounds     int               `help:"Rounds per measurement; the median counts." default:"5"`
	Seconds    float64           `help:"Seconds per round." default:"2"`
	Callers    []int             `help:"Numbers of concurrent callers." default:"1,8,32,128"`
	Only       string            `help:"Run only measurements with a name that matches this regular expression, such as command/process@32." placeholder:"REGEXP"`
	JSON       bool              `name:"json" help:"Print only JSON, one line per measurement."`
	Report     string            `help:"Write the tables into this Markdown file between its markers, and the plot beside it." placeholder:"FILE" type:"path"`
	CPUProfile string            `name:"cpuprofile" help:"Write a CPU profile of this process while it measures." placeholder:"FILE" type:"path"`
	DBOS       string            `name:"dbos" help:"Measure DBOS too, with the program that was built from internal/bench/dbos." placeholder:"PROGRAM" type:"existingfile"`
	Set        map[string]string `help:"Settings of PostgreSQL that differ from its defaults." placeholder:"shared_buffers=1GB"`
	Growth     []int64           `help:"Measure instead the program with this many events in its store." placeholder:"10000,1000000,10000000"`
}

// Validate refuses invalid flags.
func (b *Command) Validate() error {
	if b.Rounds < 1 || b.Rounds > 1000 || !(b.Seconds > 0 && b.Seconds <= 3600) { // NaN fails this too
		return errors.New("--rounds must be 1 to 1000, and --seconds above 0 and at most 3600")
	}
	if _, err := regexp.Compile(b.Only); err != nil {
		return fmt.Errorf("--only must be a regular expression: %w", err)
	}
	for _, n := range b.Callers {
		if n < 1 || n > MaxCallers {
			return fmt.Errorf("--callers must be 1 to %d", MaxCallers)
		}
	}
	if slices.ContainsFunc(b.Growth, func(events int64) bool { return events < 1 }) {
		return errors.New("--growth must be above 0")
	}
	return b.checkOnly()
}

// checkOnly refuses an --only that matches no measurement.
func (b *Command) checkOnly() error {
	all := b.unopened().workloads()
	if slices.ContainsFunc(all, b.matches) {
		return nil
	}
	var names []string
	for _, w := range all {
		names = append(names, w.Name)
	}
	slices.Sort(names)
	return fmt.Errorf("--only %s matches no measurement; the names, each with @ and its callers, are: %s", b.Only, strings.Join(slices.Compact(names), ", "))
}

// unopened returns a set that is complete enough to name its workloads.
func (b *Command) unopened() workloadSet {
	shop := &Shop{SKUs: make([]string, 1), carts: make([]uuid.UUID, 1)}
	if len(b.Growth) > 0 {
		n := len(b.Growth)
		return &growth{sizes: b.Growth, shops: slices.Repeat([]*Shop{shop}, n), old: make([][]uuid.UUID, n)}
	}
	return &suite{callers: b.Callers, dbos: b.DBOS, shop: shop, echo: &EchoBaseline{}}
}

// matches reports whether --only matches a workload.
func (b *Command) matches(w Workload) bool {
	only, err := regexp.Compile(b.Only)
	return err == nil && only.MatchString(fmt.Sprintf("%s@%d", w.Name, w.Callers))
}

// workloadSet is a set of workloads that is set up on a server.
type workloadSet interface {
	open(ctx context.Context, server *Server) error
	close() error
	workloads() []Workload
	targets() []Target
	plots() []Plot
}

// Run measures and prints the results.
func (b *Command) Run(ctx context.Context, out io.Writer) (err error) {
	telemetry.SurvivePipes() // otherwise its PostgreSQL would be left behind
	settings, err := Settings("")
	if err != nil {
		return err
	}
	server, err := Start(ctx, settings.PGBinDir, b.Set)
	if err != nil {
		return err
	}
	defer server.Stop()
	section, set := "figures", workloadSet(&suite{callers: b.Callers, dbos: b.DBOS})
	if len(b.Growth) > 0 {
		section, set = "growth", &growth{sizes: b.Growth}
	}
	defer func() { err = errors.Join(err, set.close()) }()
	if err := set.open(ctx, server); err != nil {
		return err
	}
	workloads := slices.DeleteFunc(set.workloads(), func(w Workload) bool { return !b.matches(w) })
	results, err := b.measure(ctx, server, workloads)
	if err != nil {
		return err
	}
	return b.publish(out, Report{
		Section: section, Results: results, Targets: set.targets(), Plots: set.plots(), Rounds: b.Rounds, Each: b.each(),
		Machine: MachineOf(server), At: time.Now(),
	})
}

func (b *Command) each() time.Duration { return time.Duration(b.Seconds * float64(time.Second)) }

func (b *Command) measure(ctx context.Context, server *Server, workloads []Workload) (Results, error) {
	if b.CPUProfile != "" {
		f, err := os.Create(b.CPUProfile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	return Run(ctx, server, workloads, b.Rounds, b.each(), os.Stderr)
}

func (b *Command) publish(out io.Writer, report Report) error {
	if b.Report != "" {
		if err := report.Save(b.Report); err != nil {
			return err
		}
	}
	if b.JSON {
		return report.WriteJSON(out)
	}
	_, err := io.WriteString(out, report.markdown())
	return err
}

func (*Command) Help() string {
	return `Examples:

  shopping-cart bench                                          everything, some minutes
  shopping-cart bench --only '^checkout' --callers 32          only the matching ones
  shopping-cart bench --rounds 1 --seconds 0.5 --json | jq .   quick, for machines: a line for each measurement
  shopping-cart bench --growth 10000,1000000                   with that many events in the store

It starts a PostgreSQL of its own (PG_BIN_DIR) and touches no other data. Each line on standard error is a finished measurement.
On a busy machine only the ratios are meaningful.

Exit status: 0 measured, 1 the measurement failed.`
}
