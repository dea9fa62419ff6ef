package audit

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Event is an event of an entry.
//
//sumtype:decl
type Event interface{ isEvent() }

// Recorded is the request of an operator, as it was before it was carried out. It holds no text that a person wrote: the reason is in
// the table reasons.
type Recorded struct {
	ID        uuid.UUID `json:"id"`
	Action    string    `json:"action"` // see web.Audited
	Actor     string    `json:"actor"`
	Address   string    `json:"address,omitempty"`
	Route     string    `json:"route"`
	Object    string    `json:"object,omitempty"`
	RequestID string    `json:"request_id"`
}

func (Recorded) isEvent() {}

// entries are streams of one event each.
var entries = &eventstore.Aggregate[Recorded, Event]{
	Kind: "audit", StateVersion: 1,
	Types: eventstore.Register(map[string]Event{"audit.recorded": Recorded{}}),
	Evolve: func(_ Recorded, e Event) Recorded {
		recorded, _ := e.(Recorded)
		return recorded
	},
	Index: func(s Recorded, _ time.Time) eventstore.Index {
		return eventstore.Index{Customer: s.Actor, Status: s.Action, Key: keyOf(s.Object) + s.ID.String()}
	},
}

// keyOf returns the prefix that the keys of all entries about an object share.
func keyOf(object string) string { return object + "/" }
