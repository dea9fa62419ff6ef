package web

import "github.com/labstack/echo/v4"

// Rule is what a route demands of a write.
type Rule func(needs *Needs)

// KeyRequired demands an Idempotency-Key.
func KeyRequired(needs *Needs) { needs.Key = true }

// VersionRequired demands an If-Match that names a version.
func VersionRequired(needs *Needs) { needs.Version = true }

// WriteOf reads the headers of a write.
func WriteOf(c echo.Context, rules ...Rule) (Write, error) {
	var needs Needs
	for _, rule := range rules {
		rule(&needs)
	}
	return writeOf(c, needs)
}
