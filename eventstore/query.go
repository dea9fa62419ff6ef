package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Query reads the streams of one kind for reconciliation, by pages in the order of their ids, or by id. It leaves out
// streams that cannot be read; [Store.Audit] reports those.
type Query[T any] struct {
	// Page returns up to limit entries after an id. next is where the next page begins, or zero.
	Page func(ctx context.Context, after uuid.UUID, limit int) (page []T, next uuid.UUID, err error)
	// ByID returns the entries that exist with the ids, by id.
	ByID func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]T, error)
}

// NewQuery returns a query for one kind of stream. entry converts each stream.
func NewQuery[S, E, T any](s *Store, a *Aggregate[S, E], entry func(Stream[S]) T) Query[T] {
	entries := func(found []Stream[S]) []T {
		all := make([]T, len(found))
		for i, st := range found {
			all[i] = entry(st)
		}
		return all
	}
	return Query[T]{
		Page: func(ctx context.Context, after uuid.UUID, limit int) ([]T, uuid.UUID, error) {
			p, err := a.read(ctx, s, s.db.Query, s.in(pageOfKind), a.Kind, after, limit)
			return entries(p.streams), p.next(limit), err
		},
		ByID: func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]T, error) {
			all := make(map[uuid.UUID]T, len(ids))
			if len(ids) == 0 {
				return all, nil
			}
			p, err := a.read(ctx, s, s.db.Query, s.in(ofKind), a.Kind, raw(ids))
			for _, st := range p.streams {
				all[st.ID] = entry(st)
			}
			return all, err
		},
	}
}

const (
	pageOfKind   = `select ` + rowColumns + ` from @.streams where kind = $1 and id > $2 order by id limit $3`
	pageOfStatus = `select ` + rowColumns + ` from @.streams where kind = $1 and id > $2 and status = any($4) order by id limit $3`
	ofKind       = `select ` + rowColumns + ` from @.streams where kind = $1 and id = any($2)`
)

// ReadTx is a read-only transaction with one snapshot of a store.
type ReadTx struct {
	store *Store
	tx    pgx.Tx
}

// ReadAt calls read with a transaction whose reads all see the current moment.
func (s *Store) ReadAt(ctx context.Context, read func(ReadTx) error) error {
	return pgx.BeginTxFunc(ctx, s.db.Query, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return read(ReadTx{s, tx})
	})
}

// ForEach calls each with every stream of the kind that has one of the statuses, or with all of them if there are no
// statuses. It reads pages in the order of the ids.
func (a *Aggregate[S, E]) ForEach(ctx context.Context, at ReadTx, each func(Stream[S]), statuses ...string) error {
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

// Clock returns the time of the store's database.
func (s *Store) Clock(ctx context.Context) (now time.Time, err error) {
	if err = s.db.Query.QueryRow(ctx, "select now()").Scan(&now); err != nil {
		err = fmt.Errorf("ask the clock of %s: %w", s.schema, err)
	}
	return now, err
}
