package eventstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func (b *idleStore) wakes(t *testing.T, kind string, in time.Duration) uuid.UUID {
	t.Helper()
	id := uuid.New()
	b.exec(t, `insert into cart.streams (id, version, kind, fold, state, wake_at, created_at, updated_at)
		values ($1, 1, $2, 1, '{}', now() + $3::interval, now(), now())`, id, kind, in)
	return id
}

// locks holds the row of a table that has this stream, as another process does which is at work on it.
func (b *idleStore) locks(t *testing.T, table, column string, id uuid.UUID) (release func()) {
	t.Helper()
	tx, err := b.pools.Query.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) }) // where the test has failed: the pool waits for it
	tag, err := tx.Exec(t.Context(), "select from "+table+" where "+column+" = $1 for update", id)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
	return func() { require.NoError(t, tx.Rollback(context.WithoutCancel(t.Context()))) }
}

// bounded ends what waits for such a lock.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestTimer(t *testing.T) {
	t.Parallel()
	b := open(t)
	timer := b.Timer("jar", time.Minute)
	second, first, held := b.wakes(t, "jar", -time.Second), b.wakes(t, "jar", -time.Minute), b.wakes(t, "jar", -time.Second)
	b.wakes(t, "jar", time.Hour)
	b.wakes(t, "box", -time.Second)
	release := b.locks(t, "cart.streams", "id", held)
	due := func(limit int) []uuid.UUID {
		ids, _, err := timer.Due(bounded(t), limit, time.Hour)
		require.NoError(t, err)
		return ids
	}
	require.Equal(t, []uuid.UUID{first}, due(1))
	require.Equal(t, []uuid.UUID{second}, due(10), "what somebody else has in hand is left to them")
	require.Empty(t, due(10), "each is put off")
	release()
	require.Equal(t, []uuid.UUID{held}, due(10), "they did not come to an end with it")
	require.Empty(t, due(10))
}

// TestIdleStreams: whoever looks for what nobody touched is not told of all that was touched within the same hour.
func TestIdleStreams(t *testing.T) {
	t.Parallel()
	b := open(t)
	untouched, touched := b.wakes(t, "jar", -3*time.Hour), b.wakes(t, "jar", -3*time.Hour)
	for _, id := range []uuid.UUID{untouched, b.wakes(t, "jar", -time.Hour), b.wakes(t, "box", -3*time.Hour)} {
		b.exec(t, "update cart.streams set updated_at = now() - interval '3 hours' where id = $1", id)
	}
	timer := b.Timer("jar", expiryGrain+relaySlack)
	look := func() []uuid.UUID {
		ids, err := timer.find(t.Context(), 10, expiredStreams, timer.watermark.From(), "jar", 10, 2*time.Hour)
		require.NoError(t, err)
		return ids
	}
	require.Equal(t, []uuid.UUID{untouched}, look())
	b.exec(t, "update cart.streams set updated_at = now() - interval '2 hours' where id = $1", touched)
	require.Equal(t, []uuid.UUID{untouched, touched}, look(), "it is found when its time has come, though the mark has moved")
}

// TestStrays: streams that an older program gave no time are found without one.
func TestStrays(t *testing.T) {
	t.Parallel()
	b := open(t)
	old := b.wakes(t, "jar", 0)
	for _, id := range []uuid.UUID{old, b.wakes(t, "box", 0)} {
		b.exec(t, "update cart.streams set updated_at = now() - interval '3 hours' where id = $1", id)
	}
	b.wakes(t, "jar", 0) // touched just now
	b.exec(t, "update cart.streams set wake_at = null, status = 'open'")
	b.exec(t, `insert into cart.streams (id, version, kind, fold, state, status, created_at, updated_at)
		values (gen_random_uuid(), 1, 'jar', 1, '{}', 'closed', now() - interval '1 day', now() - interval '1 day')`)
	ended := make(chan uuid.UUID, 10)
	walk := b.OnFailure(func(err error) { t.Error(err) }).untimed(Expiry{
		Kind: "jar", Status: "open", After: 2 * time.Hour,
		Expire: func(_ context.Context, id uuid.UUID) error { ended <- id; return nil },
	})
	require.NoError(t, walk.pass(t.Context(), b.pools.Control))
	require.Len(t, ended, 1)
	require.Equal(t, old, <-ended)
}

// TestEndIdle: a full page of streams that cannot be ended stands in the way of no other.
func TestEndIdle(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.exec(t, `insert into cart.streams (id, version, kind, fold, state, status, wake_at, created_at, updated_at)
		select md5(n::text)::uuid, 1, 'jar', 1, '{}', 'open', now() - interval '4 hours', now(), now() - interval '4 hours'
		from generate_series(1, $1) n`, expiryPage)
	last := b.wakes(t, "jar", -3*time.Hour)
	b.exec(t, "update cart.streams set updated_at = now() - interval '3 hours' where id = $1", last)
	ctx, stop := context.WithCancel(t.Context())
	reached := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.ExpireIdle(ctx, Expiry{
			Kind: "jar", Status: "open", After: time.Minute,
			Expire: func(_ context.Context, id uuid.UUID) error {
				if id == last {
					select {
					case reached <- struct{}{}:
					default:
					}
				}
				return errors.New("not today")
			},
		})
	}()
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Error("it is never its turn")
	}
	stop()
	<-done
}
