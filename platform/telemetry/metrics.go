package telemetry

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/trace"
)

const namespace = "shopping_cart"

// Metrics holds its own registry and all metrics in it. All methods are safe for concurrent use.
type Metrics struct {
	registry      *prometheus.Registry
	pools         *pools
	subscriptions *subscriptions

	requests   *prometheus.CounterVec
	spent      *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	commands   *prometheus.CounterVec
	batches    prometheus.Histogram
	commits    prometheus.Histogram
	dispatched *prometheus.HistogramVec
	failed     *prometheus.CounterVec
	sagas      *prometheus.HistogramVec
	calls      *prometheus.HistogramVec
	limited    *prometheus.CounterVec
}

// New returns the metrics, including those of the Go runtime and the process.
func New() *Metrics {
	m := &Metrics{
		registry:      prometheus.NewRegistry(),
		pools:         newPools(),
		subscriptions: newSubscriptions(),
		requests:      counters("http_requests_total", "Requests by route template.", "method", "route", "status"),
		spent:         counters("http_request_seconds_total", "Time spent on requests by route template.", "method", "route"),
		durations:     histograms("http_request_duration_seconds", "Requests by method; http_request_seconds_total has the routes.", seconds(0.001, 8), "method"),
		limited: counters("limited_total", "Requests by class, commands by lane, streams, connections, units and attempts of carts, and waiting checkouts and payments (declines) that were refused because of the limit of a subject, "+
			"an address, an object or of all.", "what", "by"),
		commands:   counters("commands_total", "Commands by store and outcome: done, replayed, refused, rehearsed or failed.", "store", "outcome"),
		batches:    prometheus.NewHistogram(options("batch_commands", "Commands that shared one transaction.", prometheus.ExponentialBuckets(1, 2, 10))),
		commits:    prometheus.NewHistogram(options("batch_duration_seconds", "From the start of a transaction of commands to its commit.", seconds(0.0005, 8))),
		dispatched: histograms("dispatch_lag_seconds", "From an event's time to the end of its handling.", seconds(0.004, 6), "subscription"),
		failed:     counters("dispatch_failures_total", "Handlings of an event that failed; each is tried again.", "subscription"),
		sagas:      histograms("saga_duration_seconds", "Sagas that ended, from start to end.", seconds(0.02, 6), "kind", "status"),
		calls: histograms("provider_call_duration_seconds",
			"Calls to payment providers by outcome: answered, failed, limited, forgone, held_open, held_busy or held_rate.", seconds(0.02, 5),
			"provider", "operation", "outcome"),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.pools, m.subscriptions, m.requests, m.spent, m.durations, m.commands, m.batches, m.commits, m.dispatched, m.failed, m.sagas, m.calls, m.limited)
	return m
}

// Registry returns the registry, where callers can register further collectors.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// HTTP counts one request. route is the template that matched and never the path itself.
func (m *Metrics) HTTP(ctx context.Context, method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.spent.WithLabelValues(method, route).Add(took.Seconds())
	observe(ctx, m.durations.WithLabelValues(method), took.Seconds())
}

// Limited counts one refusal because of a limit. what is a class of requests, streams, connections, commands with their lane, units or attempts of
// a cart, waiting checkouts, or declines.
func (m *Metrics) Limited(what, by string) { m.limited.WithLabelValues(what, by).Inc() }

// EachLimited calls each with the number of refusals because of each limit.
func (m *Metrics) EachLimited(each func(what, by string, refused int64)) {
	all := make(chan prometheus.Metric)
	go func() {
		defer close(all)
		m.limited.Collect(all)
	}()
	for one := range all {
		var read dto.Metric
		_ = one.Write(&read) // a counter can always be read
		labels := map[string]string{}
		for _, l := range read.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		each(labels["what"], labels["by"], int64(read.GetCounter().GetValue()))
	}
}

// Command counts one command of a store by its outcome: done, replayed, refused, rehearsed or failed.
func (m *Metrics) Command(store, outcome string) { m.commands.WithLabelValues(store, outcome).Inc() }

