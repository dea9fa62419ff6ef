package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { // a panic value, compared as net/http does
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
		h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
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
