package eventstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Meta is the metadata of an event. The store fills in the ids of the event and its command, and the version of its schema.
type Meta struct {
	EventID     uuid.UUID `json:"event_id"`
	Correlation uuid.UUID `json:"correlation"` // of all events that one request or one saga caused
	Causation   uuid.UUID `json:"causation"`   // the id of the command
	Actor       string    `json:"actor,omitempty"`
	Trace       string    `json:"trace,omitempty"`  // W3C trace id
	Span        string    `json:"span,omitempty"`   // of the command; only if its trace is sampled
	Schema      int       `json:"schema,omitempty"` // version of the schema of the event; 0 means 1
}

// Recorded is an event as stored in the log.
type Recorded struct {
	Position int64 // in the module's log; 0 if it was delivered directly after its commit
	Stream   uuid.UUID
	Version  int64  // of the stream, 1 for its first event
	Type     string // see Register
	Data     json.RawMessage
	Meta     Meta
	At       time.Time // by the database's clock
}

// Message is a recorded event with its Go type.
type Message[E any] struct {
	Stream  uuid.UUID
	Version int64
	Event   E
	Meta    Meta
	At      time.Time
}

var registered sync.Map // Go types of events to the types that they are stored under

// Register makes the events of an aggregate known to TypeOf, and returns them. Each stands under its type, "<kind of aggregate>.<fact>",
// which is stored with the event and never changes. A change of the event's JSON is a new version of its schema: see [Aggregate.Upcasts].
func Register[E any](events map[string]E) map[string]E {
	for eventType, e := range events {
		if known, found := registered.LoadOrStore(reflect.TypeOf(e), eventType); found && known != eventType {
			panic(fmt.Sprintf("event %T is registered as %s and as %s", e, known, eventType))
		}
	}
	return events
}

// Registered returns the Go types of all registered events, by the types that they are stored under.
func Registered() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	registered.Range(func(goType, eventType any) bool {
		all[eventType.(string)] = goType.(reflect.Type)
		return true
	})
	return all
}

// TypeOf returns the type that an event is stored under. It panics if the event is not registered.
func TypeOf(event any) string {
	eventType, found := registered.Load(reflect.TypeOf(event))
	if !found {
		panic(fmt.Sprintf("event %T is not registered", event))
	}
	return eventType.(string)
}
