package web

import (
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// Param returns a path parameter, decoded. ok is false when an escape in it is invalid.
//
// The router matches the raw path when the request has one that differs from the default encoding (as with %2F), and the decoded path
// otherwise. So a parameter must be decoded in the first case only.
func Param(c echo.Context, name string) (value string, ok bool) {
	value = c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value, true
	}
	value, err := url.PathUnescape(value)
	return value, err == nil
}

// SKU returns the path parameter "sku". An impossible SKU is refused with 422 validation_failed, a further path segment with 404. SKU
// accepts stored SKUs of older versions that ValidSKU refuses, so that they can be read, changed and removed. Handlers that create
// something ask ValidSKU.
func SKU(c echo.Context) (string, error) {
	if strings.Contains(c.Param("sku"), "/") { // for the router, the last parameter includes slashes
		return "", errNoRoute
	}
	sku, ok := Param(c, "sku")
	if !ok || !storedSKU(sku) {
		return "", ErrSKU
	}
	return sku, nil
}

const canonicalID = 36 // characters of a UUID with its dashes

// ID returns a path parameter that is a UUID. Any other text is refused with 404 not_found.
func ID(c echo.Context, name string) (uuid.UUID, error) {
	value, _ := Param(c, name)
	id, err := uuid.Parse(value)
	if err != nil || len(value) != canonicalID {
		return uuid.Nil, errNoRoute
	}
	return id, nil
}

// Time converts a time to its form in answers: UTC, in microseconds.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// OptionalTime is Time, and null on the wire where t is zero.
func OptionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = Time(t)
	return &t
}
