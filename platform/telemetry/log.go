// Package telemetry is what the program tells its operators: a structured log and Prometheus metrics.
//
//	log, err := telemetry.Log(os.Stderr, "info", "text")
//	m := telemetry.New()
//	m.WatchPool("cart", "write", pool.Stat)
//	web.Config{Metrics: m.Handler(), Observe: m.HTTP}
//
// The metrics are plain functions that fit the hooks of the packages that feed them, so that none of those
// packages needs to know this one.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// Log makes the program's logger. It says once in ten seconds, not at every request, that something is away. Levels are debug, info, warn and error; formats are text and json.
func Log(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(newThin(slog.NewTextHandler(w, options))), nil
	case "json":
		return slog.New(newThin(slog.NewJSONHandler(w, options))), nil
	}
	return nil, fmt.Errorf("log format %q: use text or json", format)
}
