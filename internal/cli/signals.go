package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals returns the signals that stop the program. A closed terminal sends SIGHUP. If it is ignored (nohup), it stays
// ignored.
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// untilStopped returns a context that ends with the first stop signal. The second signal ends the program at once.
func untilStopped() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	context.AfterFunc(ctx, stop)
	return ctx
}
