package web

import (
	"encoding/base64"
	"encoding/json"

	"github.com/labstack/echo/v4"
)

// maxCursor bounds the cursors that CursorOf reads, in characters.
const maxCursor = 2048

// CursorOf reads ?limit= (1 to 100, 20) and ?cursor= of a list that is not ordered by time and id alone. P names the place after an
// entry, as NewCursorPage wrote it. Without a cursor it is nil.
func CursorOf[P any](c echo.Context) (limit int, after *P, err error) {
	if limit, err = limitOf(c); err != nil {
		return 0, nil, err
	}
	text := c.QueryParam("cursor")
	if text == "" {
		return limit, nil, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) > maxCursor {
		return 0, nil, errCursor
	}
	after = new(P)
	if err := decode(raw, after); err != nil { // it refuses text that no column takes
		return 0, nil, errCursor
	}
	return limit, after, nil
}

// NewCursorPage is NewPage for lists that CursorOf reads.
func NewCursorPage[T, P any](rows []T, limit int, after func(T) P) Page[T] {
	return cut(rows, limit, func(row T) string {
		text, _ := json.Marshal(after(row)) // of plain fields
		return base64.RawURLEncoding.EncodeToString(text)
	})
}
