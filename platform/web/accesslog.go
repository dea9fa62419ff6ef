package web

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
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

// logRequest logs and counts an answered request. It logs no bodies, queries or tokens.
func (s *Server) logRequest(c echo.Context, took time.Duration) {
	status, v := c.Response().Status, stateOf(c)
	if s.cfg.Observe != nil {
		s.cfg.Observe(c.Request().Context(), method(c), route(c), status, took)
	}
	s.cfg.Log.LogAttrs(c.Request().Context(), s.level(c), "request",
		slog.String("method", c.Request().Method), slog.String("route", route(c)), slog.Int("status", status),
		slog.Duration("duration", took), slog.Int64("bytes", c.Response().Size),
		slog.String("request_id", v.id), slog.String("subject", v.caller.Subject))
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
