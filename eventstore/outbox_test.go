package eventstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
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
		next.store.OnFailure(func(err error) { t.Error(err) }).Configure(func(db *eventstore.Database) { db.SingleProcess = true })
		go func() { swept <- next.store.Run(ctx) }()
		require.Equal(t, put{"a"}, (<-seen).Event)
		require.Eventually(t, func() bool { return next.count(t, "select count(*) from cart.outbox") == 0 }, patience, idle)
		cancel()
		require.NoError(t, <-swept)
	})
}
