// Package cli is the command line of the program: its commands, their help and their exit statuses.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

// gcPercent trades memory for time: the objects of a batch are garbage at its end, and the live heap is a few megabytes. With
// Go's default of 100, the collector used a fifth of the processor time of a checkout. GOGC overrides it.
const gcPercent = 400

// Main runs the program with the arguments of its command line and returns its exit status.
func Main(arguments []string) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx := untilStopped()
	command := parse(ctx, arguments)
	if err := command.Run(); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = errInterrupted
		}
		fmt.Fprintln(os.Stderr, "shopping-cart:", err)
		return exitCode(err)
	}
	return 0
}

// errInterrupted replaces the context's error when a command was stopped.
var errInterrupted = errors.New("interrupted before the end")
