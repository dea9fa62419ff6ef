package payment

import (
	"context"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// startCall starts the span of a call. Its time includes the wait for a slot.
func (g *guardedProvider) startCall(ctx context.Context, op Operation, c Call) (context.Context, trace.Span) {
	if g.tracer == nil {
		return ctx, noop.Span{}
	}
	return g.tracer.Start(ctx, "provider "+g.Name()+" "+string(op), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("payment.id", c.Reference)))
}

// endCall ends the span of a call. It holds no text of the provider.
func endCall(span trace.Span, outcome string) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("provider.outcome", outcome))
	if outcome != callAnswered {
		span.SetStatus(codes.Error, outcome)
	}
	span.End()
}

// traceparent returns the span of a context in the form of W3C, or "".
func traceparent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	header := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, header)
	return header.Get("traceparent")
}

// startWebhook starts the span of a webhook. It belongs to the trace in which the payment began, and links to the request that delivered
// the webhook.
func (m *Module) startWebhook(ctx context.Context, payment uuid.UUID, w webhook) (context.Context, trace.Span) {
	tracer := m.store.Tracer()
	if tracer == nil {
		return ctx, noop.Span{}
	}
	origin, err := m.store.Origin(ctx, payment)
	if err == nil {
		ctx = trace.ContextWithSpanContext(ctx, origin)
	}
	delivered := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": w.trace})
	return tracer.Start(ctx, "webhook "+w.Provider, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(trace.LinkFromContext(delivered)),
		trace.WithAttributes(attribute.Stringer("payment.id", payment), attribute.String("webhook.type", w.Type)))
}
