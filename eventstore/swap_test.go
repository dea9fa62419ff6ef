package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
)

// advances has the live reader come to the end of the log.
func (b *bundle) advances(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		more, err = b.store.Advance(t.Context(), "seen")
		require.NoError(t, err)
	}
}

// remakes takes a step of a rebuild.
func (b *bundle) remakes(t *testing.T) (more bool) {
	t.Helper()
	more, err := b.store.Remake(t.Context(), "seen")
	require.NoError(t, err)
	return more
}

func (b *bundle) rebuilds(t *testing.T) {
	t.Helper()
	_, err := b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{})
	require.NoError(t, err)
}

func (b *bundle) generation(t *testing.T) int {
	t.Helper()
	return b.count(t, "select generation from cart.subscriptions where name = 'seen'")
}

// putsMany puts things into a few jars, all at once.
func (b *bundle) putsMany(t *testing.T, n int) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if _, err := b.put(context.Background(), uuid.New(), uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i%37)), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestExchange takes rebuilds step by step, so that what comes between is certain.
func TestExchange(t *testing.T) {
	t.Parallel()

	t.Run("WhatHasComeSinceIsThereAtOnce", func(t *testing.T) {
		t.Parallel()
		var b *bundle
		var once sync.Once
		p := &seen{}
		b = p.reading(t, pgtest.New(t))
		b.putsMany(t, 10)
		b.advances(t)
		p.refuse = func([]eventstore.Recorded) error {
			once.Do(func() { b.putsMany(t, 100) })
			return nil
		}
		b.rebuilds(t)
		b.remakes(t)
		require.Equal(t, 2, b.generation(t))
		require.Equal(t, 110, b.count(t, "select count(*) from cart.seen where generation = 2"))
		b.advances(t)
		require.Equal(t, 110, b.count(t, "select count(*) from cart.seen where generation = 2"))
	})

	t.Run("WhenTooMuchHasComeItWaits", func(t *testing.T) {
		t.Parallel()
		var b *bundle
		var once sync.Once
		p := &seen{}
		b = p.reading(t, pgtest.New(t))
		b.putsMany(t, 10)
		p.refuse = func([]eventstore.Recorded) error {
			once.Do(func() { b.putsMany(t, 600) })
			return nil
		}
		b.rebuilds(t)
		require.True(t, b.remakes(t))
		b.advances(t)
		require.Equal(t, 1, b.generation(t))
		b.remakes(t)
		require.Equal(t, 2, b.generation(t))
		require.Equal(t, 610, b.count(t, "select count(*) from cart.seen where generation = 2"))
	})

	t.Run("ItHoldsTheLiveOne", func(t *testing.T) {
		t.Parallel()
		b := (&seen{}).reading(t, pgtest.New(t))
		b.puts(t, uuid.New(), "a", "b")
		b.advances(t)
		b.rebuilds(t)
		b.waits(t, func() { require.Equal(t, 1, b.generation(t)) },
			func() error { _, err := b.store.Remake(t.Context(), "seen"); return err })
		require.Equal(t, 2, b.generation(t))
	})

	t.Run("APersonMayGiveUpWhatItLacks", func(t *testing.T) {
		t.Parallel()
		var healed atomic.Bool
		healed.Store(true)
		b := (&seen{refuse: poison(&healed, errors.New("not today"))}).reading(t, pgtest.New(t))
		b.puts(t, uuid.New(), "a", "poison")
		b.advances(t)
		healed.Store(false)
		b.rebuilds(t)
		b.remakes(t)
		require.Equal(t, 1, b.generation(t), "it lacks what is live")
		all, err := b.store.ListParked(t.Context(), "seen@2", uuid.Nil, 10)
		require.NoError(t, err)
		require.Len(t, all, 1)
		_, err = b.store.DiscardParked(t.Context(), all[0].ID, "root", "of no use", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		b.remakes(t)
		require.Equal(t, 2, b.generation(t))
		require.Equal(t, 1, b.count(t, "select count(*) from cart.parked where reader = 'seen' and discarded_by = 'root'"))
	})

	t.Run("OneProcessClears", func(t *testing.T) {
		t.Parallel()
		var calls atomic.Int64
		entered, release := make(chan struct{}), make(chan struct{})
		goOn := sync.OnceFunc(func() { close(release) })
		r := (&seen{}).reader()
		clears := r.Truncate
		r.Truncate = func(ctx context.Context, tx pgx.Tx, generation, limit int) (int64, error) {
			if calls.Add(1) == 1 {
				close(entered)
				<-release
			}
			return clears(ctx, tx, generation, limit)
		}
		b := setupOn(t, pgtest.New(t), jars, func(s *eventstore.Store) { s.AddProjection(r) })
		t.Cleanup(goOn) // before the pools are closed
		_, err := b.pools.Query.Exec(t.Context(), seenTable)
		require.NoError(t, err)
		b.puts(t, uuid.New(), "a", "b")
		b.advances(t)
		b.rebuilds(t)
		b.remakes(t)
		require.Equal(t, 2, b.generation(t))
		first := make(chan error)
		go func() { _, err := b.store.Remake(t.Context(), "seen"); first <- err }()
		<-entered
		require.False(t, b.remakes(t))
		require.EqualValues(t, 1, calls.Load(), "another one is at it")
		goOn()
		require.NoError(t, <-first)
		require.True(t, b.remakes(t))
		require.False(t, b.remakes(t))
		require.Equal(t, 2, b.count(t, "select count(*) from cart.seen where generation = 2"))
		require.Equal(t, 2, b.count(t, "select count(*) from cart.seen"))
		require.Equal(t, 1, b.count(t, "select cleared from cart.subscriptions"))
	})
}

// waits holds the row of the live subscription, as a batch does, sees that all that is done waits for it, and lets it go on.
func (b *bundle) waits(t *testing.T, meanwhile func(), do ...func() error) {
	t.Helper()
	pgtest.NeedsSessions(t, "it asks who waits")
	tx, err := b.pools.Control.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), "select from cart.subscriptions where name = 'seen' for update")
	require.NoError(t, err)
	done := make(chan error, len(do))
	for _, do := range do {
		go func() { done <- do() }()
	}
	require.Eventually(t, func() bool {
		return b.count(t, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == len(do)
	}, patience, idle, "it does not wait")
	meanwhile()
	require.NoError(t, tx.Rollback(t.Context()))
	for range do {
		require.NoError(t, <-done)
	}
}

