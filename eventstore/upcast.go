package eventstore

import (
	"encoding/json"
	"fmt"
	"reflect"

	"shopping-cart/platform/fault"
)

// ErrNewerVersion is returned for a stream with an event that this version of the program does not know: of an unknown type,
// or written with a later version of its schema. During a rollout another replica can serve it.
var ErrNewerVersion = fault.New(fault.Unavailable, "newer_version",
	"This was written by a newer version of the program than the one that answered. Try again shortly.")

// Upcaster converts the JSON of an event from one version of its schema to the next. It is pure.
type Upcaster func(data []byte) ([]byte, error)

// Upcast returns an Upcaster between two Go types. Old is the former type, kept under its own name. New is the current type,
// or an intermediate one.
func Upcast[Old, New any](convert func(Old) New) Upcaster {
	return func(data []byte) ([]byte, error) {
		var old Old
		if err := json.Unmarshal(data, &old); err != nil {
			return nil, err
		}
		return json.Marshal(convert(old))
	}
}

// FieldsAdded is the Upcaster to a version with additional fields, which are zero in older events. Programs of the older
// version then refuse the new events, instead of dropping the fields silently.
func FieldsAdded(data []byte) ([]byte, error) { return data, nil }

// Schema returns the current version of the schema of a type of event. It is 1 for a type that never changed.
func (a *Aggregate[S, E]) Schema(eventType string) int { return 1 + len(a.Upcasts[eventType]) }

// Event converts a recorded event of any schema version to its current Go type. It returns ErrNewerVersion for an event that
// this version of the program does not know.
func (a *Aggregate[S, E]) Event(r Recorded) (none E, err error) {
	data, written := r.Data, max(r.Meta.Schema, 1)
	if today := a.Schema(r.Type); written > today {
		return none, fmt.Errorf("version %d of %s, known up to %d: %w", written, r.Type, today, ErrNewerVersion)
	}
	for i, upcast := range a.Upcasts[r.Type][written-1:] {
		if data, err = upcast(data); err != nil {
			return none, fmt.Errorf("upcast %s from version %d: %w", r.Type, written+i, err)
		}
	}
	return a.decode(r.Type, data)
}

// decode decodes an event of the current schema.
func (a *Aggregate[S, E]) decode(eventType string, data []byte) (none E, err error) {
	known, ok := a.Types[eventType]
	if !ok {
		return none, unknownType(eventType)
	}
	event := reflect.New(reflect.TypeOf(known))
	if err := json.Unmarshal(data, event.Interface()); err != nil {
		return none, fmt.Errorf("decode %s: %w", eventType, err)
	}
	return event.Elem().Interface().(E), nil
}

func unknownType(eventType string) error {
	return fmt.Errorf("unknown type of event %q: %w", eventType, ErrNewerVersion)
}
