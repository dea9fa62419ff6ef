package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Book reads the streams of one kind for whoever compares them with other books: a page at a time in the order of their
// ids, or by id. A stream that cannot be read is left out: [Store.Audit] tells of it.
type Book[T any] struct {
	// After are at most limit entries behind an id, and where the next page begins; zero: there is none.
	After func(ctx context.Context, after uuid.UUID, limit int) (page []T, next uuid.UUID, err error)
	// Of are the entries that exist of those with the ids, in no order.
	Of func(ctx context.Context, ids []uuid.UUID) ([]T, error)
}

// BookOf is the book of a kind of stream, with entries as entry makes them.
func BookOf[S any, E Event, T any](s *Store, a *Aggregate[S, E], entry func(Stream[S]) T) Book[T] {
	entries := func(found []Stream[S]) []T {
		all := make([]T, len(found))
		for i, st := range found {
			all[i] = entry(st)
		}
		return all
	}
	return Book[T]{
		After: func(ctx context.Context, after uuid.UUID, limit int) ([]T, uuid.UUID, error) {
			found, next, err := a.pageOn(ctx, s, s.query, pageOfKind, after, limit)
			return entries(found), next, err
		},
		Of: func(ctx context.Context, ids []uuid.UUID) ([]T, error) {
			found, _, err := a.pageOn(ctx, s, s.query, ofKind, raw(ids), len(ids)+1)
			return entries(found), err
		},
	}
}

const (
	pageOfKind = `select id, version, fold, state, created_at, updated_at from @.streams
		where kind = $1 and id > $2 order by id limit $3`
	pageOfStatus = `select id, version, fold, state, created_at, updated_at from @.streams
		where kind = $1 and id > $2 and status = any($4) order by id limit $3`
	ofKind = `select id, version, fold, state, created_at, updated_at from @.streams where kind = $1 and id = any($2) limit $3`
)

// pageOn reads streams; next is the last one's id where there may be more.
func (a *Aggregate[S, E]) pageOn(ctx context.Context, s *Store, q querier, sql string, which any, limit int, more ...any) ([]Stream[S], uuid.UUID, error) {
	rows, err := q.Query(ctx, s.in(sql), append([]any{a.Kind, which, limit}, more...)...)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("read a page of kind %s: %w", a.Kind, err)
	}
	var found []Stream[S]
	var one Stream[S]
	var fold int16
	var state []byte
	unread, stale, n := map[uuid.UUID]bool{}, map[uuid.UUID]int64{}, 0
	_, err = pgx.ForEachRow(rows, []any{&one.ID, &one.Version, &fold, &state, &one.CreatedAt, &one.UpdatedAt}, func() error {
		n++
		if fold != a.Fold {
			stale[one.ID] = one.Version
		} else if value, err := a.decodeState(state); err != nil {
			unread[one.ID] = true
		} else {
			one.State, _ = value.(S)
		}
		found = append(found, one)
		return nil
	})
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("read a page of kind %s: %w", a.Kind, err)
	}
	folded, err := s.refold(ctx, q, stale, func(uuid.UUID) codec { return a })
	if err != nil {
		return nil, uuid.Nil, err
	}
	var next uuid.UUID
	if n == limit {
		next = found[n-1].ID
	}
	read := found[:0]
	for _, st := range found {
		f, old := folded[st.ID]
		if old {
			st.State, _ = f.value.(S)
		}
		if !unread[st.ID] && f.broken == nil {
			read = append(read, st)
		}
	}
	return read, next, nil
}

// Snapshot is a store at one moment.
type Snapshot struct {
	store *Store
	tx    pgx.Tx
}

// At lets read look at the store as it is at this moment, however long it takes.
func (s *Store) At(ctx context.Context, read func(Snapshot) error) error {
	return pgx.BeginTxFunc(ctx, s.query, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return read(Snapshot{s, tx})
	})
}

// EachAt calls each with every stream of the kind that has one of the statuses, in the order of their ids; of all of them
// where none is named. It reads them by pages.
func (a *Aggregate[S, E]) EachAt(ctx context.Context, at Snapshot, each func(Stream[S]), statuses ...string) error {
	sql, more := pageOfKind, []any(nil)
	if len(statuses) > 0 {
		sql, more = pageOfStatus, []any{statuses}
	}
	for after := uuid.Nil; ; {
		page, next, err := a.pageOn(ctx, at.store, at.tx, sql, after, auditPage, more...)
		if err != nil {
			return err
		}
		for _, st := range page {
			each(st)
		}
		if after = next; after == uuid.Nil {
			return nil
		}
	}
}

// Clock is the time by the store's database.
func (s *Store) Clock(ctx context.Context) (now time.Time, err error) {
	if err = s.query.QueryRow(ctx, "select now()").Scan(&now); err != nil {
		err = fmt.Errorf("ask the clock of %s: %w", s.schema, err)
	}
	return now, err
}
