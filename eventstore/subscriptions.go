package eventstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Subscription describes the progress of a projection or a handler.
type Subscription struct {
	Module     string // the store's schema
	Name       string
	Kind       string        // projection, reaction, rebuild (of the next generation of a projection) or seals
	Position   int64         // last position that was read
	Head       int64         // the last position of the log
	Lag        int64         // number of events between the two, with the few unused positions; for a handler, the events in the outbox
	OldestAge  time.Duration // of the oldest event that was not applied, including parked ones; 0 if there is none
	Parked     int           // parked events, including those that wait behind them
	Generation int           // of a projection's rows
	UpdatedAt  time.Time     // when the position last moved
}

// The kinds of subscriptions.
const (
	KindProjection = "projection"
	KindReaction   = "reaction"
	KindRebuild    = "rebuild"
	KindSeals      = "seals"
)

// Subscriptions returns the current subscriptions of the store.
func (s *Store) Subscriptions(ctx context.Context) ([]Subscription, error) {
	return s.subscriptionsOn(ctx, s.db.Query)
}

// Progress is Subscriptions on the connections for control, so that monitoring takes none from clients and works while they take all.
func (s *Store) Progress(ctx context.Context) ([]Subscription, error) {
	return s.subscriptionsOn(ctx, s.db.Control)
}

func (s *Store) subscriptionsOn(ctx context.Context, q querier) ([]Subscription, error) {
	names := make([]string, len(s.projections))
	for i, r := range s.projections {
		names[i] = r.Name
	}
	rows, _ := q.Query(ctx, s.projectionSQL.subscriptions, names)
	projections, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Subscription, error) {
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
	handlers, err := s.handlerSubscriptions(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read the handlers of %s: %w", s.schema, err)
	}
	seals, err := s.sealSubscription(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read the progress of the seals of %s: %w", s.schema, err)
	}
	return slices.Concat(projections, handlers, seals), nil
}

// sealSubscription returns the progress of the seals, if this program makes them.
func (s *Store) sealSubscription(ctx context.Context, q querier) ([]Subscription, error) {
	if s.db.SealInterval == 0 {
		return nil, nil
	}
	one, age := Subscription{Module: s.schema, Name: KindSeals, Kind: KindSeals, Generation: 1}, 0.0
	err := q.QueryRow(ctx, s.sealSQL.progress).Scan(&one.Position, &one.Head, &one.Lag, &age, &one.UpdatedAt)
	one.OldestAge = time.Duration(age * float64(time.Second))
	return []Subscription{one}, err
}

// Both read few rows: of the outbox only those above the watermark.
const (
	waitingByType = `select e.type, count(*), extract(epoch from now() - min(e.at))::float8
		from @.outbox o join @.events e on e.stream = o.stream and e.version = o.version where o.due_at >= $1 group by e.type`
	parkedByHandler = `select p.reader, count(*), extract(epoch from now() - min(e.at))::float8
		from @.parked p join @.events e on e.stream = p.stream and e.version = p.version
		where p.reader = any($1) and p.discarded_at is null group by p.reader`
)

// handlerSubscriptions returns the subscriptions to the outbox with their waiting messages. Messages that nothing here can
// handle have an entry of their own, if there are any.
func (s *Store) handlerSubscriptions(ctx context.Context, q querier) ([]Subscription, error) {
	waiting, err := s.counts(ctx, q, waitingByType, s.outboxWatermark.Mark())
	if err != nil {
		return nil, err
	}
	parked, err := s.counts(ctx, q, parkedByHandler, s.handlerNames())
	if err != nil {
		return nil, err
	}
	var all []Subscription
	for _, name := range s.handlerNames() {
		one := Subscription{Module: s.schema, Name: name, Kind: KindReaction, Parked: int(parked[name].n), OldestAge: parked[name].age}
		for eventType, subs := range s.subs {
			if slices.ContainsFunc(subs, func(sub subscription) bool { return sub.name == name }) {
				one.Lag += waiting[eventType].n
				one.OldestAge = max(one.OldestAge, waiting[eventType].age)
			}
		}
		if name != anyHandler || one.Parked > 0 {
			all = append(all, one)
		}
	}
	return all, nil
}

// tally is a number of events and the age of the oldest.
type tally struct {
	n   int64
	age time.Duration
}

func (s *Store) counts(ctx context.Context, q querier, sql string, arg any) (map[string]tally, error) {
	rows, _ := q.Query(ctx, s.in(sql), arg)
	all := map[string]tally{}
	var name string
	var n int64
	var seconds float64
	_, err := pgx.ForEachRow(rows, []any{&name, &n, &seconds}, func() error {
		all[name] = tally{n, time.Duration(seconds * float64(time.Second))}
		return nil
	})
	return all, err
}
