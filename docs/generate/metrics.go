package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"shopping-cart/platform/telemetry"
)

const metricsHead = `# Metrics

` + "`GET /metrics`" + ` answers in the formats that Prometheus reads. It includes the metrics of the Go runtime (` + "`go_…`" + `) and of the process (` + "`process_…`" + `). A
histogram has ` + "`_bucket`, `_sum` and `_count`" + `. Durations are in seconds. Alerts: [operations](../operations.md#health).

`

var aFamily = regexp.MustCompile(`fqName: "(shopping_cart_\w+)"`)

// metricsPage lists the metrics of a registry in which each metric has a sample.
func metricsPage(registry *prometheus.Registry) (string, error) {
	families, err := registry.Gather()
	if err != nil {
		return "", err
	}
	out, sampled := metricsHead+tableHead("Metric", "Type", "Labels", ""), map[string]bool{}
	for _, f := range families {
		sampled[f.GetName()] = true
		if !strings.HasPrefix(f.GetName(), "shopping_cart_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, coded(l.GetName()))
		}
		out += tableRow(coded(f.GetName()), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	described := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(described)
		close(described)
	}()
	for d := range described {
		if name := aFamily.FindStringSubmatch(d.String()); name != nil && !sampled[name[1]] {
			err = errors.Join(err, fmt.Errorf("%s has no sample: add one to sampled", name[1]))
		}
	}
	return out, err
}

// sampled returns the registry of the program with a sample in each metric: a vector without samples has no labels.
func sampled() (*prometheus.Registry, error) {
	pool, err := pgxpool.New(context.Background(), "host=localhost") // it connects when it is used
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	stat := pool.Stat()
	age := func() (time.Duration, error) { return 0, nil }
	m := telemetry.New()
	m.HTTP(context.Background(), "", "", 0, 0)
	m.Command("", "")
	m.Limited("", "")
	m.Dispatched("", 0, nil)
	m.Dispatched("", 0, errors.ErrUnsupported)
	m.SagaEnded("", "", 0)
	m.ProviderCall(context.Background(), "", "", "", 0)
	m.SagaAge("", age)
	m.OutboxAge("", age)
	m.ClockSkew("", func() time.Duration { return 0 })
	m.Queue("", "", func() int { return 0 })
	m.Streams(func() int { return 0 })
	m.Connections(func() int { return 0 })
	m.Providers(func() []telemetry.Provider { return make([]telemetry.Provider, 1) })
	m.Subscriptions("", func() ([]telemetry.Subscription, error) { return make([]telemetry.Subscription, 1), nil })
	m.WatchPool("", "", func() *pgxpool.Stat { return stat })
	return m.Registry(), nil
}
