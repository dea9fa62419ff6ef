package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"shopping-cart/platform/fault"
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
		s.cfg.Log.LogAttrs(c.Request().Context(), level(status), "request",
			slog.String("method", c.Request().Method), slog.String("route", route(c)), slog.Int("status", status),
			slog.Duration("duration", took), slog.Int64("bytes", c.Response().Size),
			slog.String("request_id", RequestID(c)), slog.String("subject", CallerOf(c).Subject))
		return nil
	}
}

func level(status int) slog.Level {
	if status >= http.StatusInternalServerError {
		return slog.LevelWarn
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

// route is the template that matched, such as /v1/carts/:id. What matched none shares one name.
func route(c echo.Context) string {
	if c.Path() == "" || c.Response().Status == http.StatusNotFound && c.Get(routedKey) == nil {
		return "none"
	}
	return c.Path()
}

const routedKey = "web.routed"

func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint,err113 // a panic value, compared as net/http does
				panic(p)
			}
			s.cfg.Log.LogAttrs(c.Request().Context(), slog.LevelError, "panic",
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())), slog.String("request_id", RequestID(c)))
			err = fmt.Errorf("panic: %v", p)
		}()
		return next(c)
	}
}

// secure tells browsers to do no more with an answer than read it.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderXFrameOptions, "DENY")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		h.Set(echo.HeaderCacheControl, "private, no-cache") // a copy may be kept, but is asked about (If-None-Match)
		if !strings.HasPrefix(c.Request().URL.Path, "/swagger") {
			h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
		}
		return next(c)
	}
}

func (s *Server) cors() echo.MiddlewareFunc {
	if len(s.cfg.CORSOrigins) == 0 {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	}
	return middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins: s.cfg.CORSOrigins,
		AllowMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowHeaders: []string{
			echo.HeaderAuthorization, echo.HeaderContentType, echo.HeaderXRequestID, "Idempotency-Key", "If-Match",
			"If-None-Match", "Prefer", "Last-Event-ID", "traceparent",
		},
		ExposeHeaders: []string{
			"ETag", echo.HeaderLocation, echo.HeaderRetryAfter, echo.HeaderXRequestID, echo.HeaderWWWAuthenticate,
			"Idempotent-Replayed", "Preference-Applied",
		},
		MaxAge: 600,
	})
}

// limit bounds the request in time and its body in bytes.
func (s *Server) limit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), s.cfg.Timeout+preferred(c))
		defer cancel()
		r := c.Request().WithContext(ctx)
		r.Body = http.MaxBytesReader(c.Response(), r.Body, s.cfg.BodyLimit)
		c.SetRequest(r)
		return next(c)
	}
}

// refuseNULQuery refuses what neither text nor JSON columns of the database can hold.
func refuseNULQuery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(routedKey, true)
		for name, values := range c.QueryParams() {
			if !storable(name) {
				return Refused("query", "invalid", "The query has a name that is not plain text.")
			}
			for _, v := range values {
				if !storable(v) {
					return Refused(name, "invalid", "It must be text without NUL.")
				}
			}
		}
		return next(c)
	}
}

var errValidation = fault.New(fault.Invalid, "validation_failed", "The request was understood, but some of it is wrong.")

// Refused is a 422 validation_failed that names one field, what kind of wrong it is, and a sentence.
func Refused(field, code, detail string) *fault.Fault {
	f := *errValidation
	f.Fields = []fault.Field{{Field: field, Code: code, Detail: detail}}
	return &f
}
