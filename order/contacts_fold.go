package order

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/backoff"
	"shopping-cart/platform/email"
)

const (
	foldEvery = time.Minute            // on average: a process of the previous version may still write contacts
	foldLimit = 1000                   // contacts per transaction
	foldPause = 100 * time.Millisecond // between two transactions, so that clients come first
)

// foldContacts periodically folds the addresses of contacts that a process of an older version wrote, until ctx is done. Any
// number of processes may run it at once.
func (m *Module) foldContacts(ctx context.Context, every time.Duration) {
	for {
		if err := m.foldAll(ctx); err != nil && ctx.Err() == nil {
			m.store.Failed(fmt.Errorf("fold the e-mail addresses of contacts: %w", err))
		}
		if !backoff.Sleep(ctx, backoff.Jitter(every)) {
			return
		}
	}
}

// foldAll folds all unfolded contacts. It continues after the last id, so it passes the dead index entries that a long snapshot
// keeps only once.
func (m *Module) foldAll(ctx context.Context) error {
	var last uuid.UUID
	for {
		found, err := m.foldSome(ctx, last)
		if err != nil || len(found) < foldLimit || !backoff.Sleep(ctx, foldPause) {
			return err
		}
		last = found[len(found)-1]
	}
}

// foldSome folds the first contacts after an id and returns their ids. It skips contacts that another process is folding or
// erasing.
func (m *Module) foldSome(ctx context.Context, after uuid.UUID) (ids []uuid.UUID, err error) {
	err = pgx.BeginFunc(ctx, m.Control, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select id, email from orders.contacts where email_folded is null and id > $1
			order by email_folded, id limit $2 for update skip locked`, after, foldLimit)
		if err != nil {
			return err
		}
		var folded []string
		var id uuid.UUID
		var address string
		if _, err := pgx.ForEachRow(rows, []any{&id, &address}, func() error {
			ids, folded = append(ids, id), append(folded, email.Fold(address))
			return nil
		}); err != nil || len(ids) == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `update orders.contacts c set email_folded = f.folded
			from unnest($1::uuid[], $2::text[]) f(id, folded) where c.id = f.id`, ids, folded)
		return err
	})
	return ids, err
}
