package database_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/database"
)

// surroundings are the environment variables of a shell for another PostgreSQL.
var surroundings = map[string]string{
	"PGHOST": "203.0.113.1", "PGPORT": "6543", "PGUSER": "somebody", "PGPASSWORD": "secret", "PGDATABASE": "elsewhere",
	"PGSERVICE": "production", "PGSERVICEFILE": "/nowhere", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere/root.crt",
	"PGSSLCERTMODE": "nonsense", "PGOPTIONS": "-c search_path=elsewhere", "PGPASSFILE": "/nowhere/pgpass", "PGTZ": "Mars/Olympus",
	"PGAPPNAME": "psql", "PGCONNECT_TIMEOUT": "soon", "PGTARGETSESSIONATTRS": "read-only", "PGDATA": "/nowhere", "PGCLIENTENCODING": "LATIN1",
	"PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "require", "PGMINPROTOCOLVERSION": "3.2",
}

// The embedded server and its clients ignore the PG* variables. Not parallel, since it sets them.
func TestEmbeddedIgnoresItsSurroundings(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	for name, value := range surroundings {
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := database.Start(ctx, testConfig(openDir(t)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	require.NoError(t, database.Migrate(ctx, server.URL("shop"), "cart"))
	pools, err := database.Open(ctx, server.URL("shop"), database.Options{})
	require.NoError(t, err)
	defer pools.Close()
	var user, name, path string
	require.NoError(t, pools.Query.QueryRow(ctx, "select current_user, current_database(), current_setting('search_path')").Scan(&user, &name, &path))
	require.Equal(t, []string{"app", "shop", `"$user", public`}, []string{user, name, path})
}

// A client must find any path of the data: a plus sign for a space is not decoded.
func TestEmbeddedInAnyFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	t.Parallel()
	seed := newSeed(t)
	for _, name := range []string{"my data", "a+b", "50%", "no #1", "Ada's", `"quoted"`, "größe", "a&b=c", "what?", `back\slash`, "日本", "$HOME", "a;b", "a:b", "[a]"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(openDir(t), name)
			seed.copyTo(t, dir)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			server, err := database.Start(ctx, testConfig(dir))
			require.NoError(t, err)
			defer func() { require.NoError(t, server.Stop(context.WithoutCancel(ctx))) }()
			pools, err := database.Open(ctx, server.URL("shop"), database.Options{})
			require.NoError(t, err)
			pools.Close()
		})
	}
	t.Run("MadeByInitdb", func(t *testing.T) {
		dir := filepath.Join(openDir(t), "ada's größe + 50% $HOME")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		server, err := database.Start(ctx, testConfig(dir))
		require.NoError(t, err)
		require.NoError(t, server.Stop(ctx))
	})
}

// A wait at the start reports its subject, and the reason why it gave up.
func TestWaitsEnd(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	err := database.Await(t.Context(), log, "the tide", 2500*time.Millisecond, func(ctx context.Context, because func(string)) error {
		because("the moon")
		<-ctx.Done()
		return ctx.Err()
	})
	require.ErrorContains(t, err, "gave up after 2.5s waiting for the tide: the moon")
	require.Contains(t, text.String(), `msg="still waiting" for="the tide" gives_up_after=2.5s reason="the moon"`)

	t.Run("NothingIsSaidOfAShortOne", func(t *testing.T) {
		before := text.Len()
		require.NoError(t, database.Await(t.Context(), log, "nothing", time.Hour, func(context.Context, func(string)) error { return nil }))
		require.Equal(t, before, text.Len())
	})
}

// The error of a URL never quotes the URL.
func TestParseHidesThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://app:s3cret@db:port/shop", "postgres://app:s3cret@db/shop?sslmode=sure", "postgres://app:s3cret@db/shop?sslcertmode=`",
		"postgres://app:s3cret@db/shop?sslrootcert=/nowhere&sslmode=verify-full", "postgres://app@db/shop?password=s3cret&connect_timeout=x",
	} {
		_, err := database.Parse(url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "s3cret")
	}
}
