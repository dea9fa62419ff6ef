package web

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"
)

const (
	maxRequestID        = 128
	requestIDCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
)

// requestID returns the id that the client sent when it is valid, or a new UUIDv7.
func requestID(r *http.Request) string {
	if id := r.Header.Get(echo.HeaderXRequestID); validRequestID(id) {
		return id
	}
	return uuid.Must(uuid.NewV7()).String()
}

// validRequestID reports whether an id is safe in a log, a header and a terminal.
func validRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && strings.Trim(id, requestIDCharacters) == ""
}

// logRequest logs and counts an answered request. It logs no bodies, queries or tokens. Of a flood it logs a sample.
func (s *Server) logRequest(c echo.Context, took time.Duration) {
	status, v := c.Response().Status, stateOf(c)
	if s.cfg.Observe != nil {
		s.cfg.Observe(c.Request().Context(), method(c), route(c), status, took)
	}
	unwritten, sampled := s.floods.sample(floodOf(c))
	level := s.level(c)
	if !sampled || !s.cfg.Log.Enabled(c.Request().Context(), level) {
		return
	}
	line := [...]slog.Attr{
		slog.String("method", c.Request().Method), slog.String("route", route(c)), slog.Int("status", status),
		slog.Duration("duration", took), slog.Int64("bytes", c.Response().Size), slog.String("address", v.caller.Address.String()),
		slog.String("request_id", v.id), slog.String("subject", v.caller.Subject), {}, {},
	}
	attrs := line[:len(line)-2]
	if status == http.StatusUnauthorized && v.refusal != nil {
		attrs = append(attrs, slog.String("reason", shorten(v.refusal.Error())))
	}
	if unwritten > 0 {
		attrs = append(attrs, slog.Int64("unwritten", unwritten))
	}
	s.cfg.Log.LogAttrs(c.Request().Context(), level, "request", attrs...)
}

// flood is a kind of request that anybody can send in any number.
type flood int

const (
	noFlood flood = iota
	floodOfUnknown
	floodOfUnauthorized
	floodOfLimited
	floodOfForged  // webhooks
	floodOfCrowded // on connections of the reserve
	allFloods
)

// floodOf returns the flood that the answered request may belong to.
func floodOf(c echo.Context) flood {
	switch status := c.Response().Status; {
	case status < http.StatusBadRequest:
		return noFlood
	case errors.Is(stateOf(c).refusal, errTooManyConnections):
		return floodOfCrowded
	case !stateOf(c).routed:
		return floodOfUnknown
	case status == http.StatusUnauthorized:
		return floodOfUnauthorized
	case status == http.StatusTooManyRequests:
		return floodOfLimited
	case status == http.StatusBadRequest && stateOf(c).class == Webhooks:
		return floodOfForged
	}
	return noFlood
}

// floods samples the log lines of each flood.
type floods [allFloods]struct {
	lines     *rate.Limiter
	unwritten atomic.Int64
}

// The lines of one flood in the log: so many a second on average, and so many at once.
const (
	floodLines = 5
	floodBurst = 20
)

func newFloods() *floods {
	var f floods
	for i := range f {
		f[i].lines = rate.NewLimiter(floodLines, floodBurst)
	}
	return &f
}

// sample reports whether to write a line, and how many were left out since the last one.
func (f *floods) sample(of flood) (unwritten int64, sampled bool) {
	if of == noFlood {
		return 0, true
	}
	if !f[of].lines.Allow() {
		f[of].unwritten.Add(1)
		return 0, false
	}
	return f[of].unwritten.Swap(0), true
}

// level returns a low level for the frequent probes. A 503 is not a warning, since the outage is logged once for all
// requests.
func (s *Server) level(c echo.Context) slog.Level {
	if status := c.Response().Status; status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable {
		return slog.LevelWarn
	}
	if isProbe(route(c)) {
		return slog.LevelDebug
	}
	return s.cfg.RequestLevel
}

// isProbe reports whether a route answers frequent probes.
func isProbe(route string) bool {
	return route == "/healthz" || route == "/readyz" || route == "/metrics"
}

// method limits the label values, since a client may send any word as its method.
func method(c echo.Context) string {
	switch m := c.Request().Method; m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// route returns the template that matched, such as /v1/carts/:id, or "none".
func route(c echo.Context) string {
	if !stateOf(c).routed {
		return "none"
	}
	return c.Path()
}
