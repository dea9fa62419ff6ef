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
			p, err := a.read(ctx, s, s.query, s.in(pageOfKind), a.Kind, after, limit)
			return entries(p.streams), p.next(limit), err
		},
		Of: func(ctx context.Context, ids []uuid.UUID) ([]T, error) {
			p, err := a.read(ctx, s, s.query, s.in(ofKind), a.Kind, raw(ids))
			return entries(p.streams), err
		},
	}
}

const (
	pageOfKind   = `select ` + rowColumns + ` from @.streams where kind = $1 and id > $2 order by id limit $3`
	pageOfStatus = `select ` + rowColumns + ` from @.streams where kind = $1 and id > $2 and status = any($4) order by id limit $3`
	ofKind       = `select ` + rowColumns + ` from @.streams where kind = $1 and id = any($2)`
)

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
		p, err := a.read(ctx, at.store, at.tx, at.store.in(sql), append([]any{a.Kind, after, auditPage}, more...)...)
		if err != nil {
			return err
		}
		for _, st := range p.streams {
			each(st)
		}
		if after = p.next(auditPage); after == uuid.Nil {
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
