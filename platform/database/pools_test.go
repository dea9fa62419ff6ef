package database_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

func openPools(t *testing.T, url string) *database.Pools {
	t.Helper()
	p, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func TestPools(t *testing.T) {
	t.Parallel()
	p := openPools(t, pgtest.NewEmpty(t))

	t.Run("EveryCallIsBounded", func(t *testing.T) {
		pgtest.NeedsSessions(t, "limits are set there")
		for _, pool := range []*pgxpool.Pool{p.Write, p.Query, p.Control} {
			for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
				require.NotEqual(t, "0", setting(t, pool, name), name)
			}
		}
	})

	t.Run("BatchesUseIndexesOnly", func(t *testing.T) {
		pgtest.NeedsSessions(t, "plans are pinned there")
		require.Equal(t, "force_generic_plan", setting(t, p.Write, "plan_cache_mode"))
		for _, name := range []string{"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
			require.Equal(t, "off", setting(t, p.Write, name), name)
		}
		require.Equal(t, "auto", setting(t, p.Query, "plan_cache_mode"))
		require.Equal(t, "off", setting(t, p.Query, "enable_seqscan"))
	})

	t.Run("TimesAreUTC", func(t *testing.T) {
		var direct, viaViews time.Time
		var several []time.Time
		require.NoError(t, p.Write.QueryRow(t.Context(), "select now(), array[now()]").Scan(&direct, &several))
		require.NoError(t, p.Views.Raw("select now()").Scan(&viaViews).Error)
		require.Equal(t, time.UTC, direct.Location())
		require.Equal(t, time.UTC, several[0].Location())
		require.Equal(t, time.UTC, viaViews.Location())
	})

	t.Run("UUIDsNeedNoHelp", func(t *testing.T) {
		sent := []uuid.UUID{uuid.New(), uuid.New()}
		var one uuid.UUID
		var none *uuid.UUID
		var all []uuid.UUID
		row := p.Write.QueryRow(t.Context(), "select $1::uuid, null::uuid, $2::uuid[]", sent[0], sent)
		require.NoError(t, row.Scan(&one, &none, &all))
		require.Equal(t, sent[0], one)
		require.Nil(t, none)
		require.Equal(t, sent, all)

		require.NoError(t, p.Views.Raw("select ?::uuid", sent[1]).Row().Scan(&one))
		require.Equal(t, sent[1], one)
	})

	t.Run("ASlowListStarvesNoWrite", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range p.Query.Config().MaxConns {
			busy, err := p.Query.Acquire(ctx)
			require.NoError(t, err)
			defer busy.Release()
		}
		require.NoError(t, p.Write.Ping(ctx))
		require.NoError(t, p.Control.Ping(ctx))
	})
}

// After a failover a connection may lead to a server that only reads. It must go, or the pool never recovers.
func TestConnectionThatReportsReadOnlyIsDropped(t *testing.T) {
	t.Parallel()
	pgtest.NeedsSessions(t, "it turns one read-only")
	p := openPools(t, pgtest.NewEmpty(t))
	conn, err := p.Write.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "create table t (n int); set default_transaction_read_only = on")
	require.NoError(t, err)

	_, err = conn.Exec(t.Context(), "insert into t values (1)")

	require.ErrorContains(t, err, "25006")
	require.True(t, conn.Conn().IsClosed())
	conn.Release()
	_, err = p.Write.Exec(t.Context(), "insert into t values (1)")
	require.NoError(t, err)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := database.Open(t.Context(), "postgres://app@/shop?host=/nowhere", database.Options{})
	require.ErrorContains(t, err, "connect to the database")
	_, err = database.Open(t.Context(), "postgres://app@:not-a-port/", database.Options{})
	require.ErrorContains(t, err, "parse the database URL")
}

func setting(t *testing.T, pool *pgxpool.Pool, name string) (value string) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&value))
	return value
}
