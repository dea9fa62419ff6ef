package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
)

func (b *bundle) awaitGeneration(t *testing.T, want int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return b.count(t, "select generation from cart.subscriptions where name = 'seen'") == want
	}, longPatience, idle)
}

func TestRebuild(t *testing.T) {
	t.Parallel()

	t.Run("ItEqualsWhatIsLiveWhileOthersWrite", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		p, q := &seen{}, &seen{}
		b, replica := p.reading(t, url), q.reading(t, url)
		p.follow(t, b)
		q.follow(t, replica)
		ctx, stop := context.WithCancel(context.Background())
		var writers sync.WaitGroup
		var written atomic.Int64
		for w := range 4 {
			stream := uuid.NewSHA1(uuid.Nil, []byte(fmt.Sprint(w)))
			writers.Go(func() {
				for ctx.Err() == nil {
					if _, err := b.put(context.Background(), uuid.New(), stream, "x"); err != nil {
						t.Error(err)
					}
					written.Add(1)
				}
			})
		}
		defer writers.Wait()
		defer stop()
		for generation := 2; generation <= 3; generation++ {
			require.Eventually(t, func() bool { return written.Load() > int64(200*generation) }, longPatience, idle)
			_, err := b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{})
			require.NoError(t, err)
			if _, err := replica.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{}); err != nil { // or it was that fast
				require.ErrorContains(t, err, "being rebuilt already")
			} else {
				generation++
			}
			b.awaitGeneration(t, generation)
		}
		stop()
		writers.Wait()
		b.awaitRead(t)
		require.Eventually(t, func() bool {
			return b.count(t, `select count(*) from cart.seen where generation <> (select generation from cart.subscriptions where name = 'seen')`) == 0
		}, longPatience, idle, "the old rows go")
		require.Zero(t, b.count(t, `select count(*) from cart.events e full join cart.seen s using (position)
			where e.position is null or s.position is null`))
		require.Equal(t, int(written.Load()), b.count(t, "select count(*) from cart.seen"))
		require.Zero(t, b.count(t, `select count(*) from (select version - lag(version) over (partition by stream order by seq) as step
			from cart.seen) s where step <> 1`), "the order of the streams")
		require.Equal(t, 1, b.count(t, "select count(*) from cart.subscriptions"))
		require.Zero(t, b.count(t, "select count(*) from cart.parked"))
		require.Empty(t, p.failures)
		require.Empty(t, q.failures)
	})

	t.Run("WhatIsParkedGoesAlong", func(t *testing.T) {
		t.Parallel()
		var healed atomic.Bool
		p := &seen{refuse: poison(&healed, errors.New("not today"))}
		b := p.reading(t, pgtest.New(t))
		sick, well := uuid.New(), uuid.New()
		b.puts(t, sick, "a", "poison", "b")
		b.puts(t, well, "a")
		p.follow(t, b)
		b.awaitParked(t, 2)
		_, err := b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		b.awaitGeneration(t, 2)
		require.Eventually(t, func() bool {
			return b.count(t, "select count(*) from cart.seen where generation = 1") == 0
		}, longPatience, idle)
		require.Equal(t, 2, b.count(t, "select count(*) from cart.parked where reader = 'seen'"))
		healed.Store(true)
		b.awaitSeen(t, sick, 3)
		b.awaitSeen(t, well, 1)
		b.awaitParked(t, 0)
	})

	t.Run("ItWaitsForWhatItLacks", func(t *testing.T) {
		t.Parallel()
		var healed atomic.Bool
		healed.Store(true)
		p := &seen{refuse: poison(&healed, errors.New("not today"))}
		b := p.reading(t, pgtest.New(t))
		sick, well := uuid.New(), uuid.New()
		b.puts(t, sick, "a", "poison", "b")
		b.puts(t, well, "a")
		p.follow(t, b)
		b.awaitSeen(t, sick, 3)
		healed.Store(false)
		_, err := b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		require.Eventually(t, func() bool { // between two attempts it would have been exchanged
			return b.count(t, "select count(*) from cart.parked where reader = 'seen@2' and attempts > 2") == 1
		}, longPatience, idle)
		b.puts(t, well, "b")
		b.awaitRead(t)
		require.Equal(t, 1, b.count(t, "select generation from cart.subscriptions where name = 'seen'"))
		require.Equal(t, 5, b.count(t, "select count(*) from cart.seen where generation = 1"), "all are read")
		healed.Store(true)
		b.awaitGeneration(t, 2)
		require.Equal(t, 5, b.count(t, "select count(*) from cart.seen where generation = 2"), "all at once")
		require.Zero(t, b.count(t, "select count(*) from cart.parked"))
	})

	t.Run("WhatWasDiscardedStaysSo", func(t *testing.T) {
		t.Parallel()
		p := &seen{refuse: poison(new(atomic.Bool), errors.New("not today"))}
		b := p.reading(t, pgtest.New(t))
		sick := uuid.New()
		b.puts(t, sick, "a", "poison", "b", "c")
		p.follow(t, b)
		b.awaitParked(t, 3)
		all, err := b.store.ListParked(t.Context(), "", uuid.Nil, 10)
		require.NoError(t, err)
		_, err = b.store.DiscardParked(t.Context(), all[0].ID, "root", "of no use", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		b.awaitParked(t, 0)
		_, err = b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		b.awaitGeneration(t, 2)
		require.Equal(t, 3, b.count(t, "select count(*) from cart.seen where generation = 2"))
		b.awaitParked(t, 0)
		require.Equal(t, 1, b.count(t, "select count(*) from cart.parked where discarded_by = 'root'"))
	})

	t.Run("Refusals", func(t *testing.T) {
		t.Parallel()
		p := &seen{}
		b := p.reading(t, pgtest.New(t)) // nobody follows: it stays under way
		b.store.AddProjection(eventstore.Projection{Name: "once", Project: p.apply})
		for _, name := range []string{"nobody", "once", "seen@2"} {
			_, err := b.store.Rebuild(t.Context(), name, eventstore.IdempotencyKey{})
			require.ErrorContains(t, err, "no projection of this name")
		}
		_, err := b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		_, err = b.store.Rebuild(t.Context(), "seen", eventstore.IdempotencyKey{})
		require.ErrorContains(t, err, "being rebuilt already")
		subs, err := b.store.Subscriptions(t.Context())
		require.NoError(t, err)
		require.Len(t, subs, 2)
		require.Equal(t, []any{eventstore.KindRebuild, 2}, []any{subs[1].Kind, subs[1].Generation})
		require.WithinDuration(t, time.Now(), subs[1].UpdatedAt, time.Hour)
	})
}
