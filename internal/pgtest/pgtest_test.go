//go:build !windows

package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/migrations"
)

func TestMain(m *testing.M) { Main(m) }

func TestDatabases(t *testing.T) {
	t.Parallel()

	t.Run("NewHoldsEverySchema", func(t *testing.T) {
		t.Parallel()
		schemas := schemasOf(t, New(t))
		for _, schema := range migrations.Schemas {
			require.Contains(t, schemas, schema)
		}
	})

	t.Run("NewEmptyHoldsNone", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, schemasOf(t, NewEmpty(t)))
	})

	t.Run("NoTwoTestsShareOne", func(t *testing.T) {
		t.Parallel()
		require.NotEqual(t, New(t), New(t))
	})

	t.Run("EveryModuleCanHaveItsOwn", func(t *testing.T) {
		t.Parallel()
		urls, seen := NewModules(t), map[string]bool{}
		for _, schema := range migrations.Schemas {
			require.NotEmpty(t, urls[schema])
			require.False(t, seen[urls[schema]], "two modules share %s", urls[schema])
			seen[urls[schema]] = true
		}
	})

	t.Run("IsDroppedWhenItsTestEnds", func(t *testing.T) {
		t.Parallel()
		NeedsSessions(t, "the pooler reports a lost database in its own words")
		var url string
		t.Run("Inner", func(t *testing.T) { url = New(t) })
		_, err := pgx.Connect(t.Context(), url)
		require.ErrorContains(t, err, "3D000")
	})
}

func schemasOf(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "select nspname from pg_namespace where nspname !~ '^pg_|information_schema|public'")
	require.NoError(t, err)
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return schemas
}
