package eventstore_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// A sequence that is behind its rows, as after logical replication, costs one batch at most, and no position is drawn that
// readers have passed.
func TestPositionsMovePastThoseThatExist(t *testing.T) {
	t.Parallel()
	positions := func(t *testing.T, b *bundle) (last int64) {
		t.Helper()
		require.NoError(t, b.pools.Query.QueryRow(t.Context(), "select max(position) from cart.events").Scan(&last))
		return last
	}

	t.Run("AtTheStart", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		b := setupOn(t, url, jars)
		for range 20 {
			_, err := b.put(t.Context(), uuid.New(), uuid.New(), "tea")
			require.NoError(t, err)
		}
		last := positions(t, b)
		// A gap: a new event would take a free position that every reader has passed.
		execute(t, url, "delete from cart.events where position between 5 and 10", "select setval('cart.position', 4)")
		again := setupOn(t, url, jars)
		flaws, err := again.store.AuditPosition(t.Context())
		require.NoError(t, err)
		require.Len(t, flaws, 1)
		require.Equal(t, eventstore.ViolationSequence, flaws[0].Check)

		_, err = again.put(t.Context(), uuid.New(), uuid.New(), "tea")
		require.NoError(t, err)
		require.Equal(t, last+1, positions(t, again))
		flaws, err = again.store.AuditPosition(t.Context())
		require.NoError(t, err)
		require.Empty(t, flaws)
	})

	t.Run("WhileItRuns", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		var repeated atomic.Int64
		pools, err := database.Open(t.Context(), url, database.Options{})
		require.NoError(t, err)
		t.Cleanup(pools.Close)
		committer := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{
			Begin: pools.Begin, Workers: 1, Failed: func(int, error) { repeated.Add(1) },
		})
		b := &bundle{pools: pools, committer: committer, store: eventstore.Open(databaseOf(pools, committer), "cart", jars)}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- committer.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			<-ended
		})
		for range 30 {
			_, err := b.put(t.Context(), uuid.New(), uuid.New(), "tea")
			require.NoError(t, err)
		}
		last := positions(t, b)
		execute(t, url, "select setval('cart.position', 1)")
		for range 10 {
			_, err := b.put(t.Context(), uuid.New(), uuid.New(), "tea")
			require.NoError(t, err)
		}
		require.Equal(t, last+10, positions(t, b))
		require.LessOrEqual(t, repeated.Load(), int64(1))
	})

	t.Run("NeverBackwards", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		execute(t, url, "select setval('cart.position', 1000)")
		b := setupOn(t, url, jars)
		_, err := b.put(t.Context(), uuid.New(), uuid.New(), "tea")
		require.NoError(t, err)
		require.Equal(t, int64(1001), positions(t, b))
	})
}

func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for _, sql := range statements {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
}
