package eventstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/pgerr"
)

// A sequence can be behind the rows that it numbered: logical replication does not carry sequences, and a restore or an
// asynchronous failover may bring one back older than its table. Then a batch meets a position that is taken, or takes one
// that readers have passed already. So each new connection for writes looks once, before its first batch, and a position
// that is taken makes all of them look again.

// positionsChecked is the key of the connection's own note, how often positions were suspected when it looked.
const positionsChecked = "shopping-cart/positions"

const (
	behindPosition = `select coalesce(max(position), 0) > coalesce(pg_sequence_last_value('@.position'), 0) from @.events`
	lockPosition   = `select pg_advisory_xact_lock(hashtext('@.position'))`
	// It runs behind the lock, as a statement of its own: so it sees every position that was drawn.
	movePosition = `select setval('@.position', greatest(max(position), pg_sequence_last_value('@.position'))) from @.events having max(position) is not null`
)

// suspectPositions has every connection look at the positions again, when an error says that one is taken.
func (c *Committer) suspectPositions(err error) {
	if pgerr.Violates(err, "events_pkey") {
		c.suspected.Add(1)
	}
}

// ensurePositions moves the positions of each store past the greatest that exists, once a connection.
func (c *Committer) ensurePositions(ctx context.Context, conn *pgx.Conn) error {
	notes, now := conn.PgConn().CustomData(), c.suspected.Load()
	if notes[positionsChecked] == now {
		return nil
	}
	for _, s := range c.stores {
		if err := s.ensurePosition(ctx, conn); err != nil {
			return fmt.Errorf("move the positions of %s past those that exist: %w", s.schema, err)
		}
	}
	notes[positionsChecked] = now
	return nil
}

// ensurePosition never moves a sequence backwards.
func (s *Store) ensurePosition(ctx context.Context, conn *pgx.Conn) error {
	behind, err := s.positionIsBehind(ctx, conn)
	if err != nil || !behind {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, s.in(lockPosition)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, s.in(movePosition))
		return err
	})
}

// positionIsBehind is exact beside writers: the rows are read before the sequence, which only grows.
func (s *Store) positionIsBehind(ctx context.Context, on interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (behind bool, err error) {
	err = on.QueryRow(ctx, s.in(behindPosition)).Scan(&behind)
	return behind, err
}

// AuditPosition says whether the next position that the store would draw is one that is taken or passed.
func (s *Store) AuditPosition(ctx context.Context) ([]Violation, error) {
	behind, err := s.positionIsBehind(ctx, s.query)
	if err != nil {
		return nil, fmt.Errorf("audit the positions of %s: %w", s.schema, err)
	}
	if !behind {
		return nil, nil
	}
	return []Violation{{Check: ViolationSequence, Detail: "The sequence of positions of schema " + s.schema + " is behind the greatest position of its events."}}, nil
}
