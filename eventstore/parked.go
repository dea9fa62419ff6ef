package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/fault"
)

// Parked is a message that a reader of the log, or a reaction, could not handle. It is tried again by itself. Later
// messages of its stream wait behind it for a reader, and for nothing else; reactions take each message by itself.
type Parked struct {
	ID           uuid.UUID
	Subscription string // the subscription's name
	Stream       uuid.UUID
	Version      int64 // of the stream
	Position     int64 // in the log
	Kind         string
	Attempts     int
	Error        string // of the last attempt
	ParkedAt     time.Time
	NextAt       time.Time // of the next attempt
	Behind       int       // later ones of the stream that wait
}

// ListParked are the messages of a reader or a reaction, or of all for "", that are to be tried again: newest first, before
// the one named; uuid.Nil names none.
func (s *Store) ListParked(ctx context.Context, reader string, before uuid.UUID, limit int) ([]Parked, error) {
	rows, err := s.query.Query(ctx, s.projectionSQL.list, reader, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list what is parked in %s: %w", s.schema, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Parked, err error) {
		err = row.Scan(&p.ID, &p.Subscription, &p.Stream, &p.Version, &p.Position, &p.Kind, &p.Attempts, &p.Error, &p.ParkedAt, &p.NextAt, &p.Behind)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what is parked in %s: %w", s.schema, err)
	}
	return all, nil
}

var errNotParked = fault.New(fault.NotFound, "not_found", "There is no such parked message. It may have been handled meanwhile.")

// ReplayParked has a message tried again now, by whichever process looks first. One that waits behind others has those
// tried: a replay keeps order. It is refused with not_found where there is no such message.
func (s *Store) ReplayParked(ctx context.Context, id uuid.UUID, once IdempotencyKey) (replayed bool, err error) {
	replayed, err = s.withKey(ctx, once, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, s.projectionSQL.replay, id)
		if err == nil && tag.RowsAffected() == 0 {
			err = errNotParked
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("replay the parked message %s: %w", id, err)
	}
	return replayed, nil
}

// DiscardParked gives a message up: it is never tried again, and what waits behind it is next. Its row stays as evidence
// of who did so, and why. It is refused with not_found where there is no such message.
func (s *Store) DiscardParked(ctx context.Context, id uuid.UUID, actor, reason string, once IdempotencyKey) (replayed bool, err error) {
	replayed, err = s.withKey(ctx, once, func(tx pgx.Tx) error {
		var reader string
		var stream uuid.UUID
		err := tx.QueryRow(ctx, s.projectionSQL.parkedOf, id).Scan(&reader, &stream)
		if isNone(err) {
			return errNotParked
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, s.projectionSQL.lock, reader); err != nil { // no batch parks behind it meanwhile
			return err
		}
		tag, err := tx.Exec(ctx, s.projectionSQL.discard, id, reader, actor, reason)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errNotParked
		}
		_, err = tx.Exec(ctx, s.projectionSQL.nextHead, reader, stream)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("discard the parked message %s: %w", id, err)
	}
	return replayed, nil
}

func isNone(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
