// Command dbos runs workflows of DBOS, a library of durable workflows on PostgreSQL, for "shopping-cart bench --dbos". It has a
// module of its own, so that the program itself never downloads DBOS.
//
//	dbos postgres://…    reads jobs from standard input and writes a report for each, as internal/bench's Client expects
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// steps is the number of steps of a workflow.
const steps = 5

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dbos URL-of-a-database")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url string) error {
	ctx, err := dbos.NewContext(context.Background(), dbos.Config{
		AppName: "bench", DatabaseURL: url, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	defer dbos.Shutdown(ctx, 5*time.Second)
	dbos.RegisterWorkflow(ctx, workflow)
	if err := dbos.Launch(ctx); err != nil {
		return err
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var j job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(j.run(ctx)); err != nil {
			return err
		}
	}
}

// workflow is a workflow of trivial steps. DBOS records its start, the result of each step, and its end.
func workflow(ctx dbos.Context, input int) (int, error) {
	for range steps {
		var err error
		if input, err = dbos.RunAsStep(ctx, func(context.Context) (int, error) { return input + 1, nil }); err != nil {
			return 0, err
		}
	}
	return input, nil
}

// job is the part of bench.Job that matters here.
type job struct {
	Callers int
	For     time.Duration
}

// report is the part of internal/bench's report that is known here.
type report struct {
	Took       time.Duration
	Units      int
	Latencies  []time.Duration
	ProgramCPU time.Duration
	Error      string
}

// run runs workflows from a number of callers, each one in sequence.
func (j job) run(ctx dbos.Context) report {
	latencies, failed := make([][]time.Duration, j.Callers), make([]error, j.Callers)
	before, began := processorTime(), time.Now()
	var wg sync.WaitGroup
	for caller := range j.Callers {
		wg.Go(func() {
			for at := time.Now(); at.Sub(began) < j.For; {
				if failed[caller] = runOne(ctx); failed[caller] != nil {
					return
				}
				now := time.Now()
				latencies[caller] = append(latencies[caller], now.Sub(at))
				at = now
			}
		})
	}
	wg.Wait()
	r := report{Took: time.Since(began), Latencies: slices.Concat(latencies...), ProgramCPU: processorTime() - before}
	r.Units = len(r.Latencies)
	if err := errors.Join(failed...); err != nil {
		r.Error = err.Error()
	}
	return r
}

// runOne runs a workflow to its end.
func runOne(ctx dbos.Context) error {
	handle, err := dbos.RunWorkflow(ctx, workflow, 0)
	if err != nil {
		return err
	}
	result, err := handle.GetResult()
	if err == nil && result != steps {
		err = fmt.Errorf("the workflow returned %d", result)
	}
	return err
}

// processorTime returns the processor time of this process.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
