package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// startSpan continues the trace of the client, or starts one. Without a tracer the context only keeps the ids of the client's trace. Probes
// have no span.
func (s *Server) startSpan(c echo.Context) (context.Context, trace.Span) {
	r := c.Request()
	ctx := r.Context()
	if r.Header["Traceparent"] != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	if s.cfg.Tracer == nil || isProbe(c.Path()) {
		return ctx, noop.Span{}
	}
	return s.cfg.Tracer.Start(ctx, method(c), trace.WithSpanKind(trace.SpanKindServer))
}

// endSpan names the span of an answered request after its route. The span holds no path, query, address or subject.
func endSpan(c echo.Context, span trace.Span) {
	if !span.IsRecording() {
		return
	}
	status := c.Response().Status
	span.SetAttributes(attribute.String("http.request.method", method(c)), attribute.Int("http.response.status_code", status))
	if stateOf(c).routed {
		span.SetName(method(c) + " " + c.Path())
		span.SetAttributes(attribute.String("http.route", c.Path()))
		span.SetAttributes(idsOf(c)...)
	}
	if status >= http.StatusInternalServerError {
		span.SetAttributes(attribute.String("error.type", strconv.Itoa(status)))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// tracedIDs are the attributes for the path parameter "id" of the routes below a prefix.
var tracedIDs = []struct{ prefix, attribute string }{
	{"/v1/carts/:id", "cart.id"},
	{"/v1/checkouts/:id", "checkout.id"},
	{"/v1/orders/:id", "order.id"},
	{"/v1/payments/:id", "payment.id"},
}

func idsOf(c echo.Context) (ids []attribute.KeyValue) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return nil
	}
	for _, t := range tracedIDs {
		if strings.HasPrefix(c.Path(), t.prefix) {
			ids = append(ids, attribute.String(t.attribute, id.String()))
		}
	}
	return ids
}
