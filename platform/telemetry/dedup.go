package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

// dedupInterval is how long one line about an outage stands for all lines with the same message.
const dedupInterval = 10 * time.Second

// dedup keeps an outage from filling the log. When the error of a line says that a dependency is away or overloaded, dedup writes
// one line for each message and interval. The next line says how many were left out. All other lines pass.
type dedup struct {
	slog.Handler
	outages *outages
}

// outages counts by message. The messages are few, since they are constants in the code.
type outages struct {
	mu      sync.Mutex
	written map[string]time.Time
	missed  map[string]int
}

func newDedup(h slog.Handler) dedup {
	return dedup{h, &outages{written: map[string]time.Time{}, missed: map[string]int{}}}
}

// Handle is part of slog.Handler. It adds the trace of ctx to the line.
func (d dedup) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	if !isOutage(r) {
		return d.Handler.Handle(ctx, r)
	}
	missed, admitted := d.outages.admit(r.Message, r.Time)
	if !admitted {
		return nil
	}
	if missed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("unwritten", missed))
	}
	return d.Handler.Handle(ctx, r)
}

// WithAttrs is part of slog.Handler.
func (d dedup) WithAttrs(attrs []slog.Attr) slog.Handler {
	return dedup{d.Handler.WithAttrs(attrs), d.outages}
}

// WithGroup is part of slog.Handler.
func (d dedup) WithGroup(name string) slog.Handler {
	return dedup{d.Handler.WithGroup(name), d.outages}
}

func (o *outages) admit(message string, now time.Time) (missed int, admitted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.written[message]) < dedupInterval {
		o.missed[message]++
		return 0, false
	}
	missed = o.missed[message]
	o.written[message], o.missed[message] = now, 0
	return missed, true
}

// isOutage reports whether the error of a line says that a dependency is away or overloaded.
func isOutage(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "error" {
			return true
		}
		if err, ok := a.Value.Any().(error); ok {
			f, isFault := fault.As(err)
			found = isFault && f.Kind == fault.Unavailable || pgerr.Transient(err) || errors.Is(err, context.DeadlineExceeded)
		}
		return !found
	})
	return found
}
