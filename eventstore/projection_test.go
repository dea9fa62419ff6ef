package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
)

// What a reader tries again by itself, it does within this time.
const longPatience = 2 * patience

// seen is a projection of all that is put into jars: a row for each, in the order in which they were applied.
type seen struct {
	refuse   func(events []eventstore.Recorded) error // nil takes all
	failures chan error
}

const seenTable = `create table cart.seen (seq bigserial, generation int, position bigint, stream uuid, version bigint)`

func (p *seen) reader() eventstore.Projection {
	return eventstore.Projection{Name: "seen", Project: p.apply, Truncate: func(ctx context.Context, tx pgx.Tx, generation, limit int) (int64, error) {
		tag, err := tx.Exec(ctx, "delete from cart.seen where seq in (select seq from cart.seen where generation = $1 limit $2)", generation, limit)
		return tag.RowsAffected(), err
	}}
}

func (p *seen) apply(ctx context.Context, tx pgx.Tx, generation int, events []eventstore.Recorded) error {
	var b pgx.Batch
	for _, e := range events {
		b.Queue("insert into cart.seen (generation, position, stream, version) values ($1, $2, $3, $4)", generation, e.Position, e.Stream, e.Version)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	if p.refuse != nil {
		return p.refuse(events)
	}
	return nil
}

// reading is a bundle whose log is read by p.
func (p *seen) reading(t *testing.T, url string) *bundle {
	t.Helper()
	p.failures = make(chan error, 1000)
	b := setupOn(t, url, jars, func(s *eventstore.Store) { s.AddProjection(p.reader()) })
	_, err := b.pools.Query.Exec(t.Context(), seenTable)
	require.True(t, err == nil || errors.As(err, new(*pgconn.PgError)), "it may be there: %v", err)
	return b
}

// follow runs the readers of b until the test ends.
func (p *seen) follow(t *testing.T, b *bundle) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.store.OnFailure(func(err error) { p.failures <- err }).RunProjections(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func (b *bundle) puts(t *testing.T, stream uuid.UUID, things ...string) {
	t.Helper()
	for _, thing := range things {
		_, err := b.put(t.Context(), uuid.New(), stream, thing)
		require.NoError(t, err)
	}
}

// awaitSeen waits for so many rows of a stream, which lie in order.
func (b *bundle) awaitSeen(t *testing.T, stream uuid.UUID, want int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return b.count(t, "select count(*) from cart.seen where stream = $1", stream) == want
	}, longPatience, idle)
	require.Zero(t, b.count(t, `select count(*) from (select version - lag(version) over (order by seq) as step
		from cart.seen where stream = $1) s where step <= 0`, stream), "the order of the stream")
}

func (b *bundle) awaitParked(t *testing.T, want int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return b.count(t, "select count(*) from cart.parked where discarded_at is null") == want
	}, longPatience, idle)
}

// awaitRead waits until the log is read to its end.
func (b *bundle) awaitRead(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return b.count(t, `select count(*) from cart.subscriptions
			where name = 'seen' and position = (select max(position) from cart.events)`) == 1
	}, longPatience, idle)
}

