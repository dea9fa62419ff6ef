package eventstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
)

// Event is a past fact. Its kind is the name it is stored under, "<kind of aggregate>.<fact>", and never changes. When
// its JSON does, that is a new version of its schema: see [Aggregate.Upcasts].
type Event interface{ Kind() string }

// Meta stands beside an event: where it came from. The store fills in the ids of the event and of its command, and the
// version of its schema.
type Meta struct {
	EventID     uuid.UUID `json:"event_id"`
	Correlation uuid.UUID `json:"correlation"` // of everything that one request or one saga caused
	Causation   uuid.UUID `json:"causation"`   // the command
	Actor       string    `json:"actor,omitempty"`
	Trace       string    `json:"trace,omitempty"`  // W3C trace id
	Schema      int       `json:"schema,omitempty"` // version of the kind's schema; 0 stands for 1
}

// Recorded is an event as the log holds it.
type Recorded struct {
	Position int64 // in the module's log; 0 when it came straight from its commit
	Stream   uuid.UUID
	Version  int64 // of the stream, 1 for its first event
	Kind     string
	Data     json.RawMessage
	Meta     Meta
	At       time.Time // by the database's clock
}

// Message is a recorded event in its Go type.
type Message[E Event] struct {
	Stream  uuid.UUID
	Version int64
	Event   E
	Meta    Meta
	At      time.Time
}

// Decoder returns an aggregate's Decode for the types of the examples: from the JSON that they are written as today.
func Decoder[E Event](examples ...E) func(kind string, data []byte) (E, error) {
	types := make(map[string]reflect.Type, len(examples))
	for _, e := range examples {
		types[e.Kind()] = reflect.TypeOf(e)
	}
	return func(kind string, data []byte) (none E, err error) {
		known, ok := types[kind]
		if !ok {
			return none, unknownKind(kind)
		}
		event := reflect.New(known)
		if err := json.Unmarshal(data, event.Interface()); err != nil {
			return none, fmt.Errorf("decode %s: %w", kind, err)
		}
		return event.Elem().Interface().(E), nil
	}
}

func unknownKind(kind string) error {
	return fmt.Errorf("unknown kind of event %q: %w", kind, ErrNewerVersion)
}
