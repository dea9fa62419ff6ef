package cli

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
