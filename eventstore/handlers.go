package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/backoff"
)

const (
	maxFailures = 8                // of a message in the outbox, until it is parked
	parkedEvery = 2 * time.Second  // average pause between two searches for parked messages that are due
	parkedFirst = 10 * time.Minute // until a parked message is retried; it doubles each time
	parkedMost  = 6 * time.Hour
	parkedLimit = 50 // messages that are retried at once

	anyHandler = "outbox" // the name for messages that nothing here can read or handle
)

var errNoHandler = errors.New("this version of the program has no handler for it")

// failure is a handler that did not process a message, with its error.
type failure struct {
	name string
	err  error
}

const (
	countFailure = `update @.outbox set failures = failures + 1 where stream = $1 and version = $2 returning failures`
	// One statement deletes the outbox row and parks the message, so exactly one of them exists.
	parkMessage = `with gone as (delete from @.outbox where stream = $1 and version = $2 returning stream, version, failures)
		insert into @.parked (id, reader, stream, version, attempts, error, parked_at, next_at)
		select i, r, stream, version, failures, e, now(), now() + $6::interval * (0.75 + random() / 2)
		from gone, unnest($3::uuid[], $4::text[], $5::text[]) u(i, r, e)
		on conflict (reader, stream, version) where discarded_at is null do nothing`
	// It postpones the message before the attempt, so only one process tries, and a crash loses nothing.
	claimParked = `update @.parked p set attempts = p.attempts + 1,
			next_at = now() + least($3::interval * 2 ^ least(greatest(p.attempts - $4::int, 0) + 1, 10), $5::interval) * (0.75 + random() / 2)
		from (select id from @.parked where reader = any($1) and next_at <= now() and discarded_at is null
			order by next_at limit $2 for update skip locked) d
		where p.id = d.id returning p.id, p.reader, p.stream, p.version`
	dropParked   = `delete from @.parked where id = $1 and discarded_at is null`
	explainAgain = `update @.parked set error = $2 where id = $1 and discarded_at is null`
)

// countFailure counts a failure in the outbox row. After too many failures it parks the message for the handlers that
// failed. Then the relay no longer sees it, and operators can.
func (s *Store) countFailure(r Recorded, failed []failure) {
	if slices.ContainsFunc(failed, func(f failure) bool { return isTransient(f.err) }) {
		return // the cause may be temporary
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	var failures int
	err := s.db.Query.QueryRow(ctx, s.in(countFailure), r.Stream, r.Version).Scan(&failures)
	if err == nil && failures >= maxFailures {
		err = s.parkForHandlers(ctx, r, failed)
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // it stays in the outbox and is counted next time
		s.db.Committer.config.Handled(anyHandler, time.Since(r.At), fmt.Errorf("count a failure: %w", err))
	}
}

func (s *Store) parkForHandlers(ctx context.Context, r Recorded, failed []failure) error {
	ids, names, texts := make([][16]byte, len(failed)), make([]string, len(failed)), make([]string, len(failed))
	for i, f := range failed {
		ids[i], names[i], texts[i] = uuid.Must(uuid.NewV7()), f.name, storable(f.err)
	}
	_, err := s.db.Query.Exec(ctx, s.in(parkMessage), r.Stream, r.Version, ids, names, texts, parkedFirst)
	return err
}

// retryHandlers retries parked messages that are due, until ctx is done.
func (s *Store) retryHandlers(ctx context.Context) {
	names := s.handlerNames()
	for backoff.Sleep(ctx, backoff.Jitter(parkedEvery)) {
		for n := parkedLimit; n == parkedLimit; {
			var err error
			if n, err = s.retryDue(ctx, names); err != nil && ctx.Err() == nil {
				s.Failed(fmt.Errorf("retry the parked messages of %s: %w", s.schema, err))
			}
		}
	}
}

// handlerNames returns the names under which messages of the outbox may be parked.
func (s *Store) handlerNames() []string {
	names := []string{anyHandler}
	for _, subs := range s.subs {
		for _, sub := range subs {
			names = append(names, sub.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// parkedMessage is a message that is parked for one handler.
type parkedMessage struct {
	ID      uuid.UUID
	Handler string
	Stream  uuid.UUID
	Version int64
}

func (s *Store) retryDue(ctx context.Context, names []string) (int, error) {
	rows, _ := s.db.Control.Query(ctx, s.in(claimParked), names, parkedLimit, parkedFirst, maxFailures, parkedMost)
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[parkedMessage])
	if err != nil || len(due) == 0 {
		return 0, err
	}
	streams, versions := make([]uuid.UUID, len(due)), make([]int64, len(due))
	for i, p := range due {
		streams[i], versions[i] = p.Stream, p.Version
	}
	messages, err := s.messages(ctx, streams, versions)
	byKey := make(map[outboxKey]Recorded, len(messages))
	for _, r := range messages {
		byKey[outboxKey{r.Stream, r.Version}] = r
	}
	for _, p := range due {
		if r, ok := byKey[outboxKey{p.Stream, p.Version}]; ok {
			s.outbox.work.Go(func() { s.retry(p, r) })
		}
	}
	return len(due), err
}

// retry calls the handlers of a parked message. On success it deletes the row; on failure it stores the error.
func (s *Store) retry(p parkedMessage, r Recorded) {
	event, err := s.decode(r)
	called := 0
	for _, sub := range s.subs[r.Type] {
		if err == nil && (sub.name == p.Handler || p.Handler == anyHandler) {
			called++
			err = s.callHandler(sub, r, event)
		}
	}
	if err == nil && called == 0 {
		err = errNoHandler
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	sql, args := s.in(dropParked), []any{p.ID}
	if err != nil {
		sql, args = s.in(explainAgain), []any{p.ID, storable(err)}
	}
	if _, err := s.db.Query.Exec(ctx, sql, args...); err != nil { // it will be retried
		s.db.Committer.config.Handled(p.Handler, time.Since(r.At), fmt.Errorf("record the retry of a parked message: %w", err))
	}
}
