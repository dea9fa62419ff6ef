package eventstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Event is a past fact. Kind returns the name that it is stored under, "<kind of aggregate>.<fact>". The name never changes.
// A change of the event's JSON is a new version of its schema: see [Aggregate.Upcasts].
type Event interface{ Kind() string }

// Meta is the metadata of an event. The store fills in the ids of the event and its command, and the version of its schema.
type Meta struct {
	EventID     uuid.UUID `json:"event_id"`
	Correlation uuid.UUID `json:"correlation"` // of all events that one request or one saga caused
	Causation   uuid.UUID `json:"causation"`   // the id of the command
	Actor       string    `json:"actor,omitempty"`
	Trace       string    `json:"trace,omitempty"`  // W3C trace id
	Schema      int       `json:"schema,omitempty"` // version of the schema of the event; 0 means 1
}

// Recorded is an event as stored in the log.
type Recorded struct {
	Position int64 // in the module's log; 0 if it was delivered directly after its commit
	Stream   uuid.UUID
	Version  int64 // of the stream, 1 for its first event
	Kind     string
	Data     json.RawMessage
	Meta     Meta
	At       time.Time // by the database's clock
}

// Message is a recorded event with its Go type.
type Message[E Event] struct {
	Stream  uuid.UUID
	Version int64
	Event   E
	Meta    Meta
	At      time.Time
}

var (
	mu         sync.Mutex
	registered []Event
)

// Registered returns one event of each type that a Decoder knows. The reference page of events lists them.
func Registered() []Event {
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(registered)
}

// Decoder returns an aggregate's Decode for the types of the examples: from the JSON that they are written as today.
func Decoder[E Event](examples ...E) func(kind string, data []byte) (E, error) {
	mu.Lock()
	defer mu.Unlock()
	types := make(map[string]reflect.Type, len(examples))
	for _, e := range examples {
		types[e.Kind()] = reflect.TypeOf(e)
		registered = append(registered, e)
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
