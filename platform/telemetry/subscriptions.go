package telemetry

import (
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Subscription is the progress of a projection or a reaction.
type Subscription struct {
	Name   string
	Kind   string        // projection, rebuild, reaction or seals
	Lag    int64         // events that it has not handled yet
	Oldest time.Duration // age of the oldest of these
	Parked int           // messages that it could not handle, and those behind them
}

// subscriptions reads the progress of the subscriptions of all stores at each scrape.
type subscriptions struct {
	mu     sync.RWMutex
	stores []subscribed

	lag, oldest, parked *prometheus.Desc
}

type subscribed struct {
	store string
	read  func() ([]Subscription, error)
}

func newSubscriptions() *subscriptions {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_subscription_"+name, help, []string{"store", "subscription", "kind"}, nil)
	}
	return &subscriptions{
		lag:    desc("lag_events", "Events that a projection, a reaction or a seal has not handled yet."),
		oldest: desc("oldest_seconds", "Age of the oldest event that a projection, a reaction or a seal has not handled."),
		parked: desc("parked_messages", "Messages that a projection or a reaction could not handle, and those behind them."),
	}
}

// Subscriptions shows the subscriptions of a store at each scrape. When read fails, one without a name is NaN.
func (m *Metrics) Subscriptions(store string, read func() ([]Subscription, error)) {
	m.subscriptions.mu.Lock()
	defer m.subscriptions.mu.Unlock()
	m.subscriptions.stores = append(m.subscriptions.stores, subscribed{store, read})
}

// Describe is part of prometheus.Collector.
func (s *subscriptions) Describe(out chan<- *prometheus.Desc) {
	out <- s.lag
	out <- s.oldest
	out <- s.parked
}

// Collect is part of prometheus.Collector.
func (s *subscriptions) Collect(out chan<- prometheus.Metric) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, of := range s.stores {
		gauge := func(d *prometheus.Desc, value float64, name, kind string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, of.store, name, kind)
		}
		all, err := of.read()
		if err != nil { // a zero would say that all is well
			for _, d := range []*prometheus.Desc{s.lag, s.oldest, s.parked} {
				gauge(d, math.NaN(), "", "")
			}
		}
		for _, one := range all {
			gauge(s.lag, float64(one.Lag), one.Name, one.Kind)
			gauge(s.oldest, one.Oldest.Seconds(), one.Name, one.Kind)
			gauge(s.parked, float64(one.Parked), one.Name, one.Kind)
		}
	}
}
