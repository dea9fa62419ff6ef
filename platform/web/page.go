package web

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

const (
	defaultLimit = 20
	maxLimit     = 100
)

var errCursor = fault.New(fault.Invalid, "cursor_invalid", "The cursor is not one that this list gave out.")

// Cursor is the place after a row in a list ordered by time and id.
type Cursor struct {
	At time.Time // to the microsecond
	ID uuid.UUID
}

// IsZero reports whether it is the start of the list.
func (c Cursor) IsZero() bool { return c.At.IsZero() && c.ID == uuid.Nil }

// String encodes the cursor for clients, to whom it is opaque.
func (c Cursor) String() string {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:8], uint64(c.At.UnixMicro())) // parseCursor reads it back unchanged
	copy(b[8:], c.ID[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func parseCursor(s string) (Cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 24 {
		return Cursor{}, errCursor
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b[:8]))).UTC() // #nosec G115 -- String wrote it; the year is checked below
	if at.Year() < 1970 || at.Year() > 9999 {
		return Cursor{}, errCursor // out of the range of a timestamp column
	}
	return Cursor{At: at, ID: uuid.UUID(b[8:])}, nil
}

// PageRequest names the requested part of a list.
type PageRequest struct {
	Limit  int    // rows; fetch one more, so that NewPage knows whether the list goes on
	Cursor Cursor // zero: from the start
}

// PageOf reads ?limit= (1 to 100, 20) and ?cursor=.
func PageOf(c echo.Context) (PageRequest, error) {
	limit, err := limitOf(c)
	if err != nil {
		return PageRequest{}, err
	}
	page := PageRequest{Limit: limit}
	if s := c.QueryParam("cursor"); s != "" {
		page.Cursor, err = parseCursor(s)
	}
	return page, err
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

// LogRequest names the requested part of a log: the entries after a position, oldest first.
type LogRequest struct {
	Limit int   // entries; fetch one more
	After int64 // position; zero: from the start
}

// AfterOf reads ?limit= and ?after=. ?cursor= means the same as ?after=.
func AfterOf(c echo.Context) (LogRequest, error) {
	limit, err := limitOf(c)
	if err != nil {
		return LogRequest{}, err
	}
	log := LogRequest{Limit: limit}
	errAfter := Refused("after", "range", "It must be a position: a whole number from 0.")
	if err := log.startAt(c.QueryParam("after"), errAfter); err != nil {
		return LogRequest{}, err
	}
	err = log.startAt(c.QueryParam("cursor"), errCursor)
	return log, err
}

// startAt parses a position, and returns the refusal when it is not one. An empty text changes nothing.
func (l *LogRequest) startAt(text string, refusal *fault.Fault) (err error) {
	if text == "" {
		return nil
	}
	if l.After, err = strconv.ParseInt(text, 10, 64); err != nil || l.After < 0 {
		return refusal
	}
	return nil
}

// Page is a part of a list, and where it goes on; NextCursor is null on the last page.
type Page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor" extensions:"x-nullable"`
}

// NewPage makes a page of rows that were fetched with limit+1. cursor returns the place after a row.
func NewPage[T any](rows []T, limit int, cursor func(T) Cursor) Page[T] {
	return cut(rows, limit, func(row T) string { return cursor(row).String() })
}

// NewLog is NewPage for a log. position returns the position of an entry.
func NewLog[T any](entries []T, limit int, position func(T) int64) Page[T] {
	return cut(entries, limit, func(e T) string { return strconv.FormatInt(position(e), 10) })
}

// MaxPageBytes limits the stored state in one page of a list. The answer has about twice as many bytes.
const MaxPageBytes = 2 << 20

// Until ends a page after its first n entries when more would make it too large. cursor returns the place after an entry.
func (p Page[T]) Until(n int, cursor func(T) Cursor) Page[T] {
	if n >= len(p.Data) || n == 0 {
		return p
	}
	next := cursor(p.Data[n-1]).String()
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

func cut[T any](rows []T, limit int, cursor func(T) string) Page[T] {
	page := Page[T]{Data: rows}
	if limit = fitting(rows, limit); len(rows) > limit {
		page.Data = rows[:limit]
		next := cursor(rows[limit-1])
		page.NextCursor = &next
	}
	if page.Data == nil {
		page.Data = []T{}
	}
	return page
}

// FilterOf reads a parameter that filters a list by a text, and trims it. It is empty where it is not given.
func FilterOf(c echo.Context, name string) string { return strings.TrimSpace(c.QueryParam(name)) }
