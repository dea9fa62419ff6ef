package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Version is an event of a stream with the state after it.
type Version struct {
	Recorded
	State json.RawMessage // nil if this version of the program cannot rebuild it, and after version maxRebuilt
}

// maxRebuilt is the last version with a state in a history, since all events before it are read for that.
const maxRebuilt = 20_000

// History returns up to limit events of a stream of any kind after a version, each with the state after it. It rebuilds the states
// from the first event, and leaves them out after version maxRebuilt.
func (s *Store) History(ctx context.Context, id uuid.UUID, after int64, limit int) ([]Version, error) {
	last := max(after, after+int64(limit)) // the sum may overflow
	h := history{store: s, after: after, versions: []Version{}}
	from := int64(0)
	if last > maxRebuilt {
		from, h.broken = after, errTooLong
	}
	leave, err := s.enterRebuild(ctx, last-from)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := eachEvent(ctx, s.db.Query, h.add, s.sql.stream, id, from, last, last-from); err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", id, err)
	}
	return h.versions, nil
}

var errTooLong = errors.New("the stream is too long to rebuild its states")

// history collects the versions of a stream after a version.
type history struct {
	store    *Store
	after    int64
	versions []Version
	state    any
	broken   error // after an unreadable event no state is known
}

func (h *history) add(r Recorded) error {
	if c := h.store.codecOf(r.Type); c == nil {
		h.broken = ErrNewerVersion
	} else if h.broken == nil {
		h.state, h.broken = c.evolve(h.state, r)
	}
	if r.Version <= h.after {
		return nil
	}
	v := Version{Recorded: r}
	if h.broken == nil {
		encoded, err := json.Marshal(h.state)
		if err != nil {
			return fmt.Errorf("encode version %d: %w", r.Version, err)
		}
		v.State = encoded
	}
	h.versions = append(h.versions, v)
	return nil
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
