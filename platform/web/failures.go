package web

import (
	"context"
	"errors"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

var (
	errInternal           = fault.New(fault.Internal, "internal", "Something went wrong on our side. Quote the request id when you ask about it.")
	errUnavailable        = fault.New(fault.Unavailable, "unavailable", "The service cannot answer at the moment. Try again shortly.")
	errTooMany            = fault.New(fault.TooMany, "too_many_requests", "Too many requests came in a short time. Wait for the seconds that Retry-After names, then send this one again.")
	errTooManyConnections = fault.New(fault.Unavailable, "too_many_connections", "The service has as many connections as it can have. Try again shortly.")
	errTooManyStreams     = fault.New(fault.TooMany, "too_many_streams", "Too many event streams are open. Close one, or read the checkout instead.")
	errNoRoute            = fault.New(fault.NotFound, "not_found", "There is nothing at this address.")
	errWrongMethod        = fault.New(fault.Malformed, "method_not_allowed", "This address does not answer to that method.")
)

// asFault returns the part of an error that the client may see.
func asFault(err error) *fault.Fault {
	if f, ok := fault.As(err); ok {
		if f.Kind == fault.Internal {
			return errInternal
		}
		return f
	}
	switch {
	case errors.Is(err, echo.ErrNotFound):
		return errNoRoute
	case errors.Is(err, echo.ErrMethodNotAllowed):
		return errWrongMethod
	case errors.Is(err, context.DeadlineExceeded), pgerr.Transient(err):
		return errUnavailable
	}
	return errInternal
}
