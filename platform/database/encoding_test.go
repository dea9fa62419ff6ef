package database_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/database"
)

// A database with another encoding than UTF-8 is refused before anything is created in it.
func TestEncodingOtherThanUTF8Refused(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	t.Parallel()
	server, err := database.Start(t.Context(), testConfig(newSeed(t).dir(t)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	for _, encoding := range []string{"SQL_ASCII", "LATIN1"} {
		name := strings.ToLower(encoding)
		exec1(t, server.URL("shop"), "create database "+name+" encoding '"+encoding+"' template template0 locale 'C'")
		err := database.Migrate(t.Context(), server.URL(name), "cart")
		require.ErrorContains(t, err, "the database has the encoding "+encoding+" and must have UTF8")
		require.Zero(t, query1[int](t, server.URL(name), "select count(*)::int from pg_namespace where nspname = 'cart'"))
	}
	require.NoError(t, database.Migrate(t.Context(), server.URL("shop"), "cart"))
}
