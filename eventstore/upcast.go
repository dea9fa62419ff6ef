package eventstore

import (
	"encoding/json"
	"fmt"

	"shopping-cart/platform/fault"
)

// ErrNewerVersion is what a stream answers that holds an event which this version of the program does not know: of an
// unknown kind, or written at a later version of its schema. While a new version is rolled out, another replica can
// serve it.
var ErrNewerVersion = fault.New(fault.Unavailable, "newer_version",
	"This was written by a newer version of the program than the one that answered. Try again shortly.")

// Upcaster lifts the JSON of an event from one version of its schema to the next. It is pure.
type Upcaster func(data []byte) ([]byte, error)

// Upcast is the Upcast from one Go type to another. Old is the event as it was, kept under a name of its own; New is the
// event of today, or what stood between the two.
func Upcast[Old, New any](lift func(Old) New) Upcaster {
	return func(data []byte) ([]byte, error) {
		var old Old
		if err := json.Unmarshal(data, &old); err != nil {
			return nil, err
		}
		return json.Marshal(lift(old))
	}
}

// FieldsAdded is the Upcast to a version that has fields more, which are zero in what is older. Programs of the older version
// refuse the new one, where otherwise they would drop the fields in silence.
func FieldsAdded(data []byte) ([]byte, error) { return data, nil }

// Schema is the version at which events of a kind are written today: 1 for one that never changed.
func (a *Aggregate[S, E]) Schema(kind string) int { return 1 + len(a.Upcasts[kind]) }

// Event is a recorded event in its Go type of today, at whatever version of its schema it was written. It fails with
// ErrNewerVersion for one that this version of the program does not know.
func (a *Aggregate[S, E]) Event(r Recorded) (none E, err error) {
	data, written := r.Data, max(r.Meta.Schema, 1)
	if today := a.Schema(r.Kind); written > today {
		return none, fmt.Errorf("version %d of %s, known up to %d: %w", written, r.Kind, today, ErrNewerVersion)
	}
	for i, upcast := range a.Upcasts[r.Kind][written-1:] {
		if data, err = upcast(data); err != nil {
			return none, fmt.Errorf("lift %s from version %d: %w", r.Kind, written+i, err)
		}
	}
	return a.Decode(r.Kind, data)
}
