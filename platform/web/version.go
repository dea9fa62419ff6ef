package web

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// ETag names the version of what is answered: "7".
func ETag(c echo.Context, version int64) { c.Response().Header()["Etag"] = []string{Quote(version)} }

// NotModified sets the ETag and reports whether the client already has this version (If-None-Match): then answer
// 304 with c.NoContent. Tags are compared weakly, as RFC 9110 has it for reads.
func NotModified(c echo.Context, version int64) bool {
	ETag(c, version)
	tags := c.Request().Header.Values("If-None-Match")
	if len(tags) == 0 {
		return false
	}
	for _, tag := range strings.Split(strings.Join(tags, ","), ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == Quote(version) {
			return true
		}
	}
	return false
}

var entityTag = regexp.MustCompile(`^(W/)?"([\x21\x23-\x7e]*)"$`)

// ifMatch reads the version that a write is meant for: nil for none or any.
func ifMatch(c echo.Context) (*int64, error) {
	values := c.Request().Header.Values("If-Match")
	if len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "*" {
		return nil, nil // no version is named, and that is in order
	}
	m := entityTag.FindStringSubmatch(strings.TrimSpace(values[0]))
	if len(values) > 1 || m == nil {
		return nil, errIfMatch
	}
	version, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil || m[1] != "" || Quote(version) != `"`+m[2]+`"` || version < 0 {
		version = AnotherVersion // a strong comparison with it can only fail
	}
	return &version, nil
}

// Replayed marks the answer to a retry of what was done before.
func Replayed(c echo.Context) { c.Response().Header().Set("Idempotent-Replayed", "true") }
