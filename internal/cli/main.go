// Package cli is the command line of the program: its commands, their help and their exit statuses.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

// gcPercent trades memory for time: what a batch decodes is garbage at its end, and the live heap is a few megabytes. With
// Go's 100 the collector took a fifth of the processor time of a check-out. GOGC overrides it.
const gcPercent = 400

// Main runs the program with the arguments of its command line, and returns its exit status.
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

// errInterrupted is said in place of the canceled context in which a command was stopped.
var errInterrupted = errors.New("stopped before it came to its end")