// poison refuses what holds a thing of this name, until it is healed.
func poison(healed *atomic.Bool, cause error) func([]eventstore.Recorded) error {
	return func(events []eventstore.Recorded) error {
		for _, e := range events {
			if string(e.Data) == `{"thing":"poison"}` && !healed.Load() {
				return fmt.Errorf("event %d: %w", e.Position, cause)
			}
		}
		return nil
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()

	t.Run("TwoReplicasApplyEverythingOnce", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		p, q := &seen{}, &seen{}
		b := p.reading(t, url)
		p.follow(t, b)
		q.follow(t, q.reading(t, url))
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if _, err := b.put(context.Background(), uuid.New(), uuid.NewSHA1(uuid.Nil, []byte(fmt.Sprint(i%37))), "x"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		b.awaitRead(t)
		require.Equal(t, 1000, b.count(t, "select count(distinct position) from cart.seen"))
		require.Equal(t, 1000, b.count(t, "select count(*) from cart.seen"))
		require.Zero(t, b.count(t, `select count(*) from (select version - lag(version) over (partition by stream order by seq) as step
			from cart.seen) s where step <> 1`), "the order of the streams")
		require.Empty(t, p.failures)
		require.Empty(t, q.failures)
	})

	t.Run("ADatabaseThatIsAwayParksNothing", func(t *testing.T) {
		t.Parallel()
		pgtest.NeedsSessions(t, "cuts the line to the server")
		url := pgtest.New(t)
		line := pgtest.NewProxy(t, url)
		p := &seen{}
		b := setupOn(t, url, jars)
		p.follow(t, p.reading(t, line.URL()))
		stream := uuid.New()
		b.puts(t, stream, "a", "b")
		b.awaitSeen(t, stream, 2)
		line.Cut()
		b.puts(t, stream, "c", "d")
		<-p.failures
		line.Restore()
		b.awaitSeen(t, stream, 4)
		require.Zero(t, b.count(t, "select count(*) from cart.parked"))
	})

	for name, cause := range map[string]error{
		"Unavailable": fault.New(fault.Unavailable, "away", "Try again."), "Overburdened": &pgconn.PgError{Code: "53300"},
		"Deadlock": &pgconn.PgError{Code: "40P01"}, "Late": context.DeadlineExceeded,
	} {
		t.Run("NobodysFaultParksNothing/"+name, func(t *testing.T) {
			t.Parallel()
			var healed atomic.Bool
			p := &seen{refuse: poison(&healed, cause)}
			b := p.reading(t, pgtest.New(t))
			stream := uuid.New()
			b.puts(t, stream, "a", "poison", "b")
			p.follow(t, b)
			require.ErrorIs(t, <-p.failures, cause)
			require.ErrorIs(t, <-p.failures, cause)
			require.Zero(t, b.count(t, "select count(*) from cart.parked"))
			healed.Store(true)
			b.awaitSeen(t, stream, 3)
			require.Zero(t, b.count(t, "select count(*) from cart.parked"))
		})
	}

	t.Run("ABatchThatTakesTooLongBecomesSmaller", func(t *testing.T) {
		t.Parallel()
		p := &seen{refuse: func(events []eventstore.Recorded) error {
			if len(events) > 4 {
				return &pgconn.PgError{Code: "57014"}
			}
			return nil
		}}
		b := p.reading(t, pgtest.New(t))
		stream := uuid.New()
		b.puts(t, stream, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
		p.follow(t, b)
		b.awaitSeen(t, stream, 10)
		require.Zero(t, b.count(t, "select count(*) from cart.parked"))
	})

	t.Run("WhatFailsAtTheCommitIsSaidAndTriedAgain", func(t *testing.T) {
		t.Parallel()
		p := &seen{}
		b := p.reading(t, pgtest.New(t))
		b.refusesCommits(t)
		stream := uuid.New()
		b.puts(t, stream, "a", "b")
		p.follow(t, b)
		require.ErrorContains(t, <-p.failures, "not now")
		b.takesCommits(t)
		b.awaitSeen(t, stream, 2)
		require.Zero(t, b.count(t, "select count(*) from cart.parked"))
	})

	t.Run("NothingIsSaidToBeParkedBeforeItIs", func(t *testing.T) {
		t.Parallel()
		p := &seen{refuse: poison(new(atomic.Bool), errors.New("not today"))}
		b := p.reading(t, pgtest.New(t))
		b.refusesCommits(t)
		b.puts(t, uuid.New(), "a", "poison")
		p.follow(t, b)
		for range 3 {
			err := <-p.failures
			require.ErrorContains(t, err, "not now")
			require.NotContains(t, err.Error(), "is parked")
		}
		b.takesCommits(t)
		b.awaitParked(t, 1)
		b.awaitRead(t)
		for err := range p.failures {
			if strings.Contains(err.Error(), "is parked") {
				require.ErrorContains(t, err, "not today")
				break
			}
			require.ErrorContains(t, err, "not now")
		}
	})

	t.Run("AnEventThatAlwaysTakesTooLongIsParked", func(t *testing.T) {
		t.Parallel()
		p := &seen{refuse: poison(new(atomic.Bool), context.DeadlineExceeded)}
		b := p.reading(t, pgtest.New(t))
		slow, well := uuid.New(), uuid.New()
		b.puts(t, slow, "a", "poison", "b")
		b.puts(t, well, "a", "b")
		p.follow(t, b)
		b.awaitParked(t, 2)
		b.awaitSeen(t, well, 2)
		b.awaitSeen(t, slow, 1)
		require.Equal(t, 1, b.count(t, "select count(*) from cart.parked where version = 2 and error like '%too long%'"))
	})
}

// refusesCommits has every transaction that moves a position fail at its commit.
func (b *bundle) refusesCommits(t *testing.T) {
	t.Helper()
	_, err := b.pools.Query.Exec(t.Context(), `
		create function cart.refuse() returns trigger language plpgsql as $$ begin raise 'not now'; end $$;
		create constraint trigger refuse after update on cart.subscriptions deferrable initially deferred
			for each row execute function cart.refuse()`)
	require.NoError(t, err)
}

func (b *bundle) takesCommits(t *testing.T) {
	t.Helper()
	_, err := b.pools.Query.Exec(t.Context(), "drop trigger refuse on cart.subscriptions")
	require.NoError(t, err)
}

func TestParked(t *testing.T) {
	t.Parallel()
	errSick := errors.New("not today")

	t.Run("OnlyItsStreamWaitsAndAReplayKeepsOrder", func(t *testing.T) {
		t.Parallel()
		var healed atomic.Bool
		p := &seen{refuse: poison(&healed, errSick)}
		b := p.reading(t, pgtest.New(t))
		sick, well := uuid.New(), uuid.New()
		p.follow(t, b)
		b.puts(t, sick, "a", "poison", "b")
		b.puts(t, well, "a", "b")
		b.awaitParked(t, 2)
		b.puts(t, sick, "c")
		b.puts(t, well, "c")
		b.awaitParked(t, 3)
		b.awaitSeen(t, well, 3)
		b.awaitSeen(t, sick, 1)
		all, err := b.store.ListParked(t.Context(), "", uuid.Nil, 10)
		require.NoError(t, err)
		require.Len(t, all, 1)
		one := all[0]
		require.Equal(t, []any{"seen", sick, int64(2), "jar.put", 2}, []any{one.Subscription, one.Stream, one.Version, one.Type, one.Behind})
		require.Contains(t, one.Error, "not today")
		require.Positive(t, one.Attempts)
		for reader, before := range map[string]uuid.UUID{"": one.ID, "nobody": uuid.Nil} {
			others, err := b.store.ListParked(t.Context(), reader, before, 10)
			require.NoError(t, err)
			require.Empty(t, others)
		}

		subs, err := b.store.Subscriptions(t.Context())
		require.NoError(t, err)
		require.Len(t, subs, 1)
		require.Equal(t, []any{"cart", "seen", eventstore.KindProjection, 3, 1}, []any{subs[0].Module, subs[0].Name, subs[0].Kind, subs[0].Parked, subs[0].Generation})
		require.Positive(t, subs[0].OldestAge)

		_, err = b.pools.Query.Exec(t.Context(), "update cart.parked set next_at = now() + interval '1 day' where next_at is not null")
		require.NoError(t, err)
		healed.Store(true)
		_, err = b.store.ReplayParked(t.Context(), one.ID, eventstore.IdempotencyKey{})
		require.NoError(t, err)
		b.awaitSeen(t, sick, 4)
		b.awaitParked(t, 0)
		_, err = b.store.ReplayParked(t.Context(), one.ID, eventstore.IdempotencyKey{})
		require.ErrorContains(t, err, "no such parked message")
	})

	t.Run("ItIsTriedAgainByItself", func(t *testing.T) {
		t.Parallel()
		var healed atomic.Bool
		p := &seen{refuse: poison(&healed, eventstore.ErrNewerVersion)} // another version of the program can read it
		b := p.reading(t, pgtest.New(t))
		sick := uuid.New()
		b.puts(t, sick, "poison", "a")
		p.follow(t, b)
		b.awaitParked(t, 2)
		healed.Store(true)
		b.awaitSeen(t, sick, 2)
		b.awaitParked(t, 0)
	})

	t.Run("OneThatTakesTooLongIsInNobodysWay", func(t *testing.T) {
		t.Parallel()
		var slow, healed atomic.Bool
		sick := poison(&healed, errSick)
		p := &seen{refuse: func(events []eventstore.Recorded) error {
			if slow.Load() && string(events[0].Data) == `{"thing":"first"}` {
				return context.DeadlineExceeded
			}
			return sick(events)
		}}
		b := p.reading(t, pgtest.New(t))
		one, other := uuid.New(), uuid.New()
		b.puts(t, one, "poison", "a")
		b.puts(t, other, "poison", "a")
		p.follow(t, b)
		b.awaitParked(t, 4)
		_, err := b.pools.Query.Exec(t.Context(), "update cart.events set data = '{\"thing\":\"first\"}' where stream = $1 and version = 1", one)
		require.NoError(t, err)
		slow.Store(true)
		_, err = b.pools.Query.Exec(t.Context(), "update cart.parked set next_at = now() - interval '1 hour' where stream = $1 and version = 1", one)
		require.NoError(t, err)
		healed.Store(true)
		b.awaitSeen(t, other, 2)
		b.awaitSeen(t, one, 0)
		require.Eventually(t, func() bool {
			return b.count(t, "select count(*) from cart.parked where stream = $1 and error like '%deadline%'", one) == 1
		}, longPatience, idle)
		slow.Store(false)
		b.awaitSeen(t, one, 2)
	})

	t.Run("WhatLiesBeforeOneThatTakesTooLongIsApplied", func(t *testing.T) {
		t.Parallel()
		var healed atomic.Bool
		sick := poison(&healed, errSick)
		p := &seen{refuse: func(events []eventstore.Recorded) error {
			if string(events[0].Data) == `{"thing":"slow"}` {
				return context.DeadlineExceeded
			}
			return sick(events)
		}}
		b := p.reading(t, pgtest.New(t))
		one := uuid.New()
		b.puts(t, one, "poison", "a", "b", "slow", "c")
		p.follow(t, b)
		b.awaitParked(t, 5)
		healed.Store(true)
		b.awaitSeen(t, one, 3)
		b.awaitParked(t, 2)
	})

	t.Run("ADiscardedOneStaysAsEvidenceAndTheNextGoesOn", func(t *testing.T) {
		t.Parallel()
		p := &seen{refuse: poison(new(atomic.Bool), errSick)}
		b := p.reading(t, pgtest.New(t))
		sick := uuid.New()
		b.puts(t, sick, "a", "poison", "b", "c")
		p.follow(t, b)
		b.awaitParked(t, 3)
		all, err := b.store.ListParked(t.Context(), "", uuid.Nil, 10)
		require.NoError(t, err)
		_, err = b.store.DiscardParked(t.Context(), all[0].ID, "root", "of no use", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		b.awaitSeen(t, sick, 3)
		b.awaitParked(t, 0)
		require.Equal(t, 1, b.count(t, `select count(*) from cart.parked
			where discarded_by = 'root' and reason = 'of no use' and discarded_at <= now()`))
		_, err = b.store.DiscardParked(t.Context(), all[0].ID, "root", "again", eventstore.IdempotencyKey{})
		require.ErrorContains(t, err, "no such parked message")
		b.puts(t, sick, "d")
		b.awaitSeen(t, sick, 4)
	})

	t.Run("APanicAndADeferredConstraintAreTheEventsOwn", func(t *testing.T) {
		t.Parallel()
		p := &seen{refuse: func(events []eventstore.Recorded) error {
			if string(events[len(events)-1].Data) == `{"thing":"panic"}` {
				panic("apply")
			}
			return nil
		}}
		b := p.reading(t, pgtest.New(t))
		_, err := b.pools.Query.Exec(t.Context(), `alter table cart.seen add unique (version) deferrable initially deferred`)
		require.NoError(t, err)
		one, other, third := uuid.New(), uuid.New(), uuid.New()
		b.puts(t, one, "a", "b", "c")
		b.puts(t, other, "a")
		b.puts(t, third, "panic")
		b.puts(t, one, "d")
		p.follow(t, b)
		b.awaitParked(t, 2)
		b.awaitSeen(t, one, 4)
		b.awaitSeen(t, other, 0)
		b.awaitSeen(t, third, 0)
	})
}
