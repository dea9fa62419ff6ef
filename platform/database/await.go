package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// silence is how long a wait at the start may last before the log mentions it.
const silence = 2 * time.Second

// news is the interval at which the log then reports a changed reason.
const news = 10 * time.Second

// Await calls do with a context that ends after the limit (0: never). After two seconds the log names the subject of the wait. do
// may report a reason; the log has a changed reason every ten seconds.
func Await(ctx context.Context, log *slog.Logger, what string, limit time.Duration, do func(ctx context.Context, because func(reason string)) error) error {
	w := &await{log: log, what: what, limit: limit}
	return w.run(ctx, func(ctx context.Context) error { return do(ctx, w.because) })
}

// await is a wait at the start of the program.
type await struct {
	log   *slog.Logger
	what  string        // the subject of the wait
	limit time.Duration // of the wait; 0: none

	reason atomic.Value // string: the latest one
}

func (w *await) why() string {
	reason, _ := w.reason.Load().(string)
	return reason
}

// because stores the reason of the wait, for the log and the error.
func (w *await) because(reason string) { w.reason.Store(reason) }

// tell logs the subject of the wait until stop is closed.
func (w *await) tell(stop <-chan struct{}) {
	said := ""
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for first := true; ; first = false {
		select {
		case <-timer.C:
		case <-stop:
			return
		}
		if reason := w.why(); first || reason != said {
			attributes := []any{"for", w.what}
			if w.limit > 0 {
				attributes = append(attributes, "gives_up_after", w.limit)
			}
			if reason != "" {
				attributes = append(attributes, "reason", reason)
			}
			w.log.Warn("still waiting", attributes...)
			said = reason
		}
		timer.Reset(news)
	}
}

// run calls do with a context that ends after the limit. When the limit ended the wait, the error names the subject and the
// reason.
func (w *await) run(ctx context.Context, do func(context.Context) error) error {
	bounded := ctx
	if w.limit > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, w.limit)
		defer cancel()
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		w.tell(stop)
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	err := do(bounded)
	if err == nil || ctx.Err() != nil || !errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return err
	}
	if reason := w.why(); reason != "" {
		return fmt.Errorf("gave up after %s waiting for %s: %s", w.limit, w.what, reason)
	}
	return fmt.Errorf("gave up after %s waiting for %s: %w", w.limit, w.what, err)
}
