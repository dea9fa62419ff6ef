package telemetry

import "github.com/prometheus/client_golang/prometheus"

const namespace = "sample"

func register() {
	counters("commands_total", "Commands.", "store", "outcome")
	histograms("took_seconds", "How long.", nil, "route")
	prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "open", Help: "Open ones."}, nil)
}

func pools() {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_pool_"+name, help, append([]string{"pool"}, more...), nil)
	}
	desc("connections", "Connections.", "state")
}
