package bench

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func rounds(rates ...float64) (all []Round) {
	for _, rate := range rates {
		all = append(all, Round{Rate: rate, P50: time.Duration(rate), P99: 3 * time.Duration(rate)})
	}
	return all
}

func TestResults(t *testing.T) {
	t.Parallel()
	all := Results{
		{Name: "ours", Callers: 32, Rounds: rounds(100, 1000, 50)},
		{Name: "theirs", Callers: 32, Rounds: rounds(200, 500, 400)},
		{Name: "never", Callers: 32},
	}
	t.Run("ARatioIsTheMedianOfThoseWithinTheRounds", func(t *testing.T) {
		t.Parallel()
		ratio, ok := all.Ratio(Rate("ours", 32), Rate("theirs", 32))
		require.True(t, ok)
		require.Equal(t, 0.5, ratio, "of 0.5, 2 and 0.125; that of the medians is 0.25")
		ratio, _ = all.Ratio(P99("theirs", 32), P50("ours", 32))
		require.Equal(t, 6.0, ratio)
	})
	t.Run("WhatWasNotMeasuredHasNoFigure", func(t *testing.T) {
		t.Parallel()
		for _, missing := range []Point{Rate("ours", 8), Rate("never", 32), Rate("unknown", 32)} {
			_, ok := all.Value(missing)
			require.False(t, ok)
			_, ok = all.Ratio(Rate("ours", 32), missing)
			require.False(t, ok)
		}
	})
	t.Run("ATargetIsMetUpToItsBound", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			bound       float64
			atMost, met bool
		}{{0.5, false, true}, {0.51, false, false}, {0.49, false, true}, {0.5, true, true}, {0.49, true, false}, {0.51, true, true}} {
			target := Target{Of: Rate("ours", 32), To: new(Rate("theirs", 32)), Bound: c.bound, AtMost: c.atMost}
			value, met, measured := target.Met(all)
			require.True(t, measured)
			require.Equal(t, 0.5, value)
			require.Equal(t, c.met, met, "%+v", c)
		}
		_, met, measured := Target{Of: Rate("never", 32), AtMost: true, Bound: 1}.Met(all)
		require.False(t, met)
		require.False(t, measured)
	})
}

func TestRoundOf(t *testing.T) {
	t.Parallel()
	s := Sample{Took: 2 * time.Second, Units: 4, Commands: 40, Appends: 60, ClientCPU: 4 * time.Microsecond}
	for n := 200; n > 0; n-- {
		s.Latencies = append(s.Latencies, time.Duration(n)*time.Millisecond)
	}
	r := roundOf(s, usage{transactions: 10, wal: 100, postgres: time.Second, own: time.Second},
		usage{transactions: 30, wal: 500, postgres: time.Second + 8*time.Microsecond, own: time.Second + 12*time.Microsecond})
	require.Equal(t, Round{
		Rate: 2, P50: 100 * time.Millisecond, P99: 198 * time.Millisecond,
		Commits: 5, Commands: 10, Appends: 15, WAL: 100, PostgresCPU: 2, ProgramCPU: 3, ClientCPU: 1,
	}, r)
	require.Equal(t, -1.0, roundOf(s, usage{postgres: -1}, usage{postgres: -1}).PostgresCPU, "unknown is not nothing")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{0, 1, 2}, runOrder(3, 1))
	require.Equal(t, []int{2, 1, 0}, runOrder(3, 2))
}

func TestDrive(t *testing.T) {
	t.Parallel()
	seen := make(chan int64, 1<<16)
	t.Run("EveryUnitHasANumberOfItsOwn", func(t *testing.T) {
		t.Parallel()
		s, err := Drive(t.Context(), 4, time.Minute, func(_ context.Context, n int64) error {
			if len(seen) >= 1000 {
				return ErrSpent
			}
			seen <- n
			return nil
		})
		require.NoError(t, err, "nothing left is no failure")
		require.Len(t, s.Latencies, s.Units)
		require.Len(t, seen, s.Units)
		close(seen)
		once := map[int64]bool{}
		for n := range seen {
			require.False(t, once[n])
			once[n] = true
		}
	})
	t.Run("AFailureEndsIt", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("broken")
		_, err := Drive(t.Context(), 4, time.Minute, func(context.Context, int64) error { return broken })
		require.ErrorIs(t, err, broken)
	})
}

func TestSave(t *testing.T) {
	t.Parallel()
	report := Report{
		Section: "figures", Rounds: 1, Each: time.Second, Machine: "an abacus",
		Results: Results{{Name: "ours", Callers: 8, Rounds: rounds(12345)}, {Name: "theirs & others", Callers: 8, Rounds: rounds(0.2)}},
		Targets: []Target{{What: "ours", Of: Rate("ours", 8), Bound: 1e6}, {What: "not measured", Of: Rate("nobody", 8)}},
		Plots:   []Plot{{Title: "A <plot>", Bars: []Bar{{Label: "a & b", Name: "theirs & others"}, {Label: "c", Name: "ours", Color: "blue"}}}, {Title: "empty"}},
	}
	save := func(t *testing.T, text string) (after, drawn string, err error) {
		file := filepath.Join(t.TempDir(), "FIGURES.md")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		err = report.Save(file)
		got, _ := os.ReadFile(file)
		plot, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "benchmarks.svg"))
		return string(got), string(plot), err
	}
	t.Run("OnlyWhatStandsBetweenTheMarkersGoes", func(t *testing.T) {
		t.Parallel()
		after, drawn, err := save(t, "before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n<!-- growth -->\nkept\n<!-- /growth -->\n")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(after, "before\n<!-- figures -->\n"))
		require.True(t, strings.HasSuffix(after, "<!-- /figures -->\nafter\n<!-- growth -->\nkept\n<!-- /growth -->\n"))
		require.NotContains(t, after, "old")
		require.Contains(t, after, "| ours | 8 | 12,345 |")
		require.Contains(t, after, "| ours | 12345 | ≥ 1000000 | **missed** |")
		require.NotContains(t, after, "not measured")
		require.Equal(t, 2, bars(t, drawn), drawn)
	})
	t.Run("WithoutMarkersNothingIsWritten", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"", "<!-- figures -->\n", "<!-- /figures -->", "<!-- growth -->\n<!-- /growth -->"} {
			after, drawn, err := save(t, text)
			require.ErrorContains(t, err, "no markers <!-- figures -->")
			require.Equal(t, text, after)
			require.Empty(t, drawn)
		}
	})
}

