package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Backend replaces the database for all stores of a committer. It implements its methods with the functions of this file.
// Tests use it to explore alternatives: a state is a value, so a test can return to an earlier one.
type Backend interface {
	Do(ctx context.Context, s *Store, cmd Command) (Receipt, error)
	Load(ctx context.Context, s *Store, id uuid.UUID) (Row, error)
	Processed(ctx context.Context, s *Store, o IdempotencyKey) (bool, error)
}

// Row is a stream in a backend. Version 0 means that it does not exist.
type Row struct {
	Kind             string // of the stream
	Version          int64
	State            any // in its Go type
	Created, Updated time.Time
}

// NewCommitterOn returns a committer whose stores use the backend.
func NewCommitterOn(b Backend) *Committer {
	c := NewCommitter(nil, CommitterConfig{Queue: 1}) // nothing is ever queued
	c.backend = b
	return c
}

// loadRow loads a stream from the backend.
func (a *Aggregate[S, E]) loadRow(ctx context.Context, s *Store, id uuid.UUID) (Stream[S], error) {
	row, err := s.db.Committer.backend.Load(ctx, s, id)
	if _, ok := row.State.(S); err != nil || !ok {
		return Stream[S]{ID: id}, err
	}
	return streamOf[S](id, row.view()), nil
}

func (r Row) view() streamView {
	return streamView{version: r.Version, value: r.State, created: r.Created, updated: r.Updated}
}

// Decision is the result of a command.
type Decision struct {
	Changed map[uuid.UUID]Row // the streams that it changed, in their new state
	Events  []Recorded
	Receipt Receipt
	Err     error
}

// DecideOn decides a command on the rows that find returns. done is the receipt of the command if it was done before.
func (s *Store) DecideOn(find func(uuid.UUID) Row, cmd Command, done *Receipt, now time.Time) Decision {
	w := &storeBatch{store: s, now: now, streams: map[uuid.UUID]*batchStream{}, receipts: map[uuid.UUID]Receipt{}}
	w.name(cmd.Reads, false)
	w.name(cmd.Streams, true)
	for id, e := range w.streams {
		if row := find(id); row.Version > 0 {
			e.codec, e.stored, e.streamView = s.kinds[row.Kind], row.Version, row.view()
		}
	}
	if done != nil {
		w.receipts[cmd.ID] = *done
	}
	j := &job{Command: &cmd, store: s}
	decide(j, w)
	d := Decision{Changed: map[uuid.UUID]Row{}, Receipt: j.receipt, Err: j.err}
	for id, e := range w.streams {
		if e.version != e.stored {
			d.Changed[id] = Row{Kind: e.codec.kind(), Version: e.version, State: e.value, Created: e.created, Updated: e.updated}
		}
	}
	for _, e := range w.events {
		d.Events = append(d.Events, e.Recorded)
	}
	return d
}

// Handled reports whether events of a type have a handler.
func (s *Store) Handled(eventType string) bool { return len(s.subs[eventType]) > 0 }

// Handle calls the handlers of an event.
func (s *Store) Handle(ctx context.Context, r Recorded) error {
	event, err := s.decode(r)
	if err != nil {
		return err
	}
	for _, sub := range s.subs[r.Type] {
		if err := sub.handle(ctx, r, event); err != nil {
			return fmt.Errorf("%s: %w", sub.name, err)
		}
	}
	return nil
}

// Appending returns a command that appends an event to a stream without the rules of its module.
func (s *Store) Appending(id uuid.UUID, event any) Command {
	eventType := TypeOf(event)
	c := s.codecOf(eventType)
	return Command{
		Streams: []Ref{{ID: id, codec: c}},
		Decide: func(tx *Tx) error {
			data, err := json.Marshal(event)
			if err != nil {
				return err
			}
			recorded := Recorded{Type: eventType, Data: data, Meta: Meta{Schema: c.Schema(eventType)}}
			next, err := c.evolve(tx.batchStream(id).viewOf(tx).value, recorded)
			if err == nil {
				tx.append(c, id, event, next)
			}
			return err
		},
	}
}
