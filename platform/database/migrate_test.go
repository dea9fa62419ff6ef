package database_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

func TestMigrate(t *testing.T) {
	t.Parallel()

	t.Run("ProcessesThatStartTogetherTakeTurns", func(t *testing.T) {
		t.Parallel()
		url := pgtest.NewEmpty(t)
		var processes errgroup.Group
		for range 4 {
			processes.Go(func() error {
				for _, schema := range migrations.Schemas {
					if err := database.Migrate(t.Context(), url, schema); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, processes.Wait())
		requireStores(t, url)
	})

	t.Run("AgainChangesNothing", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		for _, schema := range migrations.Schemas {
			require.NoError(t, database.Migrate(t.Context(), url, schema))
		}
		requireStores(t, url)
	})

	t.Run("TablesOfAnOlderProgramAreTakenOver", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		const listed = "select string_agg(v::text, ' ' order by id) from cart.%s v"
		store, own := query1[string](t, url, fmt.Sprintf(listed, "store_migrations")), query1[string](t, url, fmt.Sprintf(listed, "schema_migrations"))
		exec1(t, url, "alter table cart.store_migrations rename to goose_store; alter table cart.schema_migrations rename to goose_own")
		var processes errgroup.Group
		for range 4 {
			processes.Go(func() error { return database.Migrate(t.Context(), url, "cart") })
		}
		require.NoError(t, processes.Wait())
		require.Equal(t, store, query1[string](t, url, fmt.Sprintf(listed, "store_migrations")), "nothing ran twice")
		require.Equal(t, own, query1[string](t, url, fmt.Sprintf(listed, "schema_migrations")))
		require.Zero(t, query1[int](t, url, "select count(*)::int from pg_tables where tablename like 'goose%'"))
	})

	t.Run("WritesNothingWhenUpToDate", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		name := pgx.Identifier{query1[string](t, url, "select current_database()")}.Sanitize()
		exec1(t, url, "alter database "+name+" set default_transaction_read_only = on")
		require.NoError(t, database.Migrate(t.Context(), url, "cart"))
	})

	t.Run("IdentitiesMovePastThoseThatExist", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		const book = `insert into simulator.ledger (reference, operation, amount, currency) select 'x', 'capture', 1, 'GBP' from generate_series(1, 9)`
		exec1(t, url, book)
		exec1(t, url, `delete from simulator.schema_migrations where version_id = (select max(version_id) from simulator.schema_migrations)`)
		exec1(t, url, `drop table simulator.readiness`)
		exec1(t, url, `alter table simulator.schema_migrations alter id restart`)
		exec1(t, url, `alter table simulator.ledger alter id restart`)
		exec1(t, url, `alter table simulator.webhooks alter id restart with 70`)
		require.NoError(t, database.Migrate(t.Context(), url, "simulator"))
		exec1(t, url, book)
		require.EqualValues(t, 18, query1[int64](t, url, "select max(id) from simulator.ledger"))
		require.EqualValues(t, 70, query1[int64](t, url, "select nextval('simulator.webhooks_id_seq')"), "never backwards")
	})

	t.Run("UnknownSchemaRefused", func(t *testing.T) {
		t.Parallel()
		require.ErrorContains(t, database.Migrate(t.Context(), "postgres:///unused", "carts"), `no schema "carts"`)
	})
}

// requireStores makes sure that each module schema holds the store, and public nothing.
func requireStores(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "select schemaname from pg_tables where tablename = 'streams' order by 1")
	require.NoError(t, err)
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, migrations.StoreSchemas, schemas)
	var strays int
	require.NoError(t, conn.QueryRow(t.Context(), "select count(*) from pg_tables where schemaname = 'public'").Scan(&strays))
	require.Zero(t, strays)
}
