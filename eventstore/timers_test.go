package eventstore

import (
	"context"
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
	tag, err := tx.Exec(t.Context(), "select from "+table+" where "+column+" = $1 for update", id)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
	return func() { require.NoError(t, tx.Rollback(context.WithoutCancel(t.Context()))) }
}

func TestTimer(t *testing.T) {
	t.Parallel()
	b := open(t)
	timer := b.Timer(b.pools.Control, "jar", time.Minute)
	second, first, held := b.wakes(t, "jar", -time.Second), b.wakes(t, "jar", -time.Minute), b.wakes(t, "jar", -time.Second)
	b.wakes(t, "jar", time.Hour)
	b.wakes(t, "box", -time.Second)
	release := b.locks(t, "cart.streams", "id", held)
	due := func(limit int) []uuid.UUID {
		ids, err := timer.Due(t.Context(), limit, time.Hour)
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
