package web

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/fault"
)

// ErrCursor refuses the cursor of another list.
var ErrCursor = fault.New(fault.Invalid, "cursor_invalid", "The cursor is not one that this list gave out.")

// maxCursor bounds the cursors that a list accepts, in characters.
const maxCursor = 2048

// Cursor is the place after a row in a list ordered by time and id.
type Cursor struct {
	At time.Time // to the microsecond
	ID uuid.UUID
}

// IsZero reports whether it is the start of the list.
func (c Cursor) IsZero() bool { return c.At.IsZero() && c.ID == uuid.Nil }

// encodeCursor encodes the place after a row for clients, to whom it is opaque: the decimal position in a log, the 24 bytes of a
// Cursor, or the JSON of a struct.
func encodeCursor(place any) string {
	var raw []byte
	switch p := place.(type) {
	case int64:
		return strconv.FormatInt(p, 10)
	case Cursor:
		raw = binary.BigEndian.AppendUint64(nil, uint64(p.At.UnixMicro())) // decodeCursor reads it back unchanged
		raw = append(raw, p.ID[:]...)
	default:
		raw, _ = json.Marshal(p) // of plain fields
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// decodeCursor decodes a cursor of encodeCursor.
func decodeCursor[P any](text string) (place P, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	switch p := any(&place).(type) {
	case *int64:
		*p, err = strconv.ParseInt(text, 10, 64)
		if *p < 0 {
			return place, ErrCursor
		}
	case *Cursor:
		if err != nil || len(raw) != 24 {
			return place, ErrCursor
		}
		at := time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC() // #nosec G115 -- encodeCursor wrote it
		if at.Year() < 1970 || at.Year() > 9999 {
			return place, ErrCursor // out of the range of a timestamp column
		}
		*p = Cursor{At: at, ID: uuid.UUID(raw[8:])}
	default:
		if err == nil && len(text) <= maxCursor {
			err = decode(raw, p) // it refuses text that no column takes
		}
	}
	if err != nil || len(text) > maxCursor {
		return place, ErrCursor
	}
	return place, nil
}
