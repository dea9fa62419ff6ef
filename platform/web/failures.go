package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

var (
	errInternal    = fault.New(fault.Internal, "internal", "Something went wrong on our side. Quote the request id when you ask about it.")
	errUnavailable = fault.New(fault.Unavailable, "unavailable", "The service cannot answer at the moment. Try again shortly.")
	errNoRoute     = fault.New(fault.NotFound, "not_found", "There is nothing at this address.")
	errWrongMethod = fault.New(fault.Malformed, "method_not_allowed", "This address does not answer to that method.")
)

// asFault returns the part of an error that the client may see.
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
	case errors.Is(err, context.DeadlineExceeded), pgerr.Transient(err):
		return errUnavailable
	}
	return errInternal
}

// ofEcho translates an error of the router or its middleware.
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
