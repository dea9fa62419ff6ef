package web

import (
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// Param is a path parameter, decoded. ok is false when its escapes are broken.
//
// The router matches on the raw path when the request has one that differs from the default encoding (as with %2F)
// and on the decoded path otherwise: so a parameter must be decoded in the first case, and must not be in the second.
func Param(c echo.Context, name string) (value string, ok bool) {
	value = c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value, true
	}
	value, err := url.PathUnescape(value)
	return value, err == nil
}

// SKU is the path parameter "sku". What cannot be a SKU is 422 validation_failed; a further path segment is 404. A SKU of an
// older version that ValidSKU refuses passes, so that what has it can be read, changed and removed: what creates something asks ValidSKU.
func SKU(c echo.Context) (string, error) {
	if strings.Contains(c.Param("sku"), "/") { // the router lets the last parameter swallow slashes
		return "", errNoRoute
	}
	sku, ok := Param(c, "sku")
	if !ok || !storedSKU(sku) {
		return "", ErrSKU
	}
	return sku, nil
}

const canonicalID = 36 // characters of a UUID with its dashes

// ID is a path parameter that is a UUID. Anything else names nothing that exists: 404 not_found.
func ID(c echo.Context, name string) (uuid.UUID, error) {
	value, _ := Param(c, name)
	id, err := uuid.Parse(value)
	if err != nil || len(value) != canonicalID {
		return uuid.Nil, errNoRoute
	}
	return id, nil
}

// Time is a moment as it stands on the wire: UTC, at most microseconds.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
