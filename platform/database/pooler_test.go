package database_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

func TestTransactionPooler(t *testing.T) {
	t.Parallel()

	t.Run("ManyClientsShareFewServerConnections", func(t *testing.T) {
		t.Parallel()
		url := pgtest.Bouncer(t, pgtest.NewEmpty(t), 2)
		p := openPools(t, url)
		var clients []*pgxpool.Conn
		seen, first := map[int]bool{}, map[int]bool{} // server processes: of all clients, of the first one
		for range p.Query.Config().MaxConns {
			c, err := p.Query.Acquire(t.Context())
			require.NoError(t, err)
			defer c.Release()
			clients = append(clients, c)
		}
		for round := 0; round < 3 || len(first) < 2 && round < 1000; round++ { // side by side: they must share
			pids := make([]int, len(clients))
			var all errgroup.Group
			for i, c := range clients {
				all.Go(func() error {
					return c.QueryRow(t.Context(), "select pg_backend_pid() from pg_sleep(0.001)").Scan(&pids[i])
				})
			}
			require.NoError(t, all.Wait())
			first[pids[0]] = true
			for _, pid := range pids {
				seen[pid] = true
			}
		}
		require.Len(t, seen, 2, "server processes for %d clients", len(clients))
		require.Len(t, first, 2, "a client moves between them")
	})

	for name, options := range map[string]database.Options{
		"Unprepared": {Pooler: database.Transaction},
		"Prepared":   {Pooler: database.TransactionPrepared}, // on a server of its own: this PgBouncer is too old
	} {
		t.Run(name+"BatchesArePinnedAndLeaveNothingBehind", func(t *testing.T) {
			t.Parallel()
			url := pgtest.NewEmpty(t)
			if options.Pooler == database.Transaction {
				url = strings.Replace(pgtest.Bouncer(t, url, 1), "default_query_exec_mode", "application_name", 1) // the setting must do
			} else {
				pgtest.NeedsSessions(t, "statements are prepared")
			}
			p, err := database.Open(t.Context(), url, options)
			require.NoError(t, err)
			defer p.Close()
			for range 3 {
				require.Equal(t, []string{"force_generic_plan", "off", "off", "8s"}, inBatch(t, p,
					"plan_cache_mode", "enable_seqscan", "enable_hashjoin", "statement_timeout"))
				for _, pool := range []*pgxpool.Pool{p.Write, p.Query, p.Control} {
					require.Equal(t, "auto", setting(t, pool, "plan_cache_mode"))
					require.Equal(t, "on", setting(t, pool, "enable_hashjoin"))
				}
			}
			require.Equal(t, pgx.QueryExecModeCacheDescribe, p.Query.Config().ConnConfig.DefaultQueryExecMode)
		})
	}

	t.Run("MigratesOverOneConnection", func(t *testing.T) {
		t.Parallel()
		direct := pgtest.NewEmpty(t)
		url := pgtest.Bouncer(t, direct, 1)
		var processes errgroup.Group
		for range 3 {
			for _, schema := range migrations.Schemas {
				processes.Go(func() error { return database.Migrate(t.Context(), url, schema) })
			}
		}
		require.NoError(t, processes.Wait())
		requireStores(t, direct)
		path := query1[string](t, url, "select current_setting('search_path')")
		require.NotContains(t, path, "cart", "what a migration set has stayed")
		require.NotContains(t, path, "simulator")
		require.Zero(t, query1[int](t, url, `select count(*)::int from pg_locks join pg_database d on d.oid = database
			where locktype = 'advisory' and datname = current_database()`))
	})

	t.Run("SaysWhatTheRoleLacks", func(t *testing.T) {
		t.Parallel()
		pgtest.NeedsSessions(t, "new ones, each time")
		url := pgtest.NewEmpty(t)
		said := &lines{}
		log := slog.New(slog.NewTextHandler(said, nil))
		user := query1[string](t, url, "select current_user::text")
		name := pgx.Identifier{query1[string](t, url, "select current_database()::text")}.Sanitize()
		open := func() {
			p, err := database.Open(t.Context(), url, database.Options{Pooler: database.Transaction, Log: log})
			require.NoError(t, err)
			p.Close()
		}
		for _, sql := range strings.Split(database.ForRole(user), "; ") { // of this database alone: others use the role
			exec1(t, url, strings.Replace(sql, " set ", " in database "+name+" set ", 1))
		}
		open()
		require.Zero(t, said.count("\n"))
		exec1(t, url, "alter role "+pgx.Identifier{user}.Sanitize()+" in database "+name+" set enable_seqscan = on")
		open()
		require.Equal(t, 1, said.count("give the role"))
		require.Equal(t, 1, said.count("set enable_seqscan = 'off'"))
	})

	t.Run("OtherQueryModesAreRefused", func(t *testing.T) {
		t.Parallel()
		_, err := database.Open(t.Context(), "postgres://app@db/shop?default_query_exec_mode=simple_protocol", database.Options{})
		require.ErrorContains(t, err, "cache_describe")
	})
}

// inBatch returns settings within a transaction that begins as batches do.
func inBatch(t *testing.T, p *database.Pools, names ...string) (values []string) {
	t.Helper()
	conn, err := p.Write.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	var b pgx.Batch
	b.Queue("begin")
	b.Queue(p.Begin)
	for _, name := range names {
		b.Queue("select current_setting($1)", name).QueryRow(func(row pgx.Row) error {
			var value string
			err := row.Scan(&value)
			values = append(values, value)
			return err
		})
	}
	b.Queue("commit")
	require.NoError(t, conn.SendBatch(context.Background(), &b).Close())
	return values
}
