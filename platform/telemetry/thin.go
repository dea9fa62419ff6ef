package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

// quiet is how long a line about something that is away stands for all like it.
const quiet = 10 * time.Second

// thin keeps an outage from filling the log. Of lines with one message whose error says that something is away, or too busy,
// one in a while is written; the next one says how many it stands for. All others pass.
type thin struct {
	slog.Handler
	lines *outageLines
}

type outageLines struct {
	mu     sync.Mutex
	last   map[string]time.Time // by message: the messages are few, they are those in the code
	missed map[string]int
}

func newThin(h slog.Handler) thin {
	return thin{h, &outageLines{last: map[string]time.Time{}, missed: map[string]int{}}}
}

// Handle is part of slog.Handler.
func (t thin) Handle(ctx context.Context, r slog.Record) error {
	if !ofOutage(r) {
		return t.Handler.Handle(ctx, r)
	}
	missed, say := t.lines.say(r.Message, r.Time)
	if !say {
		return nil
	}
	if missed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("unwritten", missed))
	}
	return t.Handler.Handle(ctx, r)
}

// WithAttrs is part of slog.Handler.
func (t thin) WithAttrs(attrs []slog.Attr) slog.Handler {
	return thin{t.Handler.WithAttrs(attrs), t.lines}
}

// WithGroup is part of slog.Handler.
func (t thin) WithGroup(name string) slog.Handler { return thin{t.Handler.WithGroup(name), t.lines} }

func (l *outageLines) say(message string, now time.Time) (missed int, say bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.last[message]) < quiet {
		l.missed[message]++
		return 0, false
	}
	missed = l.missed[message]
	l.last[message], l.missed[message] = now, 0
	return missed, true
}

func ofOutage(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Key == "error" {
			f, isFault := fault.As(err)
			found = isFault && f.Kind == fault.Unavailable || pgerr.Transient(err) || errors.Is(err, context.DeadlineExceeded)
		}
		return !found
	})
	return found
}
