// Package telemetry writes the structured log and collects the Prometheus metrics.
//
//	log, err := telemetry.Log(os.Stderr, "info", "text")
//	m := telemetry.New()
//	m.WatchPool("cart", "write", pool.Stat)
//	web.Config{Metrics: m.Handler(), Observe: m.HTTP}
//
// The metrics are plain functions that fit the hooks of the other packages, so that no package imports this one.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// Log returns the logger of the program. It reports the same outage once in ten seconds and not for every request. Levels are debug,
// info, warn and error. Formats are text and json.
func Log(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(newDedup(slog.NewTextHandler(w, options))), nil
	case "json":
		return slog.New(newDedup(slog.NewJSONHandler(w, options))), nil
	}
	return nil, fmt.Errorf("log format %q: use text or json", format)
}
