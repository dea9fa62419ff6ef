package web

import (
	"compress/gzip"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// minCompressed is the length in bytes from which an answer is compressed. A shorter one fits into one packet.
const minCompressed = 1400

// compressed compresses the answers of a route for clients that accept gzip. A stream of events takes over its connection, so it is
// never compressed. A compressed answer has the same ETag, which names the version of a resource, and no route serves ranges. Every
// answer has a Vary header, since a cache may keep an uncompressed one too.
func compressed() echo.MiddlewareFunc {
	compress := middleware.GzipWithConfig(middleware.GzipConfig{Level: gzip.BestSpeed, MinLength: minCompressed})
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		compressing := compress(next)
		return func(c echo.Context) error {
			asked := c.Request().Header
			if hasCookie(c) || !acceptsGzip(asked.Values(echo.HeaderAcceptEncoding)) {
				c.Response().Header().Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
				return next(c)
			}
			asked.Set(echo.HeaderAcceptEncoding, "gzip") // Echo reads the first header only, and no other letter case
			return compressing(c)
		}
	}
}

// hasCookie reports whether a page of another site may have made a browser send the request. Such a page could learn a secret in an
// answer from its compressed length (BREACH), so these answers are not compressed. The console uses cookies, the API does not.
func hasCookie(c echo.Context) bool { return len(c.Request().Header.Values(echo.HeaderCookie)) > 0 }

// acceptsGzip reports whether Accept-Encoding allows gzip.
func acceptsGzip(values []string) bool {
	for coding := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return accepts(parameters)
		}
	}
	return false
}

// accepts reports whether the parameters of a coding give it a weight above zero.
func accepts(parameters string) bool {
	weight, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q=")
	if !found {
		return true
	}
	q, err := strconv.ParseFloat(weight, 64)
	return err == nil && q > 0
}

// Uncompressed turns the compression of a route off.
func Uncompressed(e *endpoint) { e.uncompressed = true }
