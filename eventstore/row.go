package eventstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// rowColumns are the columns of a storedRow.
const rowColumns = `id, version, kind, fold, state, created_at, updated_at`

// storedRow is a row of the table of streams. Its value is nil until it is decoded.
type storedRow struct {
	id           uuid.UUID
	kind         string
	stateVersion int16
	state        []byte
	streamView
}

// targets returns the scan targets for rowColumns.
func (r *storedRow) targets() []any {
	return []any{&r.id, &r.version, &r.kind, &r.stateVersion, &r.state, &r.created, &r.updated}
}

// decode decodes the state. It reports outdated, and decodes nothing, if another state version wrote the row.
func (r *storedRow) decode(c codec) (outdated bool, err error) {
	r.value = nil
	if r.stateVersion != c.stateVersion() {
		return true, nil
	}
	r.value, err = c.decodeState(r.state)
	return false, err
}

// page is the result of a query for streams.
type page[S any] struct {
	streams    []Stream[S] // in the order of the query, without other kinds and unreadable streams
	rows       int
	last       uuid.UUID // the stream of the last row
	cut        uuid.UUID // the first stream whose state the query left out
	unreadable error     // why a stream is missing
}

// read returns the streams of a query that selects rowColumns.
func (a *Aggregate[S, E]) read(ctx context.Context, s *Store, q querier, sql string, args ...any) (p page[S], err error) {
	rows, _ := q.Query(ctx, sql, args...)
	var row storedRow
	outdated := map[uuid.UUID]int64{} // usually empty, except after a new version of the program has started
	_, err = pgx.ForEachRow(rows, row.targets(), func() error {
		p.rows, p.last = p.rows+1, row.id
		if row.state == nil && p.cut == uuid.Nil {
			p.cut = row.id
		}
		if row.state == nil || row.kind != a.Kind {
			return nil
		}
		isOutdated, err := row.decode(a)
		if err != nil {
			p.unreadable = fmt.Errorf("read %s: %w", row.id, err)
			return nil
		}
		if isOutdated {
			outdated[row.id] = row.version
		}
		p.streams = append(p.streams, streamOf[S](row.id, row.streamView))
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("load a %s: %w", a.Kind, err)
	}
	leave, err := s.enterRebuild(ctx, eventsOf(outdated))
	if err != nil {
		return p, err
	}
	defer leave()
	rebuilt, err := s.rebuildStates(ctx, q, outdated, func(uuid.UUID) codec { return a })
	for i, st := range p.streams {
		if f, ok := rebuilt[st.ID]; ok {
			p.streams[i].State, _ = f.value.(S)
			p.unreadable = cmp.Or(p.unreadable, f.broken)
		}
	}
	p.streams = slices.DeleteFunc(p.streams, func(st Stream[S]) bool { return rebuilt[st.ID].broken != nil })
	return p, err
}

// eventsOf returns the number of events of streams with these versions.
func eventsOf(versions map[uuid.UUID]int64) (n int64) {
	for _, version := range versions {
		n += version
	}
	return n
}

// next returns where the following page begins, or zero if there is none.
func (p page[S]) next(limit int) uuid.UUID {
	if p.rows < limit {
		return uuid.Nil
	}
	return p.last
}

// inOrder returns the streams in the order of the ids.
func (p page[S]) inOrder(ids []uuid.UUID) []Stream[S] {
	found := make(map[uuid.UUID]Stream[S], len(p.streams))
	for _, st := range p.streams {
		found[st.ID] = st
	}
	all := make([]Stream[S], 0, len(found))
	for _, id := range ids {
		if st, ok := found[id]; ok {
			all = append(all, st)
		}
	}
	return all
}
