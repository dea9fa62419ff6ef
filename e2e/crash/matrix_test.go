package crash

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/failpoint"
)

var crashCells = flag.Int("crash-cells", 8, "scenarios that TestCrashMatrix runs, each with two deaths of the program chosen by chance; 0: all, with all deaths")

// TestCrashMatrix lets the program die, as by kill -9, before and after each commit, each call to the provider and each step
// of every saga, and starts it again. Whoever asked for something repeats it. In the end everything is as if it had never died.
// Where a sale is undone, it dies a second time: anywhere on the way of those who come after.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	luck := rand.New(rand.NewPCG(harness.SeedOf(t), 0))
	program := withFailPoints(t)
	chosen, some := slices.Clone(scenarios), *crashCells > 0
	slices.SortStableFunc(chosen, func(a, b scenario) int { return cmp.Compare(b.length(), a.length()) }) // the long ones first
	if some {
		luck.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:min(*crashCells, len(chosen))]
	}
	all := matrix{rows: map[row]*[len(points)]string{}, again: map[row]*[2]int{}}
	t.Run("Scenarios", func(t *testing.T) {
		for _, one := range chosen {
			w := &runner{scenario: one, App: program, matrix: &all}
			if some {
				w.luck = rand.New(rand.NewPCG(luck.Uint64(), 0))
			}
			t.Run(one.name, func(t *testing.T) {
				t.Parallel()
				w.run(t)
			})
		}
	})
	t.Logf("\n%s", all.String())
	require.NotZero(t, all.deaths)
	require.LessOrEqual(t, 50*len(all.missed), max(all.cells, 100), "too few of the deaths happened")
}

// length returns about how many deaths there are in a scenario.
func (s scenario) length() int {
	if s.compensates {
		return 2
	}
	return 1
}

// withFailPoints builds the program. The normal one has none: it does not even know the word.
func withFailPoints(t *testing.T) string {
	t.Helper()
	require.False(t, failpoint.Enabled, "fail points are for a program of their own")
	program := filepath.Join(t.TempDir(), "victim")
	args := []string{"build", "-buildvcs=false", "-tags", "failpoints", "-o", program}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race") // and most of it is built already
	}
	out, err := exec.CommandContext(t.Context(), "go", append(args, ".")...).CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// TestNoFailPoints builds the normal program, and looks for fail points in it.
func TestNoFailPoints(t *testing.T) {
	t.Parallel()
	if *crashCells > 0 {
		t.Skip("builds the program: -crash-cells=0")
	}
	normal := filepath.Join(t.TempDir(), "normal")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", normal, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for program, has := range map[string]bool{normal: false, withFailPoints(t): true} {
		code, err := os.ReadFile(program)
		require.NoError(t, err)
		for _, word := range []string{"platform/failpoint", "FAILPOINTS", "commit.before"} {
			require.Equal(t, has, strings.Contains(string(code), word), word)
		}
	}
}

// runner runs one scenario, once for each death in it.
type runner struct {
	scenario
	App    string
	luck   *rand.Rand // nil: every death
	matrix *matrix
	victim *victim
	failed int
}

func (w *runner) run(t *testing.T) {
	w.victim = newVictim(t, w.App, w.settings...)
	var reached []place
	if !t.Run("nobody dies", func(t *testing.T) { reached, _ = w.runOnce(t) }) {
		return
	}
	require.NotEmpty(t, reached)
	turns := apart(reached)
	for _, first := range w.sample(reached, 2) {
		var after []place
		if !w.runWithDeaths(t, &after, first) || !w.compensates || !slices.Contains(turns, first) {
			continue
		}
		for _, second := range w.sample(apart(after), 1) {
			w.runWithDeaths(t, nil, first, second)
		}
	}
}

// apart are the places after which more is written or done than after the one before: neither two for what is committed together,
// nor those on the way to the next.
func apart(all []place) (some []place) {
	for i, p := range all {
		last := i == len(all)-1 || all[i+1].point != p.point
		if last && (p.point == string(failpoint.AfterCommit) || p.point == string(failpoint.AfterCall)) {
			some = append(some, p)
		}
	}
	return some
}

