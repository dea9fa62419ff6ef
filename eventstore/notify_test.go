package eventstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
)

func TestHints(t *testing.T) {
	t.Parallel()
	pgtest.NeedsSessions(t, "who listens needs one")
	url := pgtest.New(t)
	here, there := setupOn(t, url, jars), setupOn(t, url, jars)
	here.hints(t)
	there.hints(t)

	t.Run("WakeTheReadersOfOtherProcesses", func(t *testing.T) {
		there.awaitHint(t, func() { here.one(t) })
	})

	t.Run("AreHeardAgainAfterTheConnectionWasLost", func(t *testing.T) {
		there.awaitHint(t, func() { // whoever listens anew takes it that there is something
			require.NotZero(t, here.count(t, `select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and query like 'listen%') listeners`))
		})
		there.awaitHint(t, func() { here.one(t) })
	})

	t.Run("AreFewerThanCommits", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), "listen shopping_cart_log; listen over")
		require.NoError(t, err)
		const commits = 300
		for range commits {
			here.one(t)
		}
		here.count(t, "select 1 from (select pg_notify('over', '')) told")
		for heard := 0; ; heard++ {
			n, err := conn.WaitForNotification(t.Context())
			require.NoError(t, err)
			require.Less(t, heard, commits/2, "notifications of %d commits", commits)
			if n.Channel == "over" {
				break
			}
		}
	})
}

func (b *bundle) one(t *testing.T) {
	t.Helper()
	_, err := b.put(t.Context(), uuid.New(), uuid.New(), "x")
	require.NoError(t, err)
}

// hints runs the hints of a process until the test ends.
func (b *bundle) hints(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	listening := b.store.Stirred() // it wakes everybody when it begins to listen
	var running sync.WaitGroup
	running.Go(func() { databaseOf(b.pools, b.committer).Notify(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-listening
}

// awaitHint does something, until the readers here are woken.
func (b *bundle) awaitHint(t *testing.T, do func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stirred := b.store.Stirred()
	do()
	select {
	case <-stirred:
	case <-ctx.Done():
		require.Fail(t, "nobody was woken")
	}
}
