package telemetry

import (
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// pools reads the state of the connection pools at each scrape. pgxpoolprometheus would rename these metrics and count waits in
// nanoseconds.
type pools struct {
	mu      sync.RWMutex
	watched []pool

	connections, limit, acquires, waited, canceled *prometheus.Desc
}

type pool struct {
	name, purpose string
	stat          func() *pgxpool.Stat
}

func newPools() *pools {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_pool_"+name, help, append([]string{"pool", "purpose"}, more...), nil)
	}
	return &pools{
		connections: desc("connections", "Connections by state.", "state"),
		limit:       desc("connections_max", "The most connections that the pool opens."),
		acquires:    desc("acquires_total", "Connections taken from the pool."),
		waited:      desc("acquire_wait_seconds_total", "Time spent waiting for a connection."),
		canceled:    desc("acquires_canceled_total", "Waits for a connection that were given up."),
	}
}

// WatchPool shows a pool under the name of its database and its purpose (write, query, search, control).
func (m *Metrics) WatchPool(name, purpose string, stat func() *pgxpool.Stat) {
	m.pools.mu.Lock()
	defer m.pools.mu.Unlock()
	m.pools.watched = append(m.pools.watched, pool{name, purpose, stat})
}

// Describe is part of prometheus.Collector.
func (p *pools) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.connections, p.limit, p.acquires, p.waited, p.canceled} {
		out <- d
	}
}

// Collect is part of prometheus.Collector.
func (p *pools) Collect(out chan<- prometheus.Metric) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, w := range p.watched {
		p.collect(out, w)
	}
}

func (p *pools) collect(out chan<- prometheus.Metric, w pool) {
	s := w.stat()
	gauge := func(d *prometheus.Desc, value float64, state ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{w.name, w.purpose}, state...)...)
	}
	counter := func(d *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, w.name, w.purpose)
	}
	gauge(p.connections, float64(s.AcquiredConns()), "acquired")
	gauge(p.connections, float64(s.IdleConns()), "idle")
	gauge(p.connections, float64(s.ConstructingConns()), "constructing")
	gauge(p.limit, float64(s.MaxConns()))
	counter(p.acquires, float64(s.AcquireCount()))
	counter(p.waited, s.EmptyAcquireWaitTime().Seconds())
	counter(p.canceled, float64(s.CanceledAcquireCount()))
}
