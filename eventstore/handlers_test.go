package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
)

// reacting is a store in the background, with reactions whose answers the test sets, and counts of their calls.
type reacting struct {
	*bundle
	calls, healthy atomic.Int64
	answer         atomic.Pointer[error]
}

func (r *reacting) answers(err error) { r.answer.Store(&err) }

func reacts(t *testing.T) *reacting {
	t.Helper()
	r := &reacting{}
	r.answers(nil)
	r.bundle = setupOn(t, pgtest.New(t), jars, func(s *eventstore.Store) {
		eventstore.Subscribe(s, "flaky", func(context.Context, eventstore.Message[put]) error {
			r.calls.Add(1)
			err := *r.answer.Load()
			if err != nil && err.Error() == "panic" {
				panic("poison")
			}
			return err
		})
		eventstore.Subscribe(s, "healthy", func(context.Context, eventstore.Message[put]) error { r.healthy.Add(1); return nil })
	})
	runs(t, r.bundle)
	return r
}

// runs works in the background of a store until the test ends.
func runs(t *testing.T, b *bundle) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	b.store.OnFailure(func(err error) { t.Error(err) })
	go func() { done <- b.store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func (r *reacting) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := r.pools.Query.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// hurries has what waits in the outbox tried again now, until done.
func (r *reacting) hurries(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		r.exec(t, "update cart.outbox set due_at = now()")
		return done()
	}, longPatience, 5*idle)
}

// parks has a message fail, and then once more for the last time.
func (r *reacting) parks(t *testing.T, stream uuid.UUID) eventstore.Parked {
	t.Helper()
	_, err := r.put(t.Context(), uuid.New(), stream, "a")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.failures(t) == 1 }, patience, idle, "the first attempt counts")
	require.EqualValues(t, 1, r.subscription(t, "flaky").Lag)
	require.Positive(t, r.subscription(t, "flaky").OldestAge)
	r.exec(t, "update cart.outbox set failures = 6")
	r.hurries(t, func() bool { return r.outbox(t) == 0 })
	parked, err := r.store.ListParked(t.Context(), "", uuid.Nil, 10)
	require.NoError(t, err)
	require.Len(t, parked, 1)
	return parked[0]
}

func (r *reacting) outbox(t *testing.T) int { return r.count(t, "select count(*) from cart.outbox") }

func (r *reacting) failures(t *testing.T) int {
	return r.count(t, "select coalesce(max(failures), -1) from cart.outbox")
}

func (r *reacting) subscription(t *testing.T, name string) eventstore.Subscription {
	t.Helper()
	all, err := r.store.Subscriptions(t.Context())
	require.NoError(t, err)
	for _, one := range all {
		if one.Name == name {
			return one
		}
	}
	t.Fatalf("no subscription %s in %v", name, all)
	return eventstore.Subscription{}
}

