package web_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/platform/web"
)

// ended receives the spans that have ended.
type ended struct {
	sdk.SpanProcessor
	spans chan sdk.ReadOnlySpan
}

func (e ended) OnEnd(s sdk.ReadOnlySpan) { e.spans <- s }

// tracedSite is a site with a route of each kind, and its spans.
func tracedSite(t *testing.T) (*site, <-chan sdk.ReadOnlySpan) {
	e := ended{sdk.NewSimpleSpanProcessor(nil), make(chan sdk.ReadOnlySpan, 8)}
	s := newSite(t, func(c *web.Config) { c.Tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(e)).Tracer("") })
	s.Public.GET("/v1/carts/:id", traceOf, web.Query("email"))
	s.Public.GET("/gone", fails(errors.New("x")))
	return s, e.spans
}

// traceOf answers with the trace in the context of the request.
func traceOf(c echo.Context) error {
	of := trace.SpanContextFromContext(c.Request().Context())
	if !of.IsValid() {
		return c.String(http.StatusOK, "")
	}
	return c.String(http.StatusOK, of.TraceID().String())
}

const (
	clientsTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientsSpan  = "00f067aa0ba902b7"
)

func TestTraces(t *testing.T) {
	t.Parallel()

	t.Run("ARequestContinuesTheTraceOfTheClient", func(t *testing.T) {
		t.Parallel()
		s, spans := tracedSite(t)
		id := uuid.NewString()
		require.Equal(t, clientsTrace, s.get("/v1/carts/"+id+"?email=ann@example.com", "traceparent", "00-"+clientsTrace+"-"+clientsSpan+"-01").body)
		span := <-spans
		require.Equal(t, "GET /v1/carts/:id", span.Name())
		require.Equal(t, trace.SpanKindServer, span.SpanKind())
		require.Equal(t, clientsTrace, span.SpanContext().TraceID().String())
		require.Equal(t, clientsSpan, span.Parent().SpanID().String())
		require.ElementsMatch(t, []attribute.KeyValue{
			attribute.String("http.request.method", "GET"), attribute.String("http.route", "/v1/carts/:id"),
			attribute.Int("http.response.status_code", 200), attribute.String("cart.id", id),
		}, span.Attributes(), "it holds no path, no query and no address")
	})

	t.Run("ARequestWithoutOneStartsATrace", func(t *testing.T) {
		t.Parallel()
		s, spans := tracedSite(t)
		started := s.get("/v1/carts/1").body
		span := <-spans
		require.Equal(t, started, span.SpanContext().TraceID().String())
		require.False(t, span.Parent().IsValid())
	})

	t.Run("AnUnsampledTraceHasNoSpan", func(t *testing.T) {
		t.Parallel()
		s, spans := tracedSite(t)
		require.Equal(t, clientsTrace, s.get("/v1/carts/1", "traceparent", "00-"+clientsTrace+"-"+clientsSpan+"-00").body)
		s.get("/gone")
		require.Equal(t, "GET /gone", (<-spans).Name())
	})

	t.Run("AFailureIsAnError", func(t *testing.T) {
		t.Parallel()
		s, spans := tracedSite(t)
		s.get("/gone")
		span := <-spans
		require.Equal(t, codes.Error, span.Status().Code)
		require.Contains(t, span.Attributes(), attribute.String("error.type", "500"))
		s.get("/nothing/of/the/kind")
		require.Equal(t, "GET", (<-spans).Name(), "the path of a request is not in its span")
	})

	t.Run("ProbesAreNotTraced", func(t *testing.T) {
		t.Parallel()
		s, spans := tracedSite(t)
		s.get("/healthz")
		s.get("/gone")
		require.Equal(t, "GET /gone", (<-spans).Name())
	})

	t.Run("WithoutATracerTheContextKeepsTheTraceOfTheClient", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.Public.GET("/", traceOf)
		require.Equal(t, clientsTrace, s.get("/", "traceparent", "00-"+clientsTrace+"-"+clientsSpan+"-01").body)
		for _, bad := range []string{
			"00-" + clientsTrace, "ff-" + clientsTrace + "-" + clientsSpan + "-01", "00-" + strings.Repeat("0", 32) + "-" + clientsSpan + "-01", "x",
		} {
			require.Empty(t, s.get("/", "traceparent", bad).body)
		}
	})
}
