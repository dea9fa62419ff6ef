package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Version is an event of a stream, and the state that it led to.
type Version struct {
	Recorded
	State json.RawMessage // nil where this version of the program cannot fold the stream up to here
}

// History are the events of a stream of any kind after a version, at most limit of them, each with the state that it led to.
// It folds the stream from its beginning.
func (s *Store) History(ctx context.Context, id uuid.UUID, after int64, limit int) ([]Version, error) {
	last := max(after, after+int64(limit)) // the sum may wrap
	rows, err := s.query.Query(ctx, s.sql.stream, id, int64(0), last, last)
	if err != nil {
		return nil, fmt.Errorf("read the events of %s: %w", id, err)
	}
	versions := []Version{}
	var state any
	var broken error // from the first event on that cannot be read, no state is known
	err = scanEvents(rows, func(r Recorded) error {
		kind, _, _ := strings.Cut(r.Kind, ".")
		if c := s.kinds[kind]; c == nil {
			broken = ErrNewerVersion
		} else if broken == nil {
			state, broken = c.evolve(state, r)
		}
		if r.Version <= after {
			return nil
		}
		v := Version{Recorded: r}
		if broken == nil {
			folded, err := json.Marshal(state)
			if err != nil {
				return fmt.Errorf("encode version %d: %w", r.Version, err)
			}
			v.State = folded
		}
		versions = append(versions, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", id, err)
	}
	return versions, nil
}

// StreamInfo is what the row of a stream says of it.
type StreamInfo struct {
	ID                    uuid.UUID
	Kind                  string
	Version               int64
	Customer, Status, Key string // Name: what people call it by, such as an order's number
}

// FindByKey is the stream of a kind that people call by a name; [uuid.Nil] where there is none.
func (s *Store) FindByKey(ctx context.Context, kind, name string) (id uuid.UUID, err error) {
	err = s.query.QueryRow(ctx, s.in(`select id from @.streams where kind = $1 and key = $2`), kind, name).Scan(&id)
	if isNone(err) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("find the %s called %q: %w", kind, name, err)
	}
	return id, nil
}

const describe = `select id, kind, version, coalesce(customer, ''), coalesce(status, ''), coalesce(key, '') from @.streams where id = $1`

// Describe is a stream of any kind; false where there is none.
func (s *Store) Describe(ctx context.Context, id uuid.UUID) (d StreamInfo, found bool, err error) {
	err = s.query.QueryRow(ctx, s.in(describe), id).Scan(&d.ID, &d.Kind, &d.Version, &d.Customer, &d.Status, &d.Key)
	if isNone(err) {
		return d, false, nil
	}
	if err != nil {
		return d, false, fmt.Errorf("describe %s: %w", id, err)
	}
	return d, true, nil
}
