package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	followEvery = 200 * time.Millisecond // on average, when there is nothing new
	followLimit = 500                    // events in a transaction
	followPause = 5 * time.Second        // at most, between attempts that fail
)

// errOvertaken: another process moved the position; its rows stand, ours do not.
var errOvertaken = errors.New("another reader was faster")

// Follow reads the log from where the reader of that name stopped, until ctx is done. apply writes its rows in tx, which
// commits them together with the position: of two processes one wins, and nothing is applied twice. A batch that
// fails is tried again, later and later; failed is told why.
func (s *Store) Follow(ctx context.Context, name string, apply func(context.Context, pgx.Tx, []Recorded) error, failed func(error)) error {
	pause := followEvery
	for {
		n, err := s.followOnce(ctx, name, apply)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && n == followLimit: // more may be waiting
			pause = followEvery
			continue
		case err == nil || errors.Is(err, errOvertaken):
			pause = followEvery
		default:
			failed(fmt.Errorf("reader %s: %w", name, err))
			pause = min(2*pause, followPause)
		}
		if !wait(ctx, jitter(pause)) {
			return nil
		}
	}
}

func (s *Store) followOnce(ctx context.Context, name string, apply func(context.Context, pgx.Tx, []Recorded) error) (n int, err error) {
	var position int64
	err = s.query.QueryRow(ctx, s.sql.cursor, name).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		_, err = s.query.Exec(ctx, s.sql.startCursor, name)
	}
	if err != nil {
		return 0, fmt.Errorf("read the position: %w", err)
	}
	events, err := s.ReadLog(ctx, position, followLimit, Filter{})
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return len(events), pgx.BeginFunc(ctx, s.query, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, s.sql.moveCursor, name, position, events[len(events)-1].Position)
		if err != nil {
			return fmt.Errorf("move the position: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errOvertaken
		}
		return apply(ctx, tx, events)
	})
}
