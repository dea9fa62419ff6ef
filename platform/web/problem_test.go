package web_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
)

func TestProblem(t *testing.T) {
	t.Parallel()

	t.Run("EachKindHasItsStatus", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		for kind, status := range map[fault.Kind]int{
			fault.Malformed: 400, fault.Unauthorized: 401, fault.Payment: 402, fault.Forbidden: 403, fault.NotFound: 404,
			fault.Conflict: 409, fault.Stale: 412, fault.TooLarge: 413, fault.Unsupported: 415, fault.Invalid: 422,
			fault.Precondition: 428, fault.TooMany: 429, fault.Unavailable: 503,
		} {
			path := fmt.Sprintf("/kind/%d", kind)
			s.Public.GET(path, fails(fmt.Errorf("load cart 7: %w", fault.New(kind, "some_code", "A sentence."))))
			a := s.get(path)
			p := a.refused(t, status, "some_code")
			require.Equal(t, "A sentence.", p["detail"])
			require.Equal(t, kind == fault.TooMany || kind == fault.Unavailable, a.Header.Get("Retry-After") == "1")
			require.Equal(t, kind == fault.Unauthorized, a.Header.Get("WWW-Authenticate") == "Bearer")
			require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		}
	})
	t.Run("RetryAfterIsInWholeSeconds", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.Public.GET("/later", fails(fault.New(fault.TooMany, "some_code", "A sentence.").After(1500*time.Millisecond)))
		a := s.get("/later")
		require.Equal(t, "2", a.Header.Get("Retry-After"))
	})
	t.Run("FurtherMembersStandAtTheTop", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		closed := fault.New(fault.Conflict, "cart_closed", "Closed.").With("checkout_id", "42").With("status", 200).At("sku")
		s.Public.GET("/", fails(closed))
		p := s.get("/").refused(t, http.StatusConflict, "cart_closed")
		require.Equal(t, "42", p["checkout_id"])
		require.Equal(t, "sku", field(p))
	})
	t.Run("AMemberThatIsNotJSONDoesNotHideTheRefusal", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.Public.GET("/", fails(fault.New(fault.Conflict, "odd", "Odd.").With("channel", make(chan int))))
		s.get("/").refused(t, http.StatusConflict, "odd")
	})
	t.Run("AStaleVersionShowsTheCurrentOne", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.Public.GET("/", fails(fault.New(fault.Stale, "version_mismatch", "Another version.").With("version", int64(9))))
		require.Equal(t, `"9"`, s.get("/").Header.Get("ETag"))
	})
	t.Run("TheUnknownIs500AndItsTextStaysInTheLog", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.Public.GET("/plain", fails(errors.New("secret table is gone")))
		s.Public.GET("/fault", fails(fault.New(fault.Internal, "leaky", "secret column")))
		s.Public.GET("/sql", fails(&pgconn.PgError{Code: "42P01", Message: "secret relation"}))
		for _, path := range []string{"/plain", "/fault", "/sql"} {
			a := s.get(path)
			a.refused(t, http.StatusInternalServerError, "internal")
			require.NotContains(t, a.body, "secret")
			require.Contains(t, s.logs.String(), a.Header.Get("X-Request-Id"))
		}
		require.Contains(t, s.logs.String(), "secret table is gone")
	})
	t.Run("APanicIs500AndLeavesItsStackInTheLog", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.Public.GET("/", func(echo.Context) error { panic("secret bug") })
		a := s.get("/")
		a.refused(t, http.StatusInternalServerError, "internal")
		require.NotContains(t, a.body, "secret")
		require.Contains(t, s.logs.String(), "secret bug")
		require.Contains(t, s.logs.String(), "problem_test.go")
		require.Equal(t, http.StatusOK, s.get("/healthz").StatusCode)
	})
	t.Run("WhatIsAwayIs503AndSaysWhenToComeBack", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		away := map[string]error{
			"deadline": context.DeadlineExceeded, "broken": io.ErrUnexpectedEOF, "reset": syscall.ECONNRESET,
			"dial": &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "closed": net.ErrClosed,
			"view": driver.ErrBadConn, // GORM's, once PostgreSQL has cut its connections off
		}
		for _, code := range []string{"57P01", "57P03", "53300", "53100", "08006", "25006", "40P01", "57014"} {
			away[code] = &pgconn.PgError{Code: code}
		}
		for name, err := range away {
			s.Public.GET("/"+name, fails(fmt.Errorf("append: %w", err)))
			a := s.get("/" + name)
			a.refused(t, http.StatusServiceUnavailable, "unavailable")
			require.Equal(t, "1", a.Header.Get("Retry-After"))
		}
	})
	t.Run("ADatabaseThatCannotBeReachedIs503", func(t *testing.T) {
		t.Parallel()
		_, err := pgconn.Connect(t.Context(), "host=127.0.0.1 port=1 user=nobody dbname=none connect_timeout=2")
		require.Error(t, err)
		s := newSite(t)
		s.Public.GET("/", fails(err))
		s.get("/").refused(t, http.StatusServiceUnavailable, "unavailable")
	})
}
