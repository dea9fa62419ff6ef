package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Store holds the events of one module in one schema.
type Store struct {
	schema          string
	db              Database
	sql             statements
	projectionSQL   projectionStatements
	sealSQL         sealStatements
	kinds           map[string]codec // by kind of stream
	subs            map[string][]subscription
	outbox          outbox
	outboxWatermark *Watermark // of the relay
	projections     []Projection
	appended        broadcast // wakes the projections
	loader          loader
}

// Open returns the store of a schema. Open stores, and subscribe to them, before the database runs.
func Open(db Database, schema string, aggregates ...codec) *Store {
	s := &Store{
		schema: schema, db: db, sql: statementsOf(schema), projectionSQL: projectionStatementsOf(schema), sealSQL: sealStatementsOf(schema),
		kinds: map[string]codec{}, subs: map[string][]subscription{},
		outboxWatermark: NewWatermark(relaySlack, relayFullEvery),
	}
	s.outbox.subs, s.loader.store = s.subs, s
	if db.Notes == nil {
		s.db.Notes = &Notes{}
	}
	s.db.Notes.stores = append(s.db.Notes.stores, s)
	for _, a := range aggregates {
		s.kinds[a.kind()] = a
	}
	c := db.Committer
	c.stores = append(c.stores, s)
	slices.SortStableFunc(c.stores, func(a, b *Store) int { return strings.Compare(a.schema, b.schema) })
	return s
}

// Schema returns the schema of the store.
func (s *Store) Schema() string { return s.schema }

// Do decides a command and waits for its commit. A refusal returns the error of Decide and writes nothing. If ctx ends
// first, or the database fails, the outcome is unknown: send the command again with the same id. The events belong to the trace of ctx.
func (s *Store) Do(ctx context.Context, cmd Command) (Receipt, error) {
	r := Chain(ctx, Link{Store: s, Command: cmd})[0]
	return r.Receipt, r.Err
}

// Result returns the first stream of a command as the command left it. For a repeated command it reads the log if the stream has
// changed since.
func (a *Aggregate[S, E]) Result(ctx context.Context, s *Store, r Receipt) (Stream[S], error) {
	if !r.Replayed {
		return streamOf[S](r.Stream, r.after), nil
	}
	now, err := a.Load(ctx, s, r.Stream)
	if err != nil || now.Version == r.Version {
		return now, err
	}
	return a.LoadAt(ctx, s, r.Stream, r.Version)
}

// Load returns the current stream. Its version is 0 if there is no stream of this kind.
func (a *Aggregate[S, E]) Load(ctx context.Context, s *Store, id uuid.UUID) (Stream[S], error) {
	if s.db.Committer.backend != nil {
		return a.loadRow(ctx, s, id)
	}
	row, err := s.loader.load(ctx, id)
	if err != nil {
		return Stream[S]{ID: id}, fmt.Errorf("load a %s: %w", a.Kind, err)
	}
	if row.version == 0 || row.kind != a.Kind {
		return Stream[S]{ID: id}, nil
	}
	outdated, err := row.decode(a)
	if err != nil {
		return Stream[S]{ID: id}, fmt.Errorf("read %s: %w", id, err)
	}
	if outdated {
		return a.loadOutdated(ctx, s, id)
	}
	return streamOf[S](id, row.streamView), nil
}

// loadOutdated is Load for a state that must be rebuilt from its events.
func (a *Aggregate[S, E]) loadOutdated(ctx context.Context, s *Store, id uuid.UUID) (Stream[S], error) {
	p, err := a.read(ctx, s, s.db.Query, s.sql.readOne, [16]byte(id))
	if err = cmp.Or(err, p.unreadable); err != nil || len(p.streams) == 0 {
		return Stream[S]{ID: id}, err
	}
	return p.streams[0], nil
}

// LoadAll returns the streams that exist, in the order of the ids. One that cannot be read fails the call.
func (a *Aggregate[S, E]) LoadAll(ctx context.Context, s *Store, ids []uuid.UUID) ([]Stream[S], error) {
	p, err := a.read(ctx, s, s.db.Query, s.sql.read, raw(ids))
	return p.inOrder(ids), cmp.Or(err, p.unreadable)
}

// LoadKnown is LoadAll for lists. It leaves out streams that cannot be read, for example those of a newer version of the
// program, so that one damaged row does not fail a whole list. The audit reports them.
func (a *Aggregate[S, E]) LoadKnown(ctx context.Context, s *Store, ids []uuid.UUID) ([]Stream[S], error) {
	p, err := a.read(ctx, s, s.db.Query, s.sql.read, raw(ids))
	return p.inOrder(ids), err
}

// LoadPage is LoadKnown with bounded memory: it stops when the states have the given number of bytes. covered is the number
// of ids that it reached, at least one.
func (a *Aggregate[S, E]) LoadPage(ctx context.Context, s *Store, ids []uuid.UUID, bytes int) (found []Stream[S], covered int, err error) {
	if len(ids) == 0 {
		return []Stream[S]{}, 0, nil
	}
	p, err := a.read(ctx, s, s.db.Query, s.sql.readWithin, raw(ids), int64(bytes))
	if p.cut == uuid.Nil {
		return p.inOrder(ids), len(ids), err
	}
	return p.inOrder(ids), slices.Index(ids, p.cut), err
}