func TestParkedReactions(t *testing.T) {
	t.Parallel()

	t.Run("AfterEightFailuresForTheOneThatFails", func(t *testing.T) {
		t.Parallel()
		for _, cause := range []string{"poison\x00", "panic"} {
			r := reacts(t)
			r.answers(errors.New(cause))
			stream := uuid.New()
			p := r.parks(t, stream)
			require.Equal(t, "flaky", p.Subscription)
			require.Equal(t, stream, p.Stream)
			require.EqualValues(t, 1, p.Version)
			require.Equal(t, "jar.put", p.Type)
			require.Equal(t, 8, p.Attempts)
			require.Contains(t, p.Error, "poison")
			require.InDelta(t, (10 * time.Minute).Seconds(), p.NextAt.Sub(p.ParkedAt).Seconds(), 200)
			require.Equal(t, 1, r.subscription(t, "flaky").Parked)
			require.Zero(t, r.subscription(t, "flaky").Lag)
			require.Zero(t, r.subscription(t, "healthy").Parked)

			r.answers(nil)
			before := r.healthy.Load()
			_, err := r.store.ReplayParked(t.Context(), p.ID, eventstore.IdempotencyKey{})
			require.NoError(t, err)
			r.awaitParked(t, 0)
			require.Equal(t, before, r.healthy.Load(), "the others have handled it")
		}
	})

	t.Run("WhatIsAwayDoesNotCount", func(t *testing.T) {
		t.Parallel()
		r := reacts(t)
		r.answers(eventstore.ErrUnavailable)
		_, err := r.put(t.Context(), uuid.New(), uuid.New(), "a")
		require.NoError(t, err)
		for _, cause := range []error{eventstore.ErrUnavailable, eventstore.ErrBusy, fmt.Errorf("ask: %w", context.DeadlineExceeded)} {
			r.answers(cause)
			enough := r.calls.Load() + 2
			r.hurries(t, func() bool { return r.calls.Load() >= enough })
			require.Zero(t, r.failures(t))
		}
		r.awaitParked(t, 0)
		r.answers(nil)
		r.hurries(t, func() bool { return r.outbox(t) == 0 })
	})

	t.Run("TriedAgainLaterAndLater", func(t *testing.T) {
		t.Parallel()
		r := reacts(t)
		r.answers(errors.New("poison"))
		r.parks(t, uuid.New())
		// The pause is half of what it is on average, at least, and half as much again at most.
		for attempts, pause := range map[int]time.Duration{9: 20 * time.Minute, 10: 40 * time.Minute, 16: 6 * time.Hour, 2000: 6 * time.Hour} {
			r.exec(t, "update cart.parked set attempts = $1, next_at = now(), error = ''", attempts-1)
			require.Eventually(t, func() bool {
				return r.count(t, "select count(*) from cart.parked where attempts = $1 and error = 'poison'", attempts) == 1
			}, longPatience, idle)
			wait := r.count(t, "select extract(epoch from next_at - now())::int from cart.parked")
			require.InDelta(t, pause.Seconds(), wait, pause.Seconds()/3, "attempt %d", attempts)
		}
	})

	t.Run("DiscardedIsNotTriedAgain", func(t *testing.T) {
		t.Parallel()
		r := reacts(t)
		r.answers(errors.New("poison"))
		_, err := r.store.DiscardParked(t.Context(), r.parks(t, uuid.New()).ID, "root", "of no use", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		calls := r.calls.Load()
		r.answers(nil)
		// Another message comes and goes meanwhile: the store is at work.
		_, err = r.put(t.Context(), uuid.New(), uuid.New(), "b")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return r.outbox(t) == 0 }, patience, idle)
		require.Equal(t, calls+1, r.calls.Load())
		require.Equal(t, 1, r.count(t, "select count(*) from cart.parked where discarded_by = 'root'"))
	})

	t.Run("DiscardedWhileItIsTriedStaysAsEvidence", func(t *testing.T) {
		t.Parallel()
		begun, end := make(chan struct{}), make(chan error)
		b := setup(t, func(s *eventstore.Store) {
			eventstore.Subscribe(s, "slow", func(context.Context, eventstore.Message[put]) error { begun <- struct{}{}; return <-end })
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		b.store.OnFailure(func(err error) { t.Error(err) })
		go func() { done <- b.store.Run(ctx) }()
		for _, answer := range []error{nil, errors.New("not today")} {
			id := uuid.New()
			_, err := b.pools.Query.Exec(t.Context(), `with e as (
					insert into cart.events (position, stream, version, type, data, meta, at)
					values (nextval('cart.position'), $1, 1, 'jar.put', '{}', '{}', now()))
				insert into cart.parked (id, reader, stream, version, attempts, parked_at, next_at) values ($1, 'slow', $1, 1, 8, now(), now())`, id)
			require.NoError(t, err)
			<-begun
			_, err = b.store.DiscardParked(t.Context(), id, "root", "of no use", eventstore.IdempotencyKey{})
			require.NoError(t, err)
			end <- answer
		}
		stop()
		require.NoError(t, <-done) // and what was tried is noted
		require.Equal(t, 2, b.count(t, "select count(*) from cart.parked where discarded_by = 'root' and error is null"))
	})

	t.Run("WhatNothingHereKnows", func(t *testing.T) {
		t.Parallel()
		r := reacts(t)
		strange, unheard := uuid.New(), uuid.New()
		for _, m := range []struct {
			stream uuid.UUID
			kind   string
		}{{strange, "jar.exploded"}, {unheard, "jar.closed"}} {
			r.exec(t, `insert into cart.events (position, stream, version, type, data, meta, at)
				values (nextval('cart.position'), $1, 1, $2, '{}', '{}', now())`, m.stream, m.kind)
			r.exec(t, "insert into cart.outbox (stream, version, due_at, failures) values ($1, 1, now(), 6)", m.stream)
		}
		r.hurries(t, func() bool { return r.outbox(t) == 0 })
		parked, err := r.store.ListParked(t.Context(), "", uuid.Nil, 10)
		require.NoError(t, err)
		require.Len(t, parked, 2)
		for _, p := range parked {
			require.Equal(t, "outbox", p.Subscription)
		}
		require.Equal(t, 2, r.subscription(t, "outbox").Parked)

		// A version that knows the type takes it up, though its name for the reaction is another.
		r.exec(t, "update cart.events set type = 'jar.put' where stream = $1", strange)
		for _, p := range parked {
			_, err = r.store.ReplayParked(t.Context(), p.ID, eventstore.IdempotencyKey{})
			require.NoError(t, err)
		}
		r.awaitParked(t, 1)
		require.EqualValues(t, 1, r.calls.Load())
		require.EqualValues(t, 1, r.healthy.Load())
	})
}

// TestRun runs everything that a store does in the background.
func TestRun(t *testing.T) {
	t.Parallel()

	t.Run("EndsWhenItsHandlersHaveEnded", func(t *testing.T) {
		t.Parallel()
		begun, end := make(chan struct{}), make(chan struct{})
		b := setup(t, func(s *eventstore.Store) {
			eventstore.Subscribe(s, "slow", func(context.Context, eventstore.Message[put]) error { close(begun); <-end; return nil })
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.store.Run(ctx) }()
		_, err := b.put(t.Context(), uuid.New(), uuid.New(), "a")
		require.NoError(t, err)
		<-begun
		stop()
		select {
		case <-done:
			t.Fatal("a handler is at work")
		case <-time.After(idle):
		}
		close(end)
		require.NoError(t, <-done)
	})

	t.Run("ReadsAndDeletesWhatIsPastItsTime", func(t *testing.T) {
		t.Parallel()
		p := &seen{}
		b := p.reading(t, pgtest.New(t))
		b.puts(t, uuid.New(), "a", "b")
		_, err := b.pools.Query.Exec(t.Context(), "update cart.receipts set at = now() - interval '25 hours' where version = 1")
		require.NoError(t, err)
		for discarded, name := range map[time.Duration]string{25 * time.Hour: "old", 23 * time.Hour: "young"} {
			_, err = b.pools.Query.Exec(t.Context(), `insert into cart.parked (id, reader, stream, version, attempts, parked_at, discarded_at)
				values ($1, $2, $1, 1, 1, now(), now() - $3::interval)`, uuid.New(), name, discarded)
			require.NoError(t, err)
		}
		_, err = b.pools.Query.Exec(t.Context(), `insert into cart.parked (id, reader, stream, version, attempts, parked_at, next_at)
			values ($1, 'waits', $1, 1, 1, now() - interval '1 year', now() + interval '1 hour')`, uuid.New())
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		b.store.OnFailure(func(err error) { t.Error(err) }).Configure(func(db *eventstore.Database) { db.ReceiptRetention = 24 * time.Hour })
		go func() { done <- b.store.Run(ctx) }()
		b.awaitRead(t)
		require.Eventually(t, func() bool { return b.count(t, "select count(*) from cart.receipts") == 1 }, patience, idle)
		require.Eventually(t, func() bool { return b.count(t, "select count(*) from cart.parked where reader = 'old'") == 0 }, patience, idle)
		require.Equal(t, 2, b.count(t, "select count(*) from cart.parked where reader in ('young', 'waits')"))
		stop()
		require.NoError(t, <-done)
	})
}
