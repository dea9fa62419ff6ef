package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals ask the program to stop. SIGHUP comes from a terminal that is closed; where it is ignored (nohup), it stays so.
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// untilStopped is a context that ends with the first signal to stop. The second one ends the program at once.
func untilStopped() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	context.AfterFunc(ctx, stop)
	return ctx
}

// survivePipes keeps the program alive when the reader of its output goes away, such as "tee" at Ctrl-C: a write to it fails
// and does nothing else. The signal is caught and not ignored, so that the programs that are started from here have it as
// they know it.
func survivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
