package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// The actions of an audit.
const (
	Changed  = "changed" // it may change something
	ReadData = "read"    // it reads personal data
	SignedIn = "signed_in"
)

// Audited is a request of an operator.
type Audited struct {
	Caller      Caller
	Action      string    // Changed, ReadData or SignedIn
	Route       string    // POST /v1/orders/:id/refunds
	Object      string    // the values of the path parameters; empty for a list
	Reason      string    // of the body; empty where it has none
	RequestID   string    // of the request
	Correlation uuid.UUID // of the events that the request causes
}

// AuditedAs records requests of the route under an action. Without it, requests that may change something are recorded as Changed, and reads are
// not recorded.
func AuditedAs(action string) Option { return func(e *endpoint) { e.audited = action } }

// Personal declares that the route shows personal data, so that reads by operators are recorded.
func Personal(e *endpoint) { AuditedAs(ReadData)(e) }

// audit records requests of operators before h carries them out. A request that cannot be recorded is refused.
func (s *Server) audit(e *endpoint, method string, h echo.HandlerFunc) echo.HandlerFunc {
	if e.audited == "" && method != http.MethodGet && method != http.MethodHead {
		e.audited = Changed
	}
	if s.cfg.Audit == nil || e.audited == "" {
		return h
	}
	return func(c echo.Context) error {
		if caller := CallerOf(c); len(caller.Scopes) > 0 {
			if err := s.cfg.Audit(c.Request().Context(), auditedOf(c, e.audited, method)); err != nil {
				return err
			}
		}
		return h(c)
	}
}

func auditedOf(c echo.Context, action, method string) Audited {
	id := RequestID(c)
	return Audited{
		Caller: CallerOf(c), Action: action, Route: method + " " + c.Path(), Object: recordable(strings.Join(c.ParamValues(), "/")),
		Reason: reasonOf(c), RequestID: id, Correlation: correlation(id),
	}
}

// reasonOf returns the reason in the body of a request. It is empty if there is none, or if the body will be refused.
func reasonOf(c echo.Context) string {
	var body struct {
		Reason string `json:"reason"`
	}
	if raw, err := jsonBytes(c); err != nil || json.Unmarshal(raw, &body) != nil {
		return ""
	}
	return recordable(body.Reason)
}

// maxRecorded limits a recorded text in bytes.
const maxRecorded = 2000

// recordable returns a text of a request that has not been checked yet, or "" if the request will be refused because of it.
func recordable(text string) string {
	if len(text) > maxRecorded || !Plain(text) || hasCardNumber(text) {
		return ""
	}
	return text
}
