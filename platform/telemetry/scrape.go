package telemetry

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// scrapeFresh limits the age of a shared answer: the metrics are gathered at most once a second, however many ask.
const scrapeFresh = time.Second

// scrapes gathers the metrics and shares the answers among the requests of a second.
type scrapes struct {
	registry *prometheus.Registry
	handler  http.Handler

	mu       sync.Mutex
	made     time.Time
	families []*dto.MetricFamily
	err      error
	answers  map[string]*scrape // by format and coding
}

// Handler serves the metrics in the formats that Prometheus reads. OpenMetrics holds exemplars, too.
func (m *Metrics) Handler() http.Handler {
	s := &scrapes{registry: m.registry}
	gathered := func() ([]*dto.MetricFamily, error) { return s.families, s.err }
	s.handler = promhttp.HandlerFor(prometheus.GathererFunc(gathered), promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
	return s
}

// ServeHTTP is part of http.Handler.
func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := s.answer(r)
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client may have gone
}

// answer returns the shared answer for the format and the coding that the request accepts.
func (s *scrapes) answer(r *http.Request) *scrape {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made.IsZero() || time.Since(s.made) >= scrapeFresh {
		s.families, s.err = s.registry.Gather()
		s.made, s.answers = time.Now(), map[string]*scrape{}
	}
	coding := "identity"
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		coding = "gzip"
	}
	key := string(expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)) + " " + coding
	if s.answers[key] == nil {
		asked := &http.Request{Method: http.MethodGet, URL: &url.URL{}, Header: http.Header{"Accept": r.Header["Accept"], "Accept-Encoding": {coding}}}
		s.answers[key] = &scrape{header: http.Header{}, status: http.StatusOK}
		s.handler.ServeHTTP(s.answers[key], asked)
	}
	return s.answers[key]
}

// scrape is an answer.
type scrape struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is part of http.ResponseWriter.
func (a *scrape) Header() http.Header { return a.header }

// WriteHeader is part of http.ResponseWriter.
func (a *scrape) WriteHeader(status int) { a.status = status }

// Write is part of http.ResponseWriter.
func (a *scrape) Write(text []byte) (int, error) { return a.body.Write(text) }
