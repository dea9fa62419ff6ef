package web

import (
	"time"

	"github.com/labstack/echo/v4"
)

// Created limits a list to entries created within a period. A zero time is no limit.
type Created struct {
	After, Before time.Time // both exclusive
}

// Dated declares the parameters that CreatedOf reads.
func Dated(e *endpoint) { Query("created_after", "created_before")(e) }

// CreatedOf reads ?created_after= and ?created_before=.
func CreatedOf(c echo.Context) (bounds Created, err error) {
	if bounds.After, err = momentOf(c, "created_after"); err != nil {
		return bounds, err
	}
	bounds.Before, err = momentOf(c, "created_before")
	return bounds, err
}

// Where returns the SQL condition on a column with the time of creation, and its arguments.
func (b Created) Where(column string) (condition string, arguments []any) {
	condition = "true"
	if !b.After.IsZero() {
		condition, arguments = condition+" and "+column+" > ?", append(arguments, b.After)
	}
	if !b.Before.IsZero() {
		condition, arguments = condition+" and "+column+" < ?", append(arguments, b.Before)
	}
	return condition, arguments
}

// Holds reports whether a time lies within the period.
func (b Created) Holds(at time.Time) bool {
	return (b.After.IsZero() || at.After(b.After)) && (b.Before.IsZero() || at.Before(b.Before))
}

// momentOf reads a time from the query, or zero where there is none.
func momentOf(c echo.Context, name string) (time.Time, error) {
	text := c.QueryParam(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 1 {
		return at, Refused(name, "time", "It must be a time in RFC 3339, such as 2026-01-31T12:00:00Z. A plus sign in a query is written %2B.")
	}
	return at.UTC(), nil
}
