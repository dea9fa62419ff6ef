package eventstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// Version is an event of a stream with the state after it.
type Version struct {
	Recorded
	State json.RawMessage // nil if this version of the program cannot rebuild it
}

// History returns up to limit events of a stream of any kind after a version, each with the state after it. It rebuilds the
// states from the first event.
func (s *Store) History(ctx context.Context, id uuid.UUID, after int64, limit int) ([]Version, error) {
	last := max(after, after+int64(limit)) // the sum may overflow
	versions := []Version{}
	var state any
	var broken error // after an unreadable event no state is known
	err := eachEvent(ctx, s.db.Query, func(r Recorded) error {
		if c := s.codecOf(r.Type); c == nil {
			broken = ErrNewerVersion
		} else if broken == nil {
			state, broken = c.evolve(state, r)
		}
		if r.Version <= after {
			return nil
		}
		v := Version{Recorded: r}
		if broken == nil {
			encoded, err := json.Marshal(state)
			if err != nil {
				return fmt.Errorf("encode version %d: %w", r.Version, err)
			}
			v.State = encoded
		}
		versions = append(versions, v)
		return nil
	}, s.sql.stream, id, int64(0), last, last)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", id, err)
	}
	return versions, nil
}

// StreamInfo describes a stream by its row.
type StreamInfo struct {
	ID                    uuid.UUID
	Kind                  string
	Version               int64
	Customer, Status, Key string // Key: unique within the kind, such as the number of an order
}

// FindByKey returns the stream of a kind with the key, or [uuid.Nil].
func (s *Store) FindByKey(ctx context.Context, kind, name string) (id uuid.UUID, err error) {
	err = s.db.Query.QueryRow(ctx, s.in(`select id from @.streams where kind = $1 and key = $2`), kind, name).Scan(&id)
	if isNone(err) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("find the %s called %q: %w", kind, name, err)
	}
	return id, nil
}

const describe = `select id, kind, version, coalesce(customer, ''), coalesce(status, ''), coalesce(key, '') from @.streams where id = $1`

// Describe returns the description of a stream of any kind. found is false if it does not exist.
func (s *Store) Describe(ctx context.Context, id uuid.UUID) (d StreamInfo, found bool, err error) {
	err = s.db.Query.QueryRow(ctx, s.in(describe), id).Scan(&d.ID, &d.Kind, &d.Version, &d.Customer, &d.Status, &d.Key)
	if isNone(err) {
		return d, false, nil
	}
	if err != nil {
		return d, false, fmt.Errorf("describe %s: %w", id, err)
	}
	return d, true, nil
}
