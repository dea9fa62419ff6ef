package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore/internal/seam"
)

// elsewhere answers in place of a database, for all stores of a committer. Only tests have one: see package memory. All that
// decides, folds and reacts is the same.
type elsewhere = interface { // an alias, for package memory to name the same type
	Do(ctx context.Context, s *Store, cmd Command) (Receipt, error)
	Load(ctx context.Context, s *Store, id uuid.UUID) (seam.Row, error)
	Answered(ctx context.Context, s *Store, o Once) (bool, error)
}

func init() {
	seam.Committer = func(e elsewhere) *Committer {
		c := NewCommitter(nil, CommitterConfig{Queue: 1}) // nothing is ever queued
		c.elsewhere = e
		return c
	}
	seam.Decide, seam.Say = decideElsewhere, sayElsewhere
	seam.Deliver, seam.Heard = deliverElsewhere, heardElsewhere
}

// loadElsewhere is Load.
func (a *Aggregate[S, E]) loadElsewhere(ctx context.Context, s *Store, id uuid.UUID) (Stream[S], error) {
	row, err := s.committer.elsewhere.Load(ctx, s, id)
	state, ok := row.State.(S)
	if err != nil || !ok {
		return Stream[S]{ID: id}, err
	}
	return Stream[S]{ID: id, Version: row.Version, State: state, CreatedAt: row.Created, UpdatedAt: row.Updated}, nil
}

// decideElsewhere decides a command alone in its batch on the rows that find gives, and says which of them it changed to what.
// done is its receipt, where it was done before.
func decideElsewhere(s *Store, cmd Command, find func(uuid.UUID) seam.Row, done *Receipt, now time.Time) (
	changed map[uuid.UUID]seam.Row, events []Recorded, receipt Receipt, err error,
) {
	w := &work{store: s, now: now, streams: map[uuid.UUID]*entry{}, receipts: map[uuid.UUID]Receipt{}}
	w.name(cmd.Reads, false)
	w.name(cmd.Streams, true)
	for id, e := range w.streams {
		if row := find(id); row.Version > 0 {
			e.codec, e.stored = s.kinds[row.Kind], row.Version
			e.view = view{version: row.Version, value: row.State, created: row.Created, updated: row.Updated}
		}
	}
	if done != nil {
		w.receipts[cmd.ID] = *done
	}
	j := &job{Command: &cmd, store: s}
	decide(j, w)
	changed = map[uuid.UUID]seam.Row{}
	for id, e := range w.streams {
		if e.version != e.stored {
			changed[id] = seam.Row{Kind: e.codec.kind(), Version: e.version, State: e.value, Created: e.created, Updated: e.updated}
		}
	}
	for _, e := range w.events {
		events = append(events, e.Recorded)
	}
	return changed, events, j.receipt, j.err
}

// deliverElsewhere calls the handlers of an event.
func deliverElsewhere(ctx context.Context, s *Store, r Recorded) error {
	event, err := s.decode(r)
	if err != nil {
		return err
	}
	for _, sub := range s.subs[r.Kind] {
		if err := sub.handle(ctx, r, event); err != nil {
			return fmt.Errorf("%s: %w", sub.name, err)
		}
	}
	return nil
}

func heardElsewhere(s *Store, kind string) bool { return len(s.subs[kind]) > 0 }

// sayElsewhere is a command that appends an event to a stream, whatever its module would say to that.
func sayElsewhere(s *Store, id uuid.UUID, e Event) Command {
	kind, _, _ := strings.Cut(e.Kind(), ".")
	c := s.kinds[kind]
	return Command{
		Streams: []Ref{{ID: id, codec: c}},
		Decide: func(tx *Tx) error {
			data, err := json.Marshal(e)
			if err != nil {
				return err
			}
			next, err := c.refold(tx.entry(id).seenBy(tx).value, Recorded{Kind: e.Kind(), Data: data, Meta: Meta{Schema: c.Schema(e.Kind())}})
			if err == nil {
				tx.append(c, id, e, next)
			}
			return err
		},
	}
}
