package saga

import (
	"context"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"shopping-cart/eventstore"
)

// context returns the context of a pass. It belongs to the trace in which the saga began, whichever process began it and whatever woke it.
// If the pass was caused in another trace, such as an operator's request, a span links to that.
func (r *runner) context(id uuid.UUID, p *pass) context.Context {
	origin := p.cause
	if p.from == nil && r.tracer != nil {
		origin = r.origin(id, p.cause)
	}
	if !origin.IsValid() {
		return context.Background()
	}
	ctx := trace.ContextWithSpanContext(context.Background(), origin)
	if r.tracer != nil && p.cause.IsValid() && p.cause.TraceID() != origin.TraceID() {
		var span trace.Span
		ctx, span = r.tracer.Start(ctx, "saga woken", trace.WithLinks(trace.Link{SpanContext: p.cause}))
		span.End()
	}
	return ctx
}

// origin returns the span that began a saga, as its first event stores it, or the cause of a pass if that is in the same trace.
func (r *runner) origin(id uuid.UUID, cause trace.SpanContext) trace.SpanContext {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	origin, err := r.store.Origin(ctx, id)
	if err != nil || !origin.IsValid() || origin.TraceID() == cause.TraceID() {
		return cause
	}
	return origin
}

// startStep starts the span of one attempt of a step.
func (r *runner) startStep(ctx context.Context, id uuid.UUID, s State, step string) (context.Context, trace.Span) {
	if r.tracer == nil {
		return ctx, noop.Span{}
	}
	ctx, span := r.tracer.Start(ctx, "saga step "+s.Type+"/"+step)
	if span.IsRecording() {
		span.SetAttributes(attribute.Stringer(s.Type+".id", id), attribute.Int("saga.attempt", s.Step(step).Attempts+1))
		span.SetAttributes(s.tracedIDs()...)
	}
	return ctx, span
}

// tracedIDs are the ids of the streams that a saga changes.
func (s State) tracedIDs() []attribute.KeyValue {
	cart, order, payment := s.Checkout.CartID, s.Checkout.OrderID, s.Checkout.PaymentID
	switch {
	case s.Refund != nil:
		order, payment = s.Refund.OrderID, s.Refund.PaymentID
	case s.Cancellation != nil:
		order, payment = s.Cancellation.OrderID, s.Cancellation.PaymentID
	}
	ids := []attribute.KeyValue{attribute.Stringer("order.id", order), attribute.Stringer("payment.id", payment)}
	if cart != uuid.Nil {
		ids = append(ids, attribute.Stringer("cart.id", cart))
	}
	return ids
}

// endStep ends the span of an attempt, with the type of its event.
func endStep(span trace.Span, o Outcome, event Event) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("saga.outcome", eventstore.TypeOf(event)))
	if o.Error != "" {
		span.SetStatus(codes.Error, o.Error)
	}
	span.End()
}
