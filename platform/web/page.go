package web

import (
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

const (
	defaultLimit = 20
	maxLimit     = 100
)

// PageRequest names the requested part of a list that is ordered by time and id.
type PageRequest struct {
	Limit  int    // rows; fetch one more, so that NewPage knows whether the list goes on
	Cursor Cursor // zero: from the start
}

// PageOf is CursorOf for a list that is ordered by time and id.
func PageOf(c echo.Context) (page PageRequest, err error) {
	page.Limit, page.Cursor, err = CursorOf[Cursor](c)
	return page, err
}

// CursorOf reads ?limit= (1 to 100, 20) and ?cursor=. P is a [Cursor], the int64 position in a log, or a struct. It is zero at the start.
func CursorOf[P any](c echo.Context) (limit int, after P, err error) {
	if limit, err = limitOf(c); err != nil {
		return 0, after, err
	}
	if s := c.QueryParam("cursor"); s != "" {
		after, err = decodeCursor[P](s)
	}
	return limit, after, err
}

// LogRequest names the requested part of a log: the entries after a position, oldest first.
type LogRequest struct {
	Limit int   // entries; fetch one more
	After int64 // position; zero: from the start
}

// AfterOf reads ?limit= and ?after= of a log. ?cursor= means the same as ?after=.
func AfterOf(c echo.Context) (log LogRequest, err error) {
	if log.Limit, err = limitOf(c); err != nil {
		return log, err
	}
	if s := c.QueryParam("after"); s != "" {
		if log.After, err = decodeCursor[int64](s); err != nil {
			return log, Refused("after", "range", "It must be a position: a whole number from 0.")
		}
	}
	if s := c.QueryParam("cursor"); s != "" {
		log.After, err = decodeCursor[int64](s)
	}
	return log, err
}

func limitOf(c echo.Context) (int, error) {
	s := c.QueryParam("limit")
	if s == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxLimit {
		return 0, Refused("limit", "range", "It must be a whole number from 1 to 100.")
	}
	return n, nil
}

// Page is a part of a list, and where it goes on; NextCursor is null on the last page.
type Page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor" extensions:"x-nullable"`
}

// NewPage makes a page of rows that were fetched with limit+1. cursor returns the place after a row.
func NewPage[T, P any](rows []T, limit int, cursor func(T) P) Page[T] {
	page := Page[T]{Data: rows}
	if limit = fitting(rows, limit); len(rows) > limit {
		page.Data = rows[:limit]
		next := encodeCursor(cursor(rows[limit-1]))
		page.NextCursor = &next
	}
	if page.Data == nil {
		page.Data = []T{}
	}
	return page
}

// MaxPageBytes limits the stored state in one page of a list. The answer has about twice as many bytes.
const MaxPageBytes = 2 << 20

// Until ends a page after its first n entries when more would make it too large. cursor returns the place after an entry.
func (p Page[T]) Until(n int, cursor func(T) Cursor) Page[T] {
	if n >= len(p.Data) || n == 0 {
		return p
	}
	next := encodeCursor(cursor(p.Data[n-1]))
	return Page[T]{Data: p.Data[:n], NextCursor: &next}
}

// Sized is an entry that may be large. A page of them ends when it has MaxPageBytes.
type Sized interface {
	PageBytes() int
}

// fitting returns how many of the rows fit into a page: at most limit, and at least one.
func fitting[T any](rows []T, limit int) int {
	total := 0
	for i, row := range rows[:min(len(rows), limit)] {
		if total >= MaxPageBytes {
			return i
		}
		if sized, ok := any(row).(Sized); ok {
			total += sized.PageBytes()
		}
	}
	return limit
}

// FilterOf reads a parameter that filters a list by a text, and trims it. It is empty where it is not given.
func FilterOf(c echo.Context, name string) string { return strings.TrimSpace(c.QueryParam(name)) }
