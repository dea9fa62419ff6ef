package eventstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Subscription says how far somebody who wants the events of a store has come.
type Subscription struct {
	Module     string // the store's schema
	Name       string
	Kind       string        // projection, reaction, or rebuild: a projection's next generation in the making
	Position   int64         // up to here the log was read
	Head       int64         // the last position of the log
	Lag        int64         // between the two: the number of events, and of the few positions without one
	OldestAge  time.Duration // of the oldest event that was not applied, parked ones too; 0 when there is none
	Parked     int           // events that could not be applied, and those behind them
	Generation int           // of a projection's rows
	UpdatedAt  time.Time     // when the position last moved
}

// The kinds of subscriptions.
const (
	KindProjection = "projection"
	KindReaction   = "reaction"
	KindRebuild    = "rebuild"
)

// Subscriptions are the store's, as they are now.
func (s *Store) Subscriptions(ctx context.Context) ([]Subscription, error) {
	names := make([]string, len(s.readers))
	for i, r := range s.readers {
		names[i] = r.Name
	}
	rows, err := s.query.Query(ctx, s.reading.subscriptions, names)
	if err != nil {
		return nil, fmt.Errorf("read the subscriptions of %s: %w", s.schema, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Subscription, error) {
		one := Subscription{Module: s.schema, Kind: KindProjection}
		var age float64
		err := row.Scan(&one.Name, &one.Position, &one.Generation, &one.UpdatedAt, &one.Head, &one.Lag, &age, &one.Parked)
		if strings.Contains(one.Name, "@") {
			one.Kind = KindRebuild
		}
		one.OldestAge = time.Duration(age * float64(time.Second))
		return one, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the subscriptions of %s: %w", s.schema, err)
	}
	return all, nil
}
