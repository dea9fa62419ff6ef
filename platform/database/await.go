package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// silence is how long a wait at the start may last before the log says what is waited for.
const silence = 2 * time.Second

// Await calls do with a context that ends after the limit, and says in the log what it waits for once two seconds have
// passed.
func Await(ctx context.Context, log *slog.Logger, what string, limit time.Duration, do func(context.Context) error) error {
	return (&wait{log: log, what: what, limit: limit}).run(ctx, do)
}

// wait is a wait at the start of the program that ends.
type wait struct {
	log   *slog.Logger
	what  string        // is waited for
	limit time.Duration // then it is given up

	reason atomic.Value // string: the latest one
}

func (w *wait) why() string {
	reason, _ := w.reason.Load().(string)
	return reason
}

// run calls do with a context that ends after the limit. The log names what is waited for once two seconds have passed,
// and the error names it, with the reason, when the limit ended the wait.
func (w *wait) run(ctx context.Context, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	told := make(chan struct{})
	notice := time.AfterFunc(silence, func() {
		defer close(told)
		attributes := []any{"for", w.what, "gives_up_after", w.limit}
		if reason := w.why(); reason != "" {
			attributes = append(attributes, "reason", reason)
		}
		w.log.Warn("still waiting", attributes...)
	})
	defer func() {
		if !notice.Stop() {
			<-told
		}
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
