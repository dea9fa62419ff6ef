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

// Parked is a message that a projection or a handler could not process. It is retried automatically. In a projection, later
// messages of its stream wait for it. Handlers take each message independently.
type Parked struct {
	ID           uuid.UUID
	Subscription string // name of the projection or the handler
	Stream       uuid.UUID
	Version      int64  // of the stream
	Position     int64  // in the log
	Type         string // of the event
	Attempts     int
	Error        string // of the last attempt
	ParkedAt     time.Time
	NextAt       time.Time // of the next attempt
	Behind       int       // later messages of the stream that wait
}

// ListParked returns the messages of one subscription, or of all for "", that will be retried. Newest first; before is the
// id of the last message of the previous page, or uuid.Nil.
func (s *Store) ListParked(ctx context.Context, subscription string, before uuid.UUID, limit int) ([]Parked, error) {
	rows, _ := s.db.Query.Query(ctx, s.projectionSQL.list, subscription, before, limit)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Parked, err error) {
		err = row.Scan(&p.ID, &p.Subscription, &p.Stream, &p.Version, &p.Position, &p.Type, &p.Attempts, &p.Error, &p.ParkedAt, &p.NextAt, &p.Behind)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what is parked in %s: %w", s.schema, err)
	}
	return all, nil
}

var errNotParked = fault.New(fault.NotFound, "not_found", "There is no such parked message. It may have been handled meanwhile.")

// ReplayParked schedules a retry of a message now. If the message waits behind others, those are retried, so the order is
// kept. It returns not_found if there is no such message.
func (s *Store) ReplayParked(ctx context.Context, id uuid.UUID, key IdempotencyKey) (replayed bool, err error) {
	replayed, err = s.withKey(ctx, key, func(tx pgx.Tx) error {
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

// DiscardParked gives up a message: it is never retried, and the next message of its stream follows. Its row remains and
// records the actor and the reason. It returns not_found if there is no such message.
func (s *Store) DiscardParked(ctx context.Context, id uuid.UUID, actor, reason string, key IdempotencyKey) (replayed bool, err error) {
	replayed, err = s.withKey(ctx, key, func(tx pgx.Tx) error {
		var subscription string
		var stream uuid.UUID
		err := tx.QueryRow(ctx, s.projectionSQL.parkedOf, id).Scan(&subscription, &stream)
		if isNone(err) {
			return errNotParked
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, s.projectionSQL.lock, subscription); err != nil { // so no batch parks behind it meanwhile
			return err
		}
		tag, err := tx.Exec(ctx, s.projectionSQL.discard, id, subscription, actor, reason)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errNotParked
		}
		_, err = tx.Exec(ctx, s.projectionSQL.nextHead, subscription, stream)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("discard the parked message %s: %w", id, err)
	}
	return replayed, nil
}

func isNone(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
