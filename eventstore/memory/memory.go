// Package memory holds streams without a database, for tests that must go back and try another way: a state is a value, and a
// command makes another one of it. What decides, folds and reacts is the modules' own. Only tests import it.
package memory

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/eventstore/internal/seam"
)

// Row is a stream as it lies in a store. Version 0: there is none.
type Row = seam.Row

// Desk is asked whatever the modules ask of their stores. Who is asked may answer when it likes.
type Desk = interface {
	Do(ctx context.Context, s *eventstore.Store, cmd eventstore.Command) (eventstore.Receipt, error)
	Load(ctx context.Context, s *eventstore.Store, id uuid.UUID) (Row, error)
	Answered(ctx context.Context, s *eventstore.Store, o eventstore.Once) (bool, error)
}

// Committer makes a committer whose stores ask the desk.
func Committer(d Desk) *eventstore.Committer {
	return seam.Committer.(func(Desk) *eventstore.Committer)(d)
}

// Decision is what a command comes to.
type Decision struct {
	Changed map[uuid.UUID]Row // the streams that it changed, as they are then
	Events  []eventstore.Recorded
	Receipt eventstore.Receipt
	Err     error
}

// Decide decides a command on the rows that find gives. done is its receipt, where it was done before.
func Decide(s *eventstore.Store, cmd eventstore.Command, find func(uuid.UUID) Row, done *eventstore.Receipt, now time.Time) (d Decision) {
	type decide = func(*eventstore.Store, eventstore.Command, func(uuid.UUID) Row, *eventstore.Receipt, time.Time) (
		map[uuid.UUID]Row, []eventstore.Recorded, eventstore.Receipt, error)
	d.Changed, d.Events, d.Receipt, d.Err = seam.Decide.(decide)(s, cmd, find, done, now)
	return d
}

// Deliver calls the handlers of an event.
func Deliver(ctx context.Context, s *eventstore.Store, r eventstore.Recorded) error {
	return seam.Deliver.(func(context.Context, *eventstore.Store, eventstore.Recorded) error)(ctx, s, r)
}

// Heard reports whether an event has a handler.
func Heard(s *eventstore.Store, kind string) bool {
	return seam.Heard.(func(*eventstore.Store, string) bool)(s, kind)
}

// Say is a command that appends an event to a stream, whatever its module would say to that.
func Say(s *eventstore.Store, stream uuid.UUID, e eventstore.Event) eventstore.Command {
	return seam.Say.(func(*eventstore.Store, uuid.UUID, eventstore.Event) eventstore.Command)(s, stream, e)
}
