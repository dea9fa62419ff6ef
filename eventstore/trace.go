package eventstore

import (
	"context"
	"reflect"
	"unicode"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"shopping-cart/platform/fault"
)

// A command stores the trace of its context with its events. The handlers of the events continue that trace, also in another process.

// unsampledSpan stands for a span that was not stored, since its trace is not sampled.
var unsampledSpan = trace.SpanID{7: 1}

// setSpan stores the trace of a command.
func (m *Meta) setSpan(of trace.SpanContext) {
	if !of.IsValid() {
		return
	}
	m.Trace = of.TraceID().String()
	if of.IsSampled() {
		m.Span = of.SpanID().String()
	}
}

// SpanContext returns the span of the command. It is not valid if the command had no trace.
func (m Meta) SpanContext() trace.SpanContext {
	id, err := trace.TraceIDFromHex(m.Trace)
	if err != nil {
		return trace.SpanContext{}
	}
	of := trace.SpanContextConfig{TraceID: id, SpanID: unsampledSpan, Remote: true}
	if span, err := trace.SpanIDFromHex(m.Span); err == nil {
		of.SpanID, of.TraceFlags = span, trace.FlagsSampled
	}
	return trace.NewSpanContext(of)
}

// context returns a context in the trace of the command.
func (m Meta) context() context.Context {
	if m.Trace == "" {
		return context.Background()
	}
	return trace.ContextWithSpanContext(context.Background(), m.SpanContext())
}

// Origin returns the span of the command that began a stream. It is not valid if the command had no trace.
func (s *Store) Origin(ctx context.Context, id uuid.UUID) (trace.SpanContext, error) {
	first, err := s.ReadStream(ctx, id, 0, 1)
	if err != nil || len(first) == 0 {
		return trace.SpanContext{}, err
	}
	return first[0].Meta.SpanContext(), nil
}

// Tracer starts the spans of a module. It is nil if nothing is traced.
func (s *Store) Tracer() trace.Tracer { return s.db.Committer.config.Tracer }

// name names a command in traces: the kind of its first stream, or the schema, and the type of Named.
func (c *Command) name(schema string) string {
	of := schema
	if len(c.Streams) > 0 {
		of = c.Streams[0].codec.kind()
	}
	switch named := c.Named.(type) {
	case nil:
		return of
	case string:
		return of + "." + named
	}
	return of + "." + snake(reflect.TypeOf(c.Named).Name())
}

// snake converts CheckOut to check_out.
func snake(name string) string {
	var out []rune
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			out = append(out, '_')
		}
		out = append(out, unicode.ToLower(r))
	}
	return string(out)
}

// startCommand starts the span of a command. Its time includes the wait for the commit.
func (s *Store) startCommand(ctx context.Context, cmd *Command) (context.Context, trace.Span) {
	tracer := s.Tracer()
	if tracer == nil {
		return ctx, noop.Span{}
	}
	ctx, span := tracer.Start(ctx, "command "+cmd.name(s.schema))
	if span.IsRecording() && len(cmd.Streams) > 0 {
		span.SetAttributes(attribute.Stringer(cmd.Streams[0].codec.kind()+".id", cmd.Streams[0].ID))
	}
	return ctx, span
}

// endCommand ends the span of a command. It holds the code of a refusal, and no other text of an error.
func endCommand(span trace.Span, r Receipt, err error) {
	if !span.IsRecording() {
		return
	}
	outcome := outcomeOf(r, err)
	span.SetAttributes(attribute.String("command.outcome", outcome))
	if f, ok := fault.As(err); ok {
		span.SetAttributes(attribute.String("error.type", f.Code))
	}
	if outcome == outcomeFailed {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// startBatch starts the span of a transaction. A span has one parent, and a transaction carries the commands of many traces. So its parent
// is the first traced command; it links to the others, and they link to it.
func (c *Committer) startBatch(batch []*job) (context.Context, trace.Span) {
	var first trace.Span
	var others []trace.Span
	var links []trace.Link
	for _, j := range batch {
		for one := range j.all {
			switch {
			case c.config.Tracer == nil || !one.span.IsRecording():
			case first == nil:
				first = one.span
			default:
				others, links = append(others, one.span), append(links, trace.Link{SpanContext: one.span.SpanContext()})
			}
		}
	}
	if first == nil {
		return context.Background(), noop.Span{}
	}
	ctx, span := c.config.Tracer.Start(trace.ContextWithSpan(context.Background(), first), "batch",
		trace.WithLinks(links...), trace.WithAttributes(attribute.Int("batch.commands", commandsIn(batch))))
	for _, other := range others {
		other.AddLink(trace.Link{SpanContext: span.SpanContext()})
	}
	return ctx, span
}
