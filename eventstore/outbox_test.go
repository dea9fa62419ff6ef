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
	"shopping-cart/platform/pgtest"
)

func TestSubscribe(t *testing.T) {
	t.Parallel()

	t.Run("SeesItsEventsAfterTheCommitAndLeavesTheOutboxEmpty", func(t *testing.T) {
		t.Parallel()
		seen := make(chan eventstore.Message[put], 10)
		b := setup(t, func(s *eventstore.Store) {
			eventstore.Subscribe(s, "test", func(_ context.Context, m eventstore.Message[put]) error { seen <- m; return nil })
		})
		id := uuid.New()
		_, err := b.put(t.Context(), uuid.New(), id, "a")
		require.NoError(t, err)
		b.close(t, id)
		m := <-seen
		require.Equal(t, put{"a"}, m.Event)
		require.Equal(t, id, m.Stream)
		require.EqualValues(t, 1, m.Version)
		require.Eventually(t, func() bool { return b.count(t, "select count(*) from cart.outbox") == 0 }, patience, idle)
		require.Empty(t, seen, "only what it subscribed to")
	})

	t.Run("WhatACrashLeftIsSwept", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		broken := setupOn(t, url, jars, func(s *eventstore.Store) {
			eventstore.Subscribe(s, "test", func(context.Context, eventstore.Message[put]) error { return errors.New("crash") })
		})
		_, err := broken.put(t.Context(), uuid.New(), uuid.New(), "a")
		require.NoError(t, err)
		broken.stop()
		require.Equal(t, 1, broken.count(t, "select count(*) from cart.outbox"))

		seen := make(chan eventstore.Message[put], 10)
		next := setupOn(t, url, jars, func(s *eventstore.Store) {
			eventstore.Subscribe(s, "test", func(_ context.Context, m eventstore.Message[put]) error { seen <- m; return nil })
		})
		ctx, cancel := context.WithCancel(t.Context())
		swept := make(chan error)
		go func() {
			swept <- next.store.Run(ctx, eventstore.RunConfig{Alone: true, Failed: func(err error) { t.Error(err) }})
		}()
		require.Equal(t, put{"a"}, (<-seen).Event)
		require.Eventually(t, func() bool { return next.count(t, "select count(*) from cart.outbox") == 0 }, patience, idle)
		cancel()
		require.NoError(t, <-swept)
	})
}

func TestFollow(t *testing.T) {
	t.Parallel()

	t.Run("TwoReadersApplyEverythingOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.pools.Query.Exec(t.Context(), "create table cart.seen (position bigint primary key, stream uuid, version bigint)")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				_ = b.store.Follow(ctx, "seen", func(ctx context.Context, tx pgx.Tx, events []eventstore.Recorded) error {
					for _, e := range events {
						if _, err := tx.Exec(ctx, "insert into cart.seen values ($1, $2, $3)", e.Position, e.Stream, e.Version); err != nil {
							return err
						}
					}
					return nil
				}, func(err error) { t.Error(err) })
			})
		}
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				_, err := b.put(context.Background(), uuid.New(), uuid.NewSHA1(uuid.Nil, []byte(fmt.Sprint(i%37))), "x")
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Eventually(t, func() bool { return b.count(t, "select count(*) from cart.seen") == 1000 }, patience, idle)
		cancel()
		readers.Wait()
	})

	t.Run("AFailureKeepsThePosition", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.put(t.Context(), uuid.New(), uuid.New(), "x")
		require.NoError(t, err)
		var calls atomic.Int32
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		failures := make(chan error, 10)
		go func() {
			defer close(done)
			_ = b.store.Follow(ctx, "flaky", func(context.Context, pgx.Tx, []eventstore.Recorded) error {
				if calls.Add(1) < 3 {
					return errors.New("not today")
				}
				return nil
			}, func(err error) { failures <- err })
		}()
		require.ErrorContains(t, <-failures, "not today")
		require.ErrorContains(t, <-failures, "not today")
		require.Eventually(t, func() bool {
			return b.count(t, "select count(*) from cart.subscriptions where name = 'flaky' and position = 1") == 1
		}, patience, idle)
		cancel()
		<-done
	})
}
