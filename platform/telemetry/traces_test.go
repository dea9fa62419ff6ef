package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/platform/telemetry"
)

func environment(settings map[string]string) func(string) string {
	return func(name string) string { return settings[name] }
}

func TestNoTracesUnlessTheEnvironmentNamesACollector(t *testing.T) {
	t.Parallel()
	for _, off := range []map[string]string{
		{},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
		{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
	} {
		traces, err := telemetry.NewTraces(t.Context(), environment(off), "v1", slog.Default())
		require.NoError(t, err)
		require.Nil(t, traces)
		require.True(t, traces.Tracer() == nil && traces.Statements() == nil, "an interface must be nil, too")
		traces.Close()
	}
	for setting, wrong := range map[string]map[string]string{
		"OTEL_TRACES_EXPORTER":        {"OTEL_TRACES_EXPORTER": "zipkin"},
		"OTEL_EXPORTER_OTLP_PROTOCOL": {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
	} {
		_, err := telemetry.NewTraces(t.Context(), environment(wrong), "v1", slog.Default())
		require.ErrorContains(t, err, setting)
	}
}

// sampled returns a context in a trace.
func sampled(t *testing.T, flags trace.TraceFlags) (context.Context, string) {
	t.Helper()
	id, err := trace.TraceIDFromHex("4bf92f3577b34da6a3ce929d0e0e4736")
	require.NoError(t, err)
	of := trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}, TraceFlags: flags})
	return trace.ContextWithSpanContext(t.Context(), of), id.String()
}

func TestALineNamesItsTrace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := telemetry.Log(&out, "info", "json")
	require.NoError(t, err)
	log.Info("without")
	require.NotContains(t, out.String(), "trace_id")
	ctx, id := sampled(t, 0)
	log.InfoContext(ctx, "with", "a", 1)
	require.Contains(t, out.String(), `"a":1,"trace_id":"`+id+`"`)
}

func TestExemplars(t *testing.T) {
	t.Parallel()
	m := telemetry.New()
	ctx, id := sampled(t, trace.FlagsSampled)
	unsampled, _ := sampled(t, 0)
	m.HTTP(ctx, "GET", "/a", 200, time.Millisecond)
	m.HTTP(unsampled, "GET", "/b", 200, time.Millisecond)
	m.Batch(ctx, 3, time.Millisecond)
	m.ProviderCall(ctx, "bank", "capture", "answered", time.Millisecond)

	r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	for _, of := range []string{
		`shopping_cart_http_request_duration_seconds_bucket\{method="GET"`, `shopping_cart_batch_commands_bucket\{`,
		`shopping_cart_batch_duration_seconds_bucket\{`, `shopping_cart_provider_call_duration_seconds_bucket\{`,
	} {
		require.Regexp(t, of+`.*# \{trace_id="`+id+`"\}`, w.Body.String())
	}
	require.NotRegexp(t, `route="/b".*trace_id`, w.Body.String())
	require.NotContains(t, scrape(t, m), "trace_id", "the text format of old has none")
}
