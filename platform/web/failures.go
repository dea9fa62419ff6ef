package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var (
	errInternal    = fault.New(fault.Internal, "internal", "Something went wrong on our side. Quote the request id when you ask about it.")
	errUnavailable = fault.New(fault.Unavailable, "unavailable", "The service cannot answer at the moment. Try again shortly.")
	errNoRoute     = fault.New(fault.NotFound, "not_found", "There is nothing at this address.")
	errWrongMethod = fault.New(fault.Malformed, "method_not_allowed", "This address does not answer to that method.")
)

// asFault is what the client may know of an error.
func asFault(err error) *fault.Fault {
	if f, ok := fault.As(err); ok {
		if f.Kind == fault.Internal {
			return errInternal
		}
		return f
	}
	var routed *echo.HTTPError
	switch {
	case errors.As(err, &routed):
		return ofEcho(routed)
	case errors.Is(err, context.DeadlineExceeded), away(err):
		return errUnavailable
	}
	return errInternal
}

// ofEcho translates what the router and its middleware refuse.
func ofEcho(e *echo.HTTPError) *fault.Fault {
	switch e.Code {
	case http.StatusNotFound:
		return errNoRoute
	case http.StatusMethodNotAllowed:
		return errWrongMethod
	case http.StatusUnauthorized:
		return errUnauthorized
	case http.StatusRequestEntityTooLarge:
		return errBodyTooLarge
	case http.StatusUnsupportedMediaType:
		return errUnsupported
	case http.StatusServiceUnavailable:
		return errUnavailable
	}
	return errInternal
}

// away reports whether the database could not do its work, though the request was in order: another try may succeed.
func away(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	var server *pgconn.PgError
	switch {
	case errors.As(err, &server):
		return passing(server.Code)
	case errors.As(err, &connect), errors.As(err, &network), pgconn.SafeToRetry(err), pgconn.Timeout(err):
		return true
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// passing reports whether a SQLSTATE speaks of the server's condition and not of the statement.
func passing(code string) bool {
	switch code {
	case "25006", // a read-only server after a failover
		"40001", "40P01", "55P03", "57014": // serialization, deadlock, lock not available, statement time-out
		return true
	}
	for _, class := range []string{"08", "53", "57P"} { // connection, resources (too many, disk full), shutdown
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