// bars parses a drawing as XML and counts its bars, the rectangles with a title.
func bars(t *testing.T, drawing string) (found int) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(drawing))
	var within string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok {
			if start.Name.Local == "title" && within == "rect" {
				found++
			}
			within = start.Name.Local
			for _, a := range start.Attr {
				require.NotContains(t, a.Value, "NaN")
				require.NotContains(t, a.Value, "Inf")
			}
		}
	}
}

func TestReadsPgbench(t *testing.T) {
	t.Parallel()
	p := Pgbench{Commands: 10, Appends: 15}
	s, err := p.sampleOf([]byte("number of transactions actually processed: 40\nnumber of failed transactions: 0 (0.000%)\ntps = 20.0 (without initial connection time)\n"))
	require.NoError(t, err)
	require.Equal(t, Sample{Units: 40, Took: 2 * time.Second, Commands: 400, Appends: 600}, s)
	s, err = p.sampleOf([]byte("number of transactions actually processed: 0\n"))
	require.NoError(t, err, "it was too short")
	require.Zero(t, s.Units)
	_, err = p.sampleOf([]byte("pgbench: error"))
	require.Error(t, err)

	latencies, err := appendLatencies(nil, strings.NewReader("0 1 2500 0 1790000000 12345\n1 1 40 0 1790000000 12399\n"))
	require.NoError(t, err)
	require.Equal(t, []time.Duration{2500 * time.Microsecond, 40 * time.Microsecond}, latencies)

	require.Equal(t, []string{"-T", "2"}, howLong(32, 2*time.Second))
	require.Equal(t, []string{"-t", "4"}, howLong(32, 100*time.Millisecond))
}

// TestScripts checks that the scripts write as many rows as the program.
func TestScripts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a PostgreSQL of its own")
	}
	if _, err := FindPgbench(); err != nil {
		t.Skip(err)
	}
	server, err := Start(t.Context(), os.Getenv("PG_BIN_DIR"), map[string]string{"shared_buffers": "64MB"})
	require.NoError(t, err)
	defer server.Stop()
	var buffers string
	require.NoError(t, server.conn.QueryRow(t.Context(), "show shared_buffers").Scan(&buffers))
	require.Equal(t, "64MB", buffers)
	require.Contains(t, MachineOf(server), "shared_buffers = 64MB")
	url, err := server.Database(t.Context(), "scripts")
	require.NoError(t, err)
	require.NoError(t, Fill(t.Context(), url, "setup.sql"))
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows := func(table string) (n int) {
		sql := "select count(*) from cart.outbox"
		if table != "outbox" {
			sql = `select (select count(*) from cart.` + table + `) + (select count(*) from orders.` + table + `)
				+ (select count(*) from payment.` + table + `) + (select count(*) from saga.` + table + `)`
		}
		require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	streams := rows("streams")
	before, err := server.usage(t.Context())
	require.NoError(t, err)
	checkouts, err := Pgbench{URL: url, Script: "checkout.sql", Commands: 10, Appends: 15, Sampling: 1}.Run(t.Context(), 2, 20*time.Millisecond)
	require.NoError(t, err)
	after, err := server.usage(t.Context())
	require.NoError(t, err)

	n := checkouts.Units
	require.Positive(t, n)
	require.EqualValues(t, 10*n, checkouts.Commands)
	require.Equal(t, 15*n, rows("events"))
	require.Equal(t, 10*n, rows("receipts"))
	require.Equal(t, streams+3*n, rows("streams"), "an order, a payment, a saga")
	require.Zero(t, rows("outbox"))
	require.Len(t, checkouts.Latencies, n)
	require.EqualValues(t, 5*n, after.transactions-before.transactions)
	require.Greater(t, after.wal-before.wal, int64(1000*n))
	if runtime.GOOS == "linux" {
		require.Positive(t, after.postgres)
		require.GreaterOrEqual(t, after.postgres, before.postgres)
	}

	commands, err := Pgbench{URL: url, Script: "command.sql", Commands: 1, Appends: 1, Sampling: 1}.Run(t.Context(), 2, 20*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, 15*n+commands.Units, rows("events"))
	require.Equal(t, 10*n+commands.Units, rows("receipts"))

	baseline, err := OpenGORM(url, 2, 10_000)
	require.NoError(t, err)
	defer baseline.Close()
	byGORM, err := baseline.Run(t.Context(), 2, 20*time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, byGORM.Units)
	require.Equal(t, 15*n+commands.Units+byGORM.Units, rows("events"))
	require.Equal(t, 10*n+commands.Units+byGORM.Units, rows("receipts"))
	require.Equal(t, streams+3*n, rows("streams"))
}
