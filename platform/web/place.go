package web

import (
	"encoding/base64"
	"encoding/json"

	"github.com/labstack/echo/v4"
)

// maxPlace bounds the cursors that PlaceOf reads, in characters.
const maxPlace = 2048

// PlaceOf reads ?limit= (1 to 100, 20) and ?cursor= of a list that is ordered by more than time and id: P is the place after
// an entry, as NewPlaces wrote it. Without a cursor it is nil.
func PlaceOf[P any](c echo.Context) (limit int, place *P, err error) {
	if limit, err = limitOf(c); err != nil {
		return 0, nil, err
	}
	s := c.QueryParam("cursor")
	if s == "" {
		return limit, nil, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) > maxPlace {
		return 0, nil, errCursor
	}
	place = new(P)
	if err := decode(raw, place); err != nil { // in text, no column takes what it refuses
		return 0, nil, errCursor
	}
	return limit, place, nil
}

// NewPlaces is NewPage for lists with a place of their own.
func NewPlaces[T, P any](rows []T, limit int, place func(T) P) Page[T] {
	return cut(rows, limit, func(row T) string {
		text, _ := json.Marshal(place(row)) // of plain fields
		return base64.RawURLEncoding.EncodeToString(text)
	})
}
