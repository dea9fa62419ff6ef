package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Provider is the state of a payment provider, as this process sees it.
type Provider struct {
	Name     string
	Breaker  string // closed, half_open or open
	InFlight int    // calls
	Deferred int    // checkouts, refunds and cancellations that wait for the provider
}

// providers reads the state of the payment providers at each scrape.
type providers struct {
	all                     func() []Provider
	breaker, inFlight, held *prometheus.Desc
}

// Providers shows the state of the payment providers at each scrape.
func (m *Metrics) Providers(all func() []Provider) {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_provider_"+name, help, append([]string{"provider"}, more...), nil)
	}
	m.registry.MustRegister(&providers{
		all:      all,
		breaker:  desc("breaker_state", "1 for the state of the circuit breaker: closed, half_open or open.", "state"),
		inFlight: desc("calls_in_flight", "Calls to the provider that are under way."),
		held:     desc("held", "Charges and compensations that wait until the provider can be called again."),
	})
}

// ProviderCall counts one call to a payment provider by its outcome: answered, failed, limited by the provider's rate limit, forgone, or held_open, held_busy and
// held_rate for calls that were not made. took includes the wait for a free slot.
func (m *Metrics) ProviderCall(ctx context.Context, provider, operation, outcome string, took time.Duration) {
	observe(ctx, m.calls.WithLabelValues(provider, operation, outcome), took.Seconds())
}

// Describe is part of prometheus.Collector.
func (p *providers) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.breaker, p.inFlight, p.held} {
		out <- d
	}
}

// Collect is part of prometheus.Collector.
func (p *providers) Collect(out chan<- prometheus.Metric) {
	for _, one := range p.all() {
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{one.Name}, labels...)...)
		}
		for _, state := range []string{"closed", "half_open", "open"} {
			is := 0.0
			if state == one.Breaker {
				is = 1
			}
			gauge(p.breaker, is, state)
		}
		gauge(p.inFlight, float64(one.InFlight))
		gauge(p.held, float64(one.Deferred))
	}
}
