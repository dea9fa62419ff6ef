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
	Do(ctx context.Context, chain []Link) []Result
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

// Decision is the result of a command of a chain.
type Decision struct {
	Result
	Changed map[uuid.UUID]Row // the streams that it changed, in their new state
	Events  []Recorded
	Unread  []bool // for each event: it has a handler, and no later command took its place
}

// DecideOn decides a chain on the rows that find returns. It returns a decision for each command that was decided. done returns the receipt
// of a command that was done before, or nil.
func DecideOn(find func(uuid.UUID) Row, chain []Link, done func(id uuid.UUID) *Receipt, now time.Time) []Decision {
	works := map[*Store]*storeBatch{}
	var jobs []*job
	for i := range chain {
		l := &chain[i]
		w := works[l.Store]
		if w == nil {
			w = &storeBatch{store: l.Store, now: now, streams: map[uuid.UUID]*batchStream{}, receipts: map[uuid.UUID]Receipt{}}
			works[l.Store] = w
		}
		j := &job{Command: &l.Command, store: l.Store, handles: l.Handles}
		w.take(j)
		if r := done(j.ID); r != nil && j.ID != uuid.Nil {
			w.receipts[j.ID] = *r
		}
		jobs = append(jobs, j)
	}
	for _, w := range works {
		for id, e := range w.streams {
			if row := find(id); row.Version > 0 {
				e.codec, e.stored, e.streamView = w.store.kinds[row.Kind], row.Version, row.view()
			}
		}
	}
	jobs[0].rest = jobs[1:]
	decideAll(jobs[0], func(s *Store) *storeBatch { return works[s] })
	return decisionsOf(jobs)
}

func decisionsOf(jobs []*job) (all []Decision) {
	for _, j := range jobs {
		if !j.decided {
			break
		}
		d := Decision{Result: Result{j.receipt, j.err, j.stopped}, Changed: map[uuid.UUID]Row{}}
		for _, e := range j.work.events[j.from:j.to] {
			d.Events = append(d.Events, e.Recorded)
			d.Unread = append(d.Unread, len(j.store.subs[e.Type]) > 0 && !e.handled)
			at := j.work.streams[e.Stream]
			d.Changed[e.Stream] = Row{Kind: at.codec.kind(), Version: at.version, State: at.value, Created: at.created, Updated: at.updated}
		}
		all = append(all, d)
	}
	return all
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
