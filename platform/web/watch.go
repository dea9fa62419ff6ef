package web

import (
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

const requestIDKey = "web.request_id"

var saneID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// requestID names the request: as its client did, when the name is sane, else by a fresh UUIDv7.
func (s *Server) requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !saneID.MatchString(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		c.Set(requestIDKey, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

// RequestID is the name of the request in answers and logs.
func RequestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

// watch answers the error, so that it knows the status, then logs and counts. Never bodies, queries or tokens.
func (s *Server) watch(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		took := time.Since(start)
		status := c.Response().Status
		if s.cfg.Observe != nil {
			s.cfg.Observe(method(c), route(c), status, took)
		}
		s.cfg.Log.LogAttrs(c.Request().Context(), level(c), "request",
			slog.String("method", c.Request().Method), slog.String("route", route(c)), slog.Int("status", status),
			slog.Duration("duration", took), slog.Int64("bytes", c.Response().Size),
			slog.String("request_id", RequestID(c)), slog.String("subject", CallerOf(c).Subject))
		return nil
	}
}

// level is low for probes, which come every few seconds. A 503 is no news: who is away says so once, for all requests.
func level(c echo.Context) slog.Level {
	if s := c.Response().Status; s >= http.StatusInternalServerError && s != http.StatusServiceUnavailable {
		return slog.LevelWarn
	}
	switch route(c) {
	case "/healthz", "/readyz", "/metrics":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// method keeps the set of label values small: a client may send any word as its method.
func method(c echo.Context) string {
	switch m := c.Request().Method; m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

const routedKey = "web.routed"

// routed marks a request that reached a route, even if a guard then refused it.
func routed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(routedKey, true)
		return next(c)
	}
}

// route is the template that matched, such as /v1/carts/:id. What matched none shares one name.
func route(c echo.Context) string {
	if c.Get(routedKey) == nil {
		return "none"
	}
	return c.Path()
}
