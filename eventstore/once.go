package eventstore

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Once names what a person asks of a store itself, so that it is done once: its receipt is committed with what it does, or
// neither is. The zero value names nothing, and what is asked for is done each time.
type Once struct {
	ID          uuid.UUID
	Fingerprint []byte // of the request: the same id with another one is refused (ErrKeyReused)
}

const (
	// First of all: of two with one id the second waits here for the end of the first.
	putOnce = `insert into @.receipts (id, fingerprint, stream, version, status, at)
		values ($1, $2, '00000000-0000-0000-0000-000000000000', 0, 0, now()) on conflict (id) do nothing`
	getOnce = `select fingerprint from @.receipts where id = $1`
)

// once runs do in a transaction with its receipt; replayed, when the receipt was there already.
func (s *Store) once(ctx context.Context, o Once, do func(pgx.Tx) error) (replayed bool, err error) {
	err = pgx.BeginFunc(ctx, s.query, func(tx pgx.Tx) error {
		if o.ID == uuid.Nil {
			return do(tx)
		}
		tag, err := tx.Exec(ctx, s.in(putOnce), o.ID, o.Fingerprint)
		if err != nil {
			return err
		}
		if replayed = tag.RowsAffected() == 0; replayed {
			return o.matches(tx.QueryRow(ctx, s.in(getOnce), o.ID))
		}
		return do(tx)
	})
	return replayed && err == nil, err
}

// Answered says whether it was done before, in this store.
func (s *Store) Answered(ctx context.Context, o Once) (bool, error) {
	if o.ID == uuid.Nil {
		return false, nil
	}
	if s.committer.backend != nil {
		return s.committer.backend.Answered(ctx, s, o)
	}
	err := o.matches(s.query.QueryRow(ctx, s.in(getOnce), o.ID))
	if isNone(err) {
		return false, nil
	}
	return err == nil, err
}

func (o Once) matches(receipt pgx.Row) error {
	var fingerprint []byte
	err := receipt.Scan(&fingerprint)
	if err == nil && !bytes.Equal(fingerprint, o.Fingerprint) {
		err = ErrKeyReused
	}
	return err
}
