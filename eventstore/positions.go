package eventstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/pgerr"
)

// A sequence can be behind the rows that it numbered: logical replication does not copy sequences, and a restore or an
// asynchronous failover may bring back an older value. Then a batch draws a position that exists, or one that projections
// have passed already. So each new write connection checks the sequences before its first batch, and a duplicate position
// makes all connections check again.

// positionsChecked is the key under which a connection stores how many suspicions it has checked.
const positionsChecked = "shopping-cart/positions"

const (
	behindPosition = `select coalesce(max(position), 0) > coalesce(pg_sequence_last_value('@.position'), 0) from @.events`
	lockPosition   = `select pg_advisory_xact_lock(hashtext('@.position'))`
	// It runs after the lock in a statement of its own, so it sees every position that was drawn.
	movePosition = `select setval('@.position', greatest(max(position), pg_sequence_last_value('@.position'))) from @.events having max(position) is not null`
)

// suspectPositions makes every connection check the sequences again if the error says that a position exists already.
func (c *Committer) suspectPositions(err error) {
	if pgerr.Violates(err, "events_pkey") {
		c.suspected.Add(1)
	}
}

// ensurePositions moves the sequence of each store past its greatest position, once for each connection.
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

// ensurePosition moves the sequence forward if it is behind. It never moves it backwards.
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

// positionIsBehind is exact while others write: it reads the rows before the sequence, which only grows.
func (s *Store) positionIsBehind(ctx context.Context, on interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (behind bool, err error) {
	err = on.QueryRow(ctx, s.in(behindPosition)).Scan(&behind)
	return behind, err
}

// AuditPosition returns a violation if the next position exists already or was passed.
func (s *Store) AuditPosition(ctx context.Context) ([]Violation, error) {
	behind, err := s.positionIsBehind(ctx, s.db.Query)
	if err != nil {
		return nil, fmt.Errorf("audit the positions of %s: %w", s.schema, err)
	}
	if !behind {
		return nil, nil
	}
	return []Violation{{Check: ViolationSequence, Detail: "The sequence of positions of schema " + s.schema + " is behind the greatest position of its events."}}, nil
}
