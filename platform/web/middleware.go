package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// middleware wraps every request. It is one function, since Echo builds each middleware again for every request.
func (s *Server) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(plain echo.Context) error {
		start := time.Now()
		c := &requestContext{plain, requestState{id: requestID(plain.Request()), caller: Caller{Address: addressOf(plain)}}}
		v, h := &c.state, c.Response().Header()
		h[echo.HeaderXRequestID] = []string{v.id}
		for _, r := range securityHeaders {
			h[r.name] = r.value
		}
		if s.cfg.HSTS && c.Request().Host != "localhost" && !strings.HasPrefix(c.Request().Host, "localhost:") { // a name that all programs share
			h[echo.HeaderStrictTransportSecurity] = oneYear
		}
		ctx, span := s.startSpan(c)
		if err := s.limitUnknown(c, s.contain(ctx, c, next)); err != nil {
			v.refusal = err
			held := s.holdBack(ctx, c, err)
			start = start.Add(held) // the time spent on the request
			s.answerError(err, c)   // here, so that the log has the status that the client got
		}
		s.logRequest(c, time.Since(start))
		endSpan(c, span)
		return nil
	}
}

// securityHeaders tell browsers to do no more with an answer than read it. A handler may replace a value and must not change one in
// place.
var securityHeaders = []struct {
	name  string
	value []string
}{
	{echo.HeaderXContentTypeOptions, []string{"nosniff"}},
	{echo.HeaderXFrameOptions, []string{"DENY"}},
	{echo.HeaderReferrerPolicy, []string{"no-referrer"}},
	{echo.HeaderCacheControl, []string{"private, no-cache"}}, // a copy may be kept and must be revalidated (If-None-Match)
	{echo.HeaderContentSecurityPolicy, []string{"default-src 'none'; frame-ancestors 'none'"}},
}

var oneYear = []string{"max-age=31536000"}

// contain sets the deadline of a request and turns a panic into an error.
func (s *Server) contain(ctx context.Context, c echo.Context, next echo.HandlerFunc) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout+preferred(c))
	defer func() {
		p := recover()
		cancel()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { // compared as net/http does
			panic(p)
		}
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "panic",
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())), slog.String("request_id", RequestID(c)))
		err = fmt.Errorf("panic: %v", p)
	}()
	c.SetRequest(c.Request().WithContext(ctx))
	if s.connections != nil {
		if err := s.refuseReserved(c); err != nil {
			return err
		}
	}
	return next(c)
}

// cors allows browsers to call from pages of the configured origins.
func (s *Server) cors() echo.MiddlewareFunc {
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
			"RateLimit", "RateLimit-Policy",
		},
		MaxAge: 600,
	})
}