// LoadAt returns a stream at a version, rebuilt from its events. The version is lower if the stream is not that far. It is refused
// with ErrTooManyRebuilds if many callers rebuild long streams.
func (a *Aggregate[S, E]) LoadAt(ctx context.Context, s *Store, id uuid.UUID, version int64) (Stream[S], error) {
	leave, err := s.enterRebuild(ctx, version)
	if err != nil {
		return Stream[S]{ID: id}, err
	}
	defer leave()
	v, kind, err := s.stateAt(ctx, s.db.Query, a, id, version)
	if err != nil || kind != a.Kind {
		return Stream[S]{ID: id}, err
	}
	return streamOf[S](id, v), nil
}

// querier is a pool or a connection.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// stateAt rebuilds a state from the events of a stream up to a version, and returns the kind of the stream.
func (s *Store) stateAt(ctx context.Context, q querier, c codec, id uuid.UUID, version int64) (v streamView, kind string, err error) {
	err = eachEvent(ctx, q, func(r Recorded) (err error) {
		if kind, _, _ = strings.Cut(r.Type, "."); kind != c.kind() {
			return errOtherKind
		}
		if v.version == 0 {
			v.created = r.At
		}
		v.version, v.updated = r.Version, r.At
		v.value, err = c.evolve(v.value, r)
		return err
	}, s.sql.stream, id, int64(0), version, version)
	if errors.Is(err, errOtherKind) {
		return streamView{}, kind, nil
	}
	if err != nil {
		return streamView{}, kind, fmt.Errorf("rebuild %s: %w", id, err)
	}
	return v, kind, nil
}

// rebuiltState is a state that was rebuilt from its events, or the error.
type rebuiltState struct {
	version int64
	value   any
	broken  error
}

// rebuildStates rebuilds the states of streams at the given versions from all their events, in one round trip.
func (s *Store) rebuildStates(ctx context.Context, q querier, versions map[uuid.UUID]int64, of func(uuid.UUID) codec) (map[uuid.UUID]rebuiltState, error) {
	if len(versions) == 0 {
		return nil, nil
	}
	ids, upTo := make([][16]byte, 0, len(versions)), make([]int64, 0, len(versions))
	all := make(map[uuid.UUID]rebuiltState, len(versions))
	for id, version := range versions {
		ids, upTo = append(ids, id), append(upTo, version)
		all[id] = rebuiltState{}
	}
	err := eachEvent(ctx, q, func(r Recorded) error {
		f := all[r.Stream]
		if f.version = r.Version; f.broken == nil {
			f.value, f.broken = of(r.Stream).evolve(f.value, r)
		}
		all[r.Stream] = f
		return nil
	}, s.sql.history, ids, upTo)
	if err != nil {
		return nil, fmt.Errorf("read the events of %d streams: %w", len(ids), err)
	}
	for id, f := range all {
		if f.broken == nil && f.version != versions[id] {
			f.broken = fmt.Errorf("its events end at version %d, and it stands at %d", f.version, versions[id])
		}
		if f.broken != nil {
			f.broken = fmt.Errorf("rebuild %s: %w", id, f.broken)
		}
		all[id] = f
	}
	return all, nil
}

var errOtherKind = errors.New("a stream of another kind")

// ReadStream returns the events of a stream after a version, in order.
func (s *Store) ReadStream(ctx context.Context, id uuid.UUID, after int64, limit int) ([]Recorded, error) {
	const noEnd = int64(1) << 62
	return readEvents(ctx, s.db.Query, s.sql.stream, id, after, noEnd, int64(limit))
}

// Filter restricts the result of ReadLog. Zero values accept everything.
type Filter struct {
	Stream uuid.UUID
	Type   string
}

// ReadLog returns the events of the module after a position, in commit order.
func (s *Store) ReadLog(ctx context.Context, after int64, limit int, f Filter) ([]Recorded, error) {
	sql, args := s.sql.log, []any{after, limit}
	switch {
	case f.Stream != uuid.Nil:
		sql, args = s.sql.logOfStream, append(args, f.Stream, f.Type)
	case f.Type != "":
		sql, args = s.sql.logOfType, append(args, f.Type)
	}
	return readEvents(ctx, s.db.Query, sql, args...)
}

// readEvents returns the events of a query.
func readEvents(ctx context.Context, q querier, sql string, args ...any) ([]Recorded, error) {
	out := []Recorded{}
	err := eachEvent(ctx, q, func(r Recorded) error {
		out = append(out, r)
		return nil
	}, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return out, nil
}

// targets returns the scan targets for the columns of an event.
func (r *Recorded) targets() []any {
	return []any{&r.Position, &r.Stream, &r.Version, &r.Type, &r.Data, &r.Meta, &r.At}
}

// eachEvent calls each with the events of a query.
func eachEvent(ctx context.Context, q querier, each func(Recorded) error, sql string, args ...any) error {
	rows, _ := q.Query(ctx, sql, args...) // its error is that of the rows
	var r Recorded
	_, err := pgx.ForEachRow(rows, r.targets(), func() error {
		one := r
		one.Data = append([]byte(nil), r.Data...)
		one.At = r.At.UTC().Truncate(time.Microsecond)
		r.Meta = Meta{}
		return each(one)
	})
	return err
}

// decode converts a recorded event to its Go type.
func (s *Store) decode(r Recorded) (any, error) {
	c := s.codecOf(r.Type)
	if c == nil {
		return nil, unknownType(r.Type)
	}
	return c.decodeEvent(r)
}

// codecOf returns the aggregate of a type of event, or nil.
func (s *Store) codecOf(eventType string) codec {
	kind, _, _ := strings.Cut(eventType, ".")
	return s.kinds[kind]
}