// Batch counts one transaction of commands.
func (m *Metrics) Batch(ctx context.Context, size int, took time.Duration) {
	observe(ctx, m.batches, float64(size))
	observe(ctx, m.commits, took.Seconds())
}

// Dispatched counts one handling of an event. lag runs from the event to the end of its handling.
func (m *Metrics) Dispatched(subscription string, lag time.Duration, err error) {
	if err != nil {
		m.failed.WithLabelValues(subscription).Inc()
		return
	}
	m.dispatched.WithLabelValues(subscription).Observe(lag.Seconds())
}

// SagaEnded counts one saga that ended.
func (m *Metrics) SagaEnded(kind, status string, took time.Duration) {
	m.sagas.WithLabelValues(kind, status).Observe(took.Seconds())
}

// SagaAge shows the age of the oldest unfinished saga of a kind at each scrape. It is zero when there is none and NaN when oldest
// fails.
func (m *Metrics) SagaAge(kind string, oldest func() (time.Duration, error)) {
	m.age("saga_oldest_unfinished_seconds", "Age of the oldest saga that has not ended.", prometheus.Labels{"kind": kind}, oldest)
}

// OutboxAge shows the age of the oldest event of a store that a reaction has not handled, at each scrape. It is zero when there is
// none and NaN when oldest fails.
func (m *Metrics) OutboxAge(store string, oldest func() (time.Duration, error)) {
	m.age("outbox_oldest_seconds", "Age of the oldest event that a reaction has not handled.", prometheus.Labels{"store": store}, oldest)
}

// ClockSkew shows at each scrape how far the clock of a store's database is ahead of the process.
func (m *Metrics) ClockSkew(store string, skew func() time.Duration) {
	m.gauge("database_clock_skew_seconds", "How far the clock of the database is ahead of the clock of the process.",
		prometheus.Labels{"store": store}, func() float64 { return skew().Seconds() })
}

// Queue shows at each scrape how many commands of a store's database wait for a batch in a lane.
func (m *Metrics) Queue(store, lane string, queued func() int) {
	m.gauge("commands_waiting", "Commands that wait for a transaction, by lane of the queue.",
		prometheus.Labels{"store": store, "lane": lane}, func() float64 { return float64(queued()) })
}

// Refused counts one command that the queue refused: because of its subject, or because its lane was full.
func (m *Metrics) Refused(lane string, ofSubject bool) {
	by := "all"
	if ofSubject {
		by = "subject"
	}
	m.Limited("commands-"+lane, by)
}

// Streams shows at each scrape how many streams of server-sent events are open.
func (m *Metrics) Streams(open func() int) {
	m.gauge("http_streams_open", "Streams of server-sent events that are open.", nil, func() float64 { return float64(open()) })
}

// Connections shows at each scrape how many connections of clients are open.
func (m *Metrics) Connections(open func() int) {
	m.gauge("http_connections_open", "Connections of clients that are open, if they are limited.", nil, func() float64 { return float64(open()) })
}

func (m *Metrics) age(name, help string, labels prometheus.Labels, oldest func() (time.Duration, error)) {
	m.gauge(name, help, labels, func() float64 {
		age, err := oldest()
		if err != nil { // a zero would say that all is well
			return math.NaN()
		}
		return age.Seconds()
	})
}

func (m *Metrics) gauge(name, help string, labels prometheus.Labels, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}, value))
}

// observe adds a value to a histogram. If the trace of ctx is sampled, it becomes the exemplar of the value's bucket.
func observe(ctx context.Context, histogram prometheus.Observer, value float64) {
	span := trace.SpanContextFromContext(ctx)
	if with, ok := histogram.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		with.ObserveWithExemplar(value, prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	histogram.Observe(value)
}

func options(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(options(name, help, buckets), labels)
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// seconds returns n buckets from the first, each four times as long as the one before. Finer ones would make the metrics too large to scrape.
func seconds(first float64, n int) []float64 { return prometheus.ExponentialBuckets(first, 4, n) }
