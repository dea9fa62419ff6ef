package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// Traces exports spans by OTLP over HTTP. The SDK of OpenTelemetry reads its settings from the variables OTEL_* of the environment. A nil
// *Traces is valid and records nothing.
type Traces struct {
	provider *sdk.TracerProvider
	log      *slog.Logger
}

// flushTimeout limits the export of the last spans when the program stops.
const flushTimeout = 5 * time.Second

// NewTraces returns nil if the environment, read with getenv, names no collector. build is the version of the program.
func NewTraces(ctx context.Context, getenv func(string) string, build string, log *slog.Logger) (*Traces, error) {
	wanted, err := tracesWanted(getenv)
	if !wanted || err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("the exporter of traces: %w", err)
	}
	program, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "shopping-cart"), attribute.String("service.version", build),
		attribute.String("service.instance.id", uuid.NewString())), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	now := rate.Sometimes{Interval: dedupInterval}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		now.Do(func() { log.Warn("failed to export traces", "error", err) })
	}))
	return &Traces{sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(program)), log}, nil
}

// tracesWanted reports whether the environment asks for traces. It refuses exporters and protocols that this program lacks.
func tracesWanted(getenv func(string) string) (bool, error) {
	exporter := getenv("OTEL_TRACES_EXPORTER")
	endpoint := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	protocol := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), getenv("OTEL_EXPORTER_OTLP_PROTOCOL"))
	switch {
	case strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true"), exporter == "none", exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, errors.New("OTEL_TRACES_EXPORTER must be otlp or none")
	case protocol != "" && protocol != "http/protobuf":
		return false, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf")
	}
	return true, nil
}

// Tracer starts the spans of the program. It is nil if nothing is traced.
func (t *Traces) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer("shopping-cart")
}

// Statements starts the spans of SQL statements, without their arguments. A statement outside of a span has none, so background polls
// are not traced. It is nil if nothing is traced.
func (t *Traces) Statements() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider), otelpgx.WithDisableConnectionDetailsInAttributes())
}

// Close exports the spans that are left.
func (t *Traces) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("failed to export the last traces", "error", err)
	}
}
