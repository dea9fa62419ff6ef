package database_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// TestMigrateAfterANewerVersion: during a deployment, or after a rollback, a process of the old version starts on a schema with unknown
// migrations.
func TestMigrateAfterANewerVersion(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	for _, schema := range migrations.StoreSchemas {
		exec1(t, url, fmt.Sprintf("alter table %s.streams add column of_tomorrow text", schema))
		for _, table := range []string{"store_migrations", "schema_migrations"} {
			exec1(t, url, fmt.Sprintf("insert into %s.%s (version_id, is_applied) values (9001, true)", schema, table))
		}
	}
	for _, schema := range migrations.Schemas {
		require.NoError(t, database.Migrate(t.Context(), url, schema))
	}
	for _, schema := range migrations.StoreSchemas {
		require.EqualValues(t, 9001, query1[int64](t, url, fmt.Sprintf("select max(version_id) from %s.store_migrations", schema)))
		require.EqualValues(t, 1, query1[int64](t, url, fmt.Sprintf(
			"select count(*) from pg_attribute where attrelid = '%s.streams'::regclass and attname = 'of_tomorrow'", schema)))
	}
}

// TestMigrateGivesWay: a migration waits only briefly for a table in use, and tries again.
func TestMigrateGivesWay(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	exec1(t, url, "create schema simulator")
	busy, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer busy.Close(context.Background())
	_, err = busy.Exec(t.Context(), "begin; create table simulator.ledger ()")
	require.NoError(t, err)
	migrated := make(chan error, 1)
	go func() { migrated <- database.Migrate(t.Context(), url, "simulator") }()
	waiting := func() bool {
		return query1[int64](t, url, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0
	}
	require.Eventually(t, waiting, time.Minute, 20*time.Millisecond)
	require.Eventually(t, func() bool { return !waiting() }, time.Minute, 20*time.Millisecond, "it waits for ever")
	_, err = busy.Exec(t.Context(), "rollback")
	require.NoError(t, err)
	require.NoError(t, <-migrated)
}
