package eventstore

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// IdempotencyKey makes an operation on the store itself idempotent: its receipt is committed in the transaction of the
// operation. With the zero value the operation runs each time.
type IdempotencyKey struct {
	ID          uuid.UUID
	Fingerprint []byte // of the request; the same id with another fingerprint is refused (ErrKeyReused)
}

const (
	// This runs first: of two transactions with one id, the second waits here for the end of the first.
	insertKey = `insert into @.receipts (id, fingerprint, stream, version, status, at)
		values ($1, $2, '00000000-0000-0000-0000-000000000000', 0, 0, now()) on conflict (id) do nothing`
	selectKey = `select fingerprint from @.receipts where id = $1`
)

// withKey runs do in a transaction with its receipt. replayed reports that the receipt existed already; then do does not
// run.
func (s *Store) withKey(ctx context.Context, o IdempotencyKey, do func(pgx.Tx) error) (replayed bool, err error) {
	err = pgx.BeginFunc(ctx, s.db.Query, func(tx pgx.Tx) error {
		if o.ID == uuid.Nil {
			return do(tx)
		}
		tag, err := tx.Exec(ctx, s.in(insertKey), o.ID, o.Fingerprint)
		if err != nil {
			return err
		}
		if replayed = tag.RowsAffected() == 0; replayed {
			return o.check(tx.QueryRow(ctx, s.in(selectKey), o.ID))
		}
		return do(tx)
	})
	return replayed && err == nil, err
}

// Processed reports whether this store has already run the operation with the key.
func (s *Store) Processed(ctx context.Context, o IdempotencyKey) (bool, error) {
	if o.ID == uuid.Nil {
		return false, nil
	}
	if s.db.Committer.backend != nil {
		return s.db.Committer.backend.Processed(ctx, s, o)
	}
	err := o.check(s.db.Query.QueryRow(ctx, s.in(selectKey), o.ID))
	if isNone(err) {
		return false, nil
	}
	return err == nil, err
}

func (o IdempotencyKey) check(receipt pgx.Row) error {
	var fingerprint []byte
	err := receipt.Scan(&fingerprint)
	if err == nil && !bytes.Equal(fingerprint, o.Fingerprint) {
		err = ErrKeyReused
	}
	return err
}
