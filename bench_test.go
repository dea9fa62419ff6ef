package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/bench"
	"shopping-cart/platform/money"
)

// measured is a line of "shopping-cart bench --json".
type measured struct {
	Name    string
	Callers int
	Rounds  int
	bench.Round
}

// The benchmarks run as anyone would run them, but for moments only: their figures mean nothing, all else must hold.
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
		published, err := os.ReadFile("docs/BENCHMARKS.md")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(report, published, 0o600))

		all := benches(t, "--callers", "32", "--report", report)

		for _, name := range []string{
			commandPgbench, commandGORM, commandProcess, commandHTTP, commandHot, loadProcess, loadEcho, loadHTTP, checkoutPgbench,
			checkoutProcess, checkoutHTTP, checkoutProcess20, checkoutHTTP20, checkoutOnSimulator,
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
			require.Equal(t, strings.Contains(name, "http") || name == loadEcho, m.ClientCPU > 0, "%s: the client is a process of its own", name)
			what, _, _ := strings.Cut(name, "/")
			like := map[string]measured{"command": all[commandPgbench], "checkout": all[checkoutPgbench], "load": {}}[what]
			require.InDelta(t, like.Commands, m.Commands, 0.5, "%s: as many commands as the script stands for", name)
			require.InDelta(t, like.Appends, m.Appends, 0.5, "%s: as many events as the script writes", name)
		}
		require.InDelta(t, 1, all[commandGORM].Commits, 0.1)
		require.Less(t, all[commandProcess].Commits, 0.5, "32 callers share transactions")
		require.Greater(t, all[checkoutOnSimulator].Commits, all[checkoutProcess].Commits+1, "the simulator commits twice")

		text, err := os.ReadFile(report)
		require.NoError(t, err)
		require.Contains(t, string(text), "| "+checkoutHTTP20+" | 32 |")
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
			require.InDelta(t, 1, all[grown("command", size)].Appends, 0.5)
			require.InDelta(t, 15, all[grown("checkout", size)].Appends, 0.5)
			require.Positive(t, all[grown("load", size)].Rate)
			require.Positive(t, all[grown("load-old", size)].Rate)
		}
	})
}

// benches runs the command in a folder without settings, and gives its lines by name.
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

func TestOutsideWorld(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	call := func(key, reference string, amount int64) payment.Call {
		return payment.Call{Key: key, Reference: reference, Method: "sim_ok", Amount: money.Of(amount, "GBP")}
	}
	world := newOutsideWorld()
	status := func(answer payment.Answer, err error) payment.Status {
		t.Helper()
		require.NoError(t, err)
		return answer.Status
	}
	require.Equal(t, payment.Authorized, status(world.Authorize(ctx, call("a", "p", 500))))
	require.Equal(t, payment.Refused, status(world.Capture(ctx, call("c0", "p", 501))), "more than is authorized")
	require.Equal(t, payment.Captured, status(world.Capture(ctx, call("c", "p", 500))))
	require.Equal(t, payment.Authorized, status(world.Authorize(ctx, call("a", "p", 500))), "a key is answered as it was")
	require.Equal(t, payment.Captured, status(world.Void(ctx, call("v", "p", 500))), "too late")
	require.Equal(t, payment.Refunded, status(world.Refund(ctx, call("r", "p", 300))))
	require.Equal(t, payment.Refunded, status(world.Refund(ctx, call("r", "p", 300))), "once")
	require.Equal(t, payment.Refused, status(world.Refund(ctx, call("r2", "p", 300))), "more than is left")
	report, err := world.LookUp(ctx, call("", "p", 0))
	require.NoError(t, err)
	require.Equal(t, payment.Captured, report.Status)
	require.Equal(t, []string{"r"}, report.Refunded)

	require.Equal(t, payment.Voided, status(world.Void(ctx, call("v2", "late", 500))), "before it was authorized")
	require.Equal(t, payment.Declined, status(world.Authorize(ctx, call("a2", "late", 500))))
	report, err = world.LookUp(ctx, call("", "unknown", 0))
	require.NoError(t, err)
	require.Equal(t, payment.NotFound, report.Status)

	world.latency.Store(int64(time.Hour))
	given, cancel := context.WithCancel(ctx)
	cancel()
	_, err = world.Authorize(given, call("a3", "q", 500))
	require.ErrorIs(t, err, context.Canceled)
	world.latency.Store(0)
	report, err = world.LookUp(ctx, call("", "q", 0))
	require.NoError(t, err)
	require.Equal(t, payment.NotFound, report.Status, "what was cut off on the way there had no effect")
}
