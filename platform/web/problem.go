package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

// Problem is the body of every refusal: application/problem+json (RFC 9457).
type Problem struct {
	Type      string         `json:"type" example:"urn:problem:cart_closed"`
	Title     string         `json:"title" example:"Conflict"`
	Status    int            `json:"status" example:"409"`
	Detail    string         `json:"detail" example:"This cart is closed."`
	Code      string         `json:"code" example:"cart_closed"`
	RequestID string         `json:"request_id" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Errors    []fault.Field  `json:"errors,omitempty"`
	Extra     map[string]any `json:"-" swaggerignore:"true"` // further members, such as checkout_id
}

// MarshalJSON adds the further members. They cannot replace the fixed ones.
func (p Problem) MarshalJSON() ([]byte, error) {
	type fixed Problem
	body, err := json.Marshal(fixed(p))
	if err != nil || len(p.Extra) == 0 {
		return body, err
	}
	extra := maps.Clone(p.Extra)
	for _, name := range []string{"type", "title", "status", "detail", "code", "request_id", "errors"} {
		delete(extra, name)
	}
	more, err := json.Marshal(extra)
	if err != nil || len(extra) == 0 {
		return body, err
	}
	return bytes.Join([][]byte{body[:len(body)-1], more[1:]}, []byte(",")), nil
}

var statuses = map[fault.Kind]int{
	fault.Internal:     http.StatusInternalServerError,
	fault.Malformed:    http.StatusBadRequest,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Payment:      http.StatusPaymentRequired,
	fault.Forbidden:    http.StatusForbidden,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Stale:        http.StatusPreconditionFailed,
	fault.TooLarge:     http.StatusRequestEntityTooLarge,
	fault.Unsupported:  http.StatusUnsupportedMediaType,
	fault.Invalid:      http.StatusUnprocessableEntity,
	fault.Precondition: http.StatusPreconditionRequired,
	fault.TooMany:      http.StatusTooManyRequests,
	fault.Unavailable:  http.StatusServiceUnavailable,
}

// statusGone is the status in the log for a request whose client left before the answer. Nobody reads that answer.
const statusGone = 499

// answerError turns an error into an answer. No other place does.
func (s *Server) answerError(err error, c echo.Context) {
	if c.Response().Committed {
		s.logError(c, err, "the answer broke off")
		return
	}
	if errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		_ = c.NoContent(statusGone)
		return
	}
	f := asFault(err)
	if f.Kind == fault.Internal || f.Kind == fault.Unavailable && !errors.Is(err, errNotReady) && !errors.Is(err, errTooManyConnections) { // probes expect the one, and the other is logged once
		s.logError(c, err, "the request failed")
	}
	s.write(c, f)
}

func (s *Server) write(c echo.Context, f *fault.Fault) {
	status := statuses[f.Kind]
	if f.Code == errWrongMethod.Code {
		status = http.StatusMethodNotAllowed // no kind of fault has this status
	}
	if f.Code == errTooSlow.Code {
		status = http.StatusRequestTimeout                        // the same
		c.Response().Header().Set(echo.HeaderConnection, "close") // the rest of the body is not read
	}
	setHeaders(c.Response().Header(), f)
	p := Problem{
		Type: "urn:problem:" + f.Code, Title: http.StatusText(status), Status: status, Detail: f.Detail,
		Code: f.Code, RequestID: RequestID(c), Errors: f.Fields, Extra: f.Extra,
	}
	body, err := json.Marshal(p)
	if err != nil { // a member of Extra is not JSON
		s.logError(c, err, "the problem has a member that is not JSON")
		p.Extra = nil
		body, _ = json.Marshal(p)
	}
	if c.Request().Method == http.MethodHead {
		_ = c.NoContent(status)
		return
	}
	_ = c.Blob(status, "application/problem+json", append(body, '\n'))
}

// setHeaders sets the headers of a refusal.
func setHeaders(h http.Header, f *fault.Fault) {
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Del("Preference-Applied")
	//exhaustive:ignore // only these kinds have a header
	switch f.Kind {
	case fault.Unauthorized:
		if h.Get(echo.HeaderWWWAuthenticate) == "" {
			h.Set(echo.HeaderWWWAuthenticate, "Bearer")
		}
	case fault.TooMany, fault.Unavailable:
		if h.Get(echo.HeaderRetryAfter) == "" {
			h.Set(echo.HeaderRetryAfter, strconv.Itoa(retryAfter(f.Retry)))
		}
	case fault.Stale:
		if version, ok := f.Extra["version"]; ok {
			h.Set("ETag", fmt.Sprintf(`"%d"`, version))
		}
	}
}

// retryAfter returns a wait in whole seconds, rounded up, at least one.
func retryAfter(wait time.Duration) int { return max(1, int(math.Ceil(wait.Seconds()))) }

// Quote returns a version as an entity tag: "7".
func Quote(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

func (s *Server) logError(c echo.Context, err error, message string) {
	s.cfg.Log.LogAttrs(c.Request().Context(), slog.LevelError, message,
		slog.Any("error", err), slog.String("request_id", RequestID(c)),
		slog.String("method", c.Request().Method), slog.String("route", route(c)))
}
