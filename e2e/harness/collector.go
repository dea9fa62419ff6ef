//go:build !windows

package harness

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector receives spans by OTLP over HTTP, as a collector of OpenTelemetry does.
type Collector struct {
	url   string
	mu    sync.Mutex
	spans []Span
}

// Span is a span that has ended.
type Span struct {
	Name, Trace, ID, Parent string
	Attributes              map[string]string // those that are texts
	Links                   []string          // traces
}

// NewCollector starts a collector.
func NewCollector(t *testing.T) *Collector {
	c := &Collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var request collector.ExportTraceServiceRequest
		assert.Equal(t, "/v1/traces", r.URL.Path)
		assert.NoError(t, proto.Unmarshal(body, &request))
		c.receive(&request)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// Settings are the variables of the environment with which the program exports its spans to the collector, soon after their end.
func (c *Collector) Settings() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_BSP_SCHEDULE_DELAY=20"}
}

func (c *Collector) receive(request *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, program := range request.ResourceSpans {
		for _, scope := range program.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, spanOf(s))
			}
		}
	}
}

func spanOf(s *traces.Span) Span {
	span := Span{
		Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Attributes: map[string]string{},
	}
	for _, a := range s.Attributes {
		span.Attributes[a.Key] = a.Value.GetStringValue()
	}
	for _, l := range s.Links {
		span.Links = append(span.Links, hex.EncodeToString(l.TraceId))
	}
	return span
}

// Spans returns the spans that which accepts.
func (c *Collector) Spans(which func(Span) bool) []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s Span) bool { return !which(s) })
}

// Await returns the first span of this name that which accepts, as soon as it has ended.
func (c *Collector) Await(t *testing.T, name string, which func(Span) bool) (found Span) {
	t.Helper()
	Until(t, "the span "+name+" ends", func() bool {
		all := c.Spans(func(s Span) bool { return s.Name == name && which(s) })
		if len(all) > 0 {
			found = all[0]
		}
		return len(all) > 0
	})
	return found
}