// some are all of them, or n by chance.
func (w *runner) sample(all []place, n int) []place {
	if w.luck == nil {
		return all
	}
	all = slices.Clone(all)
	w.luck.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

// runWithDeaths runs the scenario with a death at each place, and reports whether all were reached. It sets after to the places that were
// reached after the last death. It repeats the scenario when a place was not reached: the outbox, a timer or the client may come first.
func (w *runner) runWithDeaths(t *testing.T, after *[]place, at ...place) bool {
	const attempts, enough = 3, 3
	if w.failed >= enough {
		return false
	}
	died := 0
	ok := t.Run(fmt.Sprint(at), func(t *testing.T) {
		for range attempts {
			var reached []place
			if reached, died = w.runOnce(t, at...); after != nil {
				*after = reached
			}
			if died == len(at) {
				return
			}
		}
		require.True(t, w.races || len(at) > 1, "nobody comes here any more")
	})
	w.matrix.add(w.name, at, died, ok)
	if !ok {
		w.failed++
		w.victim = newVictim(t, w.App, w.settings...) // the next one starts from a good world
	}
	return ok && died == len(at)
}

// runOnce is one sale from its start to what is left of it.
func (w *runner) runOnce(t *testing.T, at ...place) (reached []place, died int) {
	m := w.victim
	d := newSale(t, m, w.method)
	if w.before != nil {
		w.before(t, d)
	}
	m.awaitIdle(t)
	m.dieAt(t, at...)
	w.act(t, d)
	m.awaitIdle(t)
	reached, died = m.alive(t)
	m.requirePromises(t)
	w.check(t, d)
	return reached, died
}

// matrix is what became of every death.
type matrix struct {
	mu     sync.Mutex
	rows   map[row]*[len(points)]string // of the first deaths
	order  []row
	again  map[row]*[2]int // second deaths after those of a row: well, and in all
	cells  int
	deaths int
	missed []string
	failed []string
}

// row is what somebody dies before or after.
type row struct {
	scenario, label string
	n               int
}

func (m *matrix) add(scenario string, at []place, died int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := row{scenario, at[0].label, at[0].n}
	if m.rows[r] == nil {
		m.rows[r], m.again[r], m.order = new([len(points)]string), new([2]int), append(m.order, r)
	}
	m.cells, m.deaths = m.cells+1, m.deaths+died
	came := "ok"
	switch {
	case !ok:
		came, m.failed = "FAILED", append(m.failed, fmt.Sprint(scenario, " ", at))
	case died < len(at):
		came, m.missed = "missed", append(m.missed, fmt.Sprint(scenario, " ", at))
	}
	if len(at) == 1 {
		m.rows[r][slices.Index(points[:], failpoint.Point(at[0].point))] = came
		return
	}
	if m.again[r][1]++; came == "ok" {
		m.again[r][0]++
	}
}

var points = [...]failpoint.Point{
	failpoint.BeforeCommit, failpoint.AfterCommit, failpoint.BeforeCall, failpoint.AfterCall, failpoint.BeforeStep, failpoint.AfterStep,
}

func (m *matrix) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "scenario\tof")
	for _, p := range points {
		fmt.Fprint(table, "\t", p)
	}
	fmt.Fprintln(table, "\tand again")
	slices.SortStableFunc(m.order, func(a, b row) int { return strings.Compare(a.scenario, b.scenario) })
	for _, r := range m.order {
		fmt.Fprintf(table, "%s\t%s #%d", r.scenario, r.label, r.n)
		for _, came := range m.rows[r] {
			fmt.Fprint(table, "\t", cmp.Or(came, "·"))
		}
		if again := m.again[r]; again[1] > 0 {
			fmt.Fprintf(table, "\t%d of %d", again[0], again[1])
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush()
	fmt.Fprintf(&text, "%d cells, %d deaths, %d failed, %d not reached\n", m.cells, m.deaths, len(m.failed), len(m.missed))
	fmt.Fprintln(&text, strings.Join(slices.Concat(m.failed, m.missed), "\n"))
	return text.String()
}
