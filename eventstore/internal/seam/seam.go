// Package seam is where tests take a module's store out of its database and put it into memory (package memory). Nothing else
// can reach it.
package seam

import "time"

// Row is a stream as it lies in a store. Version 0: there is none.
type Row struct {
	Kind             string // of the stream
	Version          int64
	State            any // the folded state, in its type
	Created, Updated time.Time
}

// What the event store hands in. Package memory knows their types; they cannot stand here, since the event store imports this.
var (
	Committer any // makes a committer that asks somebody instead of a database
	Decide    any // decides a command on rows
	Deliver   any // calls the handlers of a recorded event
	Heard     any // whether a kind of event has handlers
	Say       any // makes a command that only appends an event
)
