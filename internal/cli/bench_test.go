package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/internal/bench"
)

// measured is a line of "shopping-cart bench --json".
type measured struct {
	Name    string
	Callers int
	Rounds  int
	bench.Round
}

// TestBench runs the benchmarks for moments only. Their figures mean nothing; everything else must hold.
func TestBench(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a PostgreSQL of its own, twice")
	}
	if _, err := bench.FindPgbench(); err != nil {
		t.Skip(err)
	}
	t.Run("EverythingIsMeasured", func(t *testing.T) {
		t.Parallel()
		report := filepath.Join(t.TempDir(), "BENCHMARKS.md")
		published, err := os.ReadFile("../../docs/BENCHMARKS.md")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(report, published, 0o600))

		all := benches(t, "--callers", "32", "--report", report)

		for _, name := range []string{
			bench.CommandPgbench, bench.CommandGORM, bench.CommandProcess, bench.CommandHTTP, bench.CommandHot, bench.LoadProcess, bench.LoadEcho, bench.LoadHTTP, bench.CheckoutPgbench,
			bench.CheckoutProcess, bench.CheckoutHTTP, bench.CheckoutProcess20, bench.CheckoutHTTP20, bench.CheckoutOnSimulator,
		} {
			require.Contains(t, all, name)
		}
		require.Len(t, all, 14)
		for name, m := range all {
			require.Equal(t, 1, m.Rounds, name)
			require.Equal(t, 32, m.Callers, name)
			require.Positive(t, m.Rate, name)
			require.Positive(t, m.P50, name)
			require.LessOrEqual(t, m.P50, m.P99, name)
			require.Equal(t, strings.Contains(name, "http") || name == bench.LoadEcho, m.ClientCPU > 0, "%s: the client is a process of its own", name)
			what, _, _ := strings.Cut(name, "/")
			like := map[string]measured{"command": all[bench.CommandPgbench], "checkout": all[bench.CheckoutPgbench], "load": {}}[what]
			require.InDelta(t, like.Commands, m.Commands, 0.5, "%s: as many commands as the script stands for", name)
			require.InDelta(t, like.Appends, m.Appends, 0.5, "%s: as many events as the script writes", name)
		}
		require.InDelta(t, 1, all[bench.CommandGORM].Commits, 0.1)
		require.Less(t, all[bench.CommandProcess].Commits, 0.5, "32 callers share transactions")
		require.Greater(t, all[bench.CheckoutOnSimulator].Commits, all[bench.CheckoutProcess].Commits+1, "the simulator commits twice")

		text, err := os.ReadFile(report)
		require.NoError(t, err)
		require.Contains(t, string(text), "| "+bench.CheckoutHTTP20+" | 32 |")
		require.Contains(t, string(text), "| cart command, 32 callers |")
		before, _, _ := strings.Cut(string(published), "<!-- figures -->")
		require.True(t, strings.HasPrefix(string(text), before), "what stands before the tables stays")
		require.FileExists(t, filepath.Join(filepath.Dir(report), "benchmarks.svg"))
	})
	t.Run("AStoreGrows", func(t *testing.T) {
		t.Parallel()
		all := benches(t, "--growth", "100,2000")
		require.Len(t, all, 8)
		for _, size := range []int64{100, 2000} {
			require.InDelta(t, 1, all[bench.GrowthName("command", size)].Appends, 0.5)
			require.InDelta(t, 15, all[bench.GrowthName("checkout", size)].Appends, 0.5)
			require.Positive(t, all[bench.GrowthName("load", size)].Rate)
			require.Positive(t, all[bench.GrowthName("load-old", size)].Rate)
		}
	})
}

// benches runs the command in a folder without settings, and returns its lines by name.
func benches(t *testing.T, arguments ...string) map[string]measured {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, append([]string{"bench", "--json", "--rounds", "1", "--seconds", "0.05"}, arguments...)...)
	var said, complained bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &said, &complained
	cmd.Env = append(os.Environ(), asProgram+"=1")
	require.NoError(t, cmd.Run(), complained.String())
	all := map[string]measured{}
	lines := json.NewDecoder(&said)
	for lines.More() {
		var m measured
		require.NoError(t, lines.Decode(&m))
		all[m.Name] = m
	}
	return all
}