// TestOfTwoReadersOneWins: both have read the same events, and wait to move the position.
func TestOfTwoReadersOneWins(t *testing.T) {
	t.Parallel()
	b := (&seen{}).reading(t, pgtest.New(t))
	b.puts(t, uuid.New(), "a", "b")
	_, err := b.pools.Query.Exec(t.Context(), "insert into cart.subscriptions (name, position) values ('seen', 0)")
	require.NoError(t, err)
	var lost atomic.Int64
	advance := func() error {
		_, err := b.store.Advance(t.Context(), "seen")
		if errors.Is(err, eventstore.ErrOvertaken) {
			lost.Add(1)
			return nil
		}
		return err
	}
	b.waits(t, func() {}, advance, advance)
	require.EqualValues(t, 1, lost.Load())
	require.Equal(t, 2, b.count(t, "select count(*) from cart.seen"))
}

// TestTheSubscriptionIsTheLock: whoever changes what is parked for a reader, or begins a rebuild, waits for the batch that is
// under way.
func TestTheSubscriptionIsTheLock(t *testing.T) {
	t.Parallel()
	var healed atomic.Bool
	p := &seen{refuse: poison(&healed, errors.New("not today"))}
	b := p.reading(t, pgtest.New(t))
	b.puts(t, uuid.New(), "poison", "a", "b")
	b.advances(t)
	all, err := b.store.ListParked(t.Context(), "", uuid.Nil, 10)
	require.NoError(t, err)
	require.Len(t, all, 1)
	parked := func(want int) func() {
		return func() {
			t.Helper()
			require.Equal(t, want, b.count(t, "select count(*) from cart.parked where discarded_at is null"))
		}
	}
	b.waits(t, parked(3), func() error {
		_, err := b.store.DiscardParked(t.Context(), all[0].ID, "root", "of no use", eventstore.IdempotencyKey{})
		return err
	})
	parked(2)()
	b.waits(t, parked(2), func() error { _, err := b.store.RetryParked(t.Context(), "seen"); return err })
	parked(0)()
	b.waits(t, func() { require.Equal(t, 1, b.count(t, "select count(*) from cart.subscriptions")) },
		func() error { _, err := b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{}); return err })
	require.Equal(t, 2, b.count(t, "select count(*) from cart.subscriptions"))
}
