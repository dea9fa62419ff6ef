package main

import (
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

	"shopping-cart/platform/failpoint"
)

var crashCells = flag.Int("crash-cells", 8, "tales that TestCrashMatrix tells, each with two deaths of the program chosen by chance; 0: all, with all deaths")

// TestCrashMatrix lets the program die, as by kill -9, before and after each commit, each call to the provider and each step
// of every saga, and starts it again. Whoever asked for something repeats it. In the end everything is as if it had never died.
// Where a sale is undone, it dies a second time: anywhere on the way of those who come after.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	luck := rand.New(rand.NewPCG(seedOf(t), 0))
	program := withFailPoints(t)
	told, some := slices.Clone(tales), *crashCells > 0
	if some {
		luck.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		told = told[:min(*crashCells, len(told))]
	}
	var all matrix
	t.Run("Tales", func(t *testing.T) {
		for _, told := range told {
			w := &witness{tale: told, program: program, matrix: &all}
			if some {
				w.luck = rand.New(rand.NewPCG(luck.Uint64(), 0))
			}
			t.Run(told.name, func(t *testing.T) {
				t.Parallel()
				w.sees(t)
			})
		}
	})
	t.Logf("\n%s", all.String())
	require.NotZero(t, all.kills)
}

// withFailPoints builds the program. The normal one has none: it does not even know the word.
func withFailPoints(t *testing.T) string {
	t.Helper()
	require.False(t, failpoint.Enabled, "fail points are for a program of their own")
	program := filepath.Join(t.TempDir(), "mortal")
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

// witness sees one tale through, as often as somebody may die in it.
type witness struct {
	tale
	program string
	luck    *rand.Rand // nil: every death
	matrix  *matrix
	mortal  *mortal
	failed  int
}

func (w *witness) sees(t *testing.T) {
	w.mortal = newMortal(t, w.program, w.settings...)
	var reached []place
	if !t.Run("nobody dies", func(t *testing.T) { reached = w.tell(t) }) {
		return
	}
	require.NotEmpty(t, reached)
	for _, first := range w.some(unique(reached), 2) {
		var after []place
		if !w.dies(t, &after, first) || !w.undoes || strings.HasSuffix(first.point, ".before") {
			continue // what is before one thing is after another
		}
		for _, second := range w.some(unique(after), 1) {
			w.dies(t, nil, first, second)
		}
	}
}

// some are all of them, or n by chance.
func (w *witness) some(all []place, n int) []place {
	if w.luck == nil {
		return all
	}
	w.luck.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

func unique(all []place) []place {
	seen := map[place]bool{}
	return slices.DeleteFunc(all, func(p place) bool {
		was := seen[p]
		seen[p] = true
		return was
	})
}

// dies tells the tale with deaths in it, after what was reached after the last one. Where chance had it that the place was not
// reached, it tells it again.
func (w *witness) dies(t *testing.T, after *[]place, at ...place) bool {
	const attempts, enough = 3, 3
	if w.failed >= enough {
		return false
	}
	died := 0
	ok := t.Run(fmt.Sprint(at), func(t *testing.T) {
		for range attempts {
			var reached []place
			if reached, died = w.tells(t, at...); after != nil {
				*after = reached
			}
			if died == len(at) {
				return
			}
		}
	})
	w.matrix.add(w.name, at, died, ok)
	if !ok {
		w.failed++
		w.mortal = newMortal(t, w.program, w.settings...) // the next one starts from a good world
	}
	return ok && died == len(at)
}

func (w *witness) tell(t *testing.T) []place {
	reached, _ := w.tells(t)
	return reached
}

// tells is one deal from its start to what is left of it.
func (w *witness) tells(t *testing.T, at ...place) (reached []place, died int) {
	m := w.mortal
	d := newDeal(t, m, w.method)
	if w.before != nil {
		w.before(t, d)
	}
	m.rests(t)
	m.dies(t, at...)
	w.happens(t, d)
	m.rests(t)
	reached, died = m.alive(t)
	m.keepsPromises(t)
	w.ends(t, d)
	return reached, died
}

// matrix is what became of every death.
type matrix struct {
	mu     sync.Mutex
	rows   []string // in order
	cells  map[string]map[string]string
	again  map[string][2]int // second deaths after the ones of a row: well, in all
	n      int
	kills  int
	missed []string
	failed []string
}

func (m *matrix) add(tale string, at []place, died int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := at[0]
	row := fmt.Sprintf("%s\t%s #%d", tale, first.label, first.n)
	if m.cells == nil {
		m.cells, m.again = map[string]map[string]string{}, map[string][2]int{}
	}
	if m.cells[row] == nil {
		m.rows, m.cells[row] = append(m.rows, row), map[string]string{}
	}
	m.n++
	m.kills += died
	what := "ok"
	switch {
	case !ok:
		what = "FAILED"
		m.failed = append(m.failed, fmt.Sprint(tale, " ", at))
	case died < len(at):
		what = "missed"
		m.missed = append(m.missed, fmt.Sprint(tale, " ", at))
	}
	if len(at) == 1 {
		m.cells[row][first.point] = what
		return
	}
	sum := m.again[row]
	if sum[1]++; what == "ok" {
		sum[0]++
	}
	m.again[row] = sum
}

var points = []failpoint.Point{
	failpoint.BeforeCommit, failpoint.AfterCommit, failpoint.BeforeCall, failpoint.AfterCall, failpoint.BeforeStep, failpoint.AfterStep,
}

func (m *matrix) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "tale\tof\t")
	for _, p := range points {
		fmt.Fprint(table, p, "\t")
	}
	fmt.Fprintln(table, "and again")
	slices.SortStableFunc(m.rows, func(a, b string) int {
		a, _, _ = strings.Cut(a, "\t")
		b, _, _ = strings.Cut(b, "\t")
		return strings.Compare(a, b)
	})
	for _, row := range m.rows {
		fmt.Fprint(table, row, "\t")
		for _, p := range points {
			cell := m.cells[row][string(p)]
			if cell == "" {
				cell = "·"
			}
			fmt.Fprint(table, cell, "\t")
		}
		if sum := m.again[row]; sum[1] > 0 {
			fmt.Fprintf(table, "%d of %d", sum[0], sum[1])
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush()
	fmt.Fprintf(&text, "%d cells, %d deaths, %d failed, %d not reached\n", m.n, m.kills, len(m.failed), len(m.missed))
	for _, one := range append(m.failed, m.missed...) {
		fmt.Fprintln(&text, one)
	}
	return text.String()
}
