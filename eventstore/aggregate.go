package eventstore

import (
	"context"
	"fmt"
	"time"

	json "github.com/go-json-experiment/json/v1" // twice as fast as encoding/json, with its rules
	"github.com/google/uuid"
)

// Aggregate describes the streams of one kind. S is the state; its zero value is the state of a stream without events. E is
// the sum type of the events. All functions are pure and change no value in place.
type Aggregate[S, E any] struct {
	Kind string // stored with each stream; the first part of the type of every event
	// StateVersion is the version of S, of Evolve and of the events that they know. Raise it when any of these changes: a state
	// of another version is not read but rebuilt from its events.
	StateVersion int16
	Types        map[string]E // of the events, see Register
	// Upcasts convert old events, by type: the first from version 1 of the schema to version 2, and so on.
	Upcasts map[string][]Upcaster
	Evolve  func(S, E) S
	Index   func(s S, touched time.Time) Index // touched is the time of the last change
}

// Index holds what lists and timers need of a state. Zero values are stored as NULL.
type Index struct {
	Customer string
	Status   string
	Key      string    // unique within the kind
	WakeAt   time.Time // when its timer is due
}

// Stream is a state with its version and times. Version 0 means that the stream does not exist.
type Stream[S any] struct {
	ID        uuid.UUID
	Version   int64
	State     S
	CreatedAt time.Time
	UpdatedAt time.Time
}

// streamOf converts a view to a Stream.
func streamOf[S any](id uuid.UUID, v streamView) Stream[S] {
	state, _ := v.value.(S)
	return Stream[S]{ID: id, Version: v.version, State: state, CreatedAt: v.created, UpdatedAt: v.updated}
}

// Exists reports whether the stream has an event.
func (s Stream[S]) Exists() bool { return s.Version > 0 }

// Ref names a stream in a command.
type Ref struct {
	ID    uuid.UUID
	codec codec
}

// Ref returns a reference to the stream of this kind with the id.
func (a *Aggregate[S, E]) Ref(id uuid.UUID) Ref { return Ref{ID: id, codec: a} }

// Get returns a stream that the command names, including the events that the command has appended so far.
func (a *Aggregate[S, E]) Get(tx *Tx, id uuid.UUID) Stream[S] {
	v := tx.batchStream(id).viewOf(tx)
	if _, ok := v.value.(S); !ok { // the stream does not exist, or is of another kind
		return Stream[S]{ID: id}
	}
	return streamOf[S](id, v)
}

// Append adds events to a stream that the command names under Streams.
func (a *Aggregate[S, E]) Append(tx *Tx, id uuid.UUID, events ...E) {
	for _, e := range events {
		s := a.Get(tx, id)
		tx.append(a, id, e, a.Evolve(s.State, e))
	}
}

// Handle runs a command on one stream and appends the events that decide returns. It sets the fields Streams and Decide of
// the command. An error of decide refuses the command. decide must be pure; it may run more than once.
func (a *Aggregate[S, E]) Handle(
	ctx context.Context, s *Store, id uuid.UUID, cmd Command, decide func(*Tx, Stream[S]) ([]E, error),
) (Receipt, error) {
	return s.Do(ctx, a.Command(id, cmd, decide))
}

// Command returns the command that Handle runs.
func (a *Aggregate[S, E]) Command(id uuid.UUID, cmd Command, decide func(*Tx, Stream[S]) ([]E, error)) Command {
	cmd.Streams = []Ref{a.Ref(id)}
	cmd.Decide = func(tx *Tx) error {
		events, err := decide(tx, a.Get(tx, id))
		if err == nil {
			a.Append(tx, id, events...)
		}
		return err
	}
	return cmd
}

// codec is an aggregate without its type parameters, as the batch uses it.
type codec interface {
	kind() string
	stateVersion() int16
	decodeState(data []byte) (any, error)
	Schema(eventType string) int
	decodeEvent(r Recorded) (any, error)
	evolve(state any, r Recorded) (any, error)
	index(state any, touched time.Time) Index
}

func (a *Aggregate[S, E]) kind() string        { return a.Kind }
func (a *Aggregate[S, E]) stateVersion() int16 { return a.StateVersion }

func (a *Aggregate[S, E]) decodeState(data []byte) (any, error) {
	var s S
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("decode the state of a %s: %w", a.Kind, err)
	}
	return s, nil
}

func (a *Aggregate[S, E]) decodeEvent(r Recorded) (any, error) { return a.Event(r) }

func (a *Aggregate[S, E]) evolve(state any, r Recorded) (any, error) {
	e, err := a.Event(r)
	if err != nil {
		return nil, err
	}
	s, _ := state.(S)
	return a.Evolve(s, e), nil
}

func (a *Aggregate[S, E]) index(state any, touched time.Time) Index {
	s, _ := state.(S)
	return a.Index(s, touched)
}
