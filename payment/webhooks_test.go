package payment

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

const webhooksOf = `insert into payment.webhooks (provider, id, type, reference, body, handled_at, due_at)
	select 'p', $2 || n, 't', 'r', 'b', now() - $3::interval, now() - interval '10 minutes' from generate_series(1, $1) n`

func databaseOf(pools *database.Pools) eventstore.Database {
	return eventstore.Database{
		Committer: eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{}),
		Query:     pools.Query, Control: pools.Control, Log: slog.New(slog.DiscardHandler),
	}
}

func TestHandledWebhooksGo(t *testing.T) {
	t.Parallel()
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	m := New(Config{Database: databaseOf(pools), WebhookRetention: 24 * time.Hour})
	for name, age := range map[string]any{"old": 25 * time.Hour, "young": 23 * time.Hour, "unhandled": nil} {
		_, err := pools.Query.Exec(t.Context(), webhooksOf, 3, name, age)
		require.NoError(t, err)
	}
	// Nothing handles these meanwhile, however long they wait.
	_, err = pools.Query.Exec(t.Context(), "update payment.webhooks set received_at = now() - interval '1 year', due_at = now() + interval '1 year'")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	left := func(name string) (n int) {
		require.NoError(t, pools.Query.QueryRow(t.Context(), "select count(*) from payment.webhooks where id like $1 || '%'", name).Scan(&n))
		return n
	}
	require.Eventually(t, func() bool { return left("old") == 0 }, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, 3, left("young"))
	require.Equal(t, 3, left("unhandled"))
	stop()
	require.NoError(t, <-ended)
}

// TestWebhooksMeetNoDead checks that a look after a watermark reads few pages while a snapshot is pinned. A look from the beginning reads
// many.
func TestWebhooksMeetNoDead(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	pinned, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = pinned.Close(context.Background()) })
	for _, sql := range []string{"begin isolation level repeatable read", "select count(*) from payment.webhooks"} {
		_, err = pinned.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	_, err = pools.Query.Exec(t.Context(), webhooksOf, 10_000, "w", nil)
	require.NoError(t, err)
	_, err = pools.Query.Exec(t.Context(), "update payment.webhooks set handled_at = now()")
	require.NoError(t, err)
	m := New(Config{Database: databaseOf(pools)})
	n, err := m.processDue(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)

	pages := func(from time.Time) int {
		var text []byte
		require.NoError(t, pools.Query.QueryRow(t.Context(), "explain (analyze, buffers, format json) "+dueWebhooks, from, processBatch).Scan(&text))
		var plans []struct {
			Plan struct {
				Hit int `json:"Shared Hit Blocks"`
			}
		}
		require.NoError(t, json.Unmarshal(text, &plans))
		return plans[0].Plan.Hit
	}
	require.Less(t, pages(m.due.From()), 20)
	require.Greater(t, pages(time.Time{}), 100)
}
