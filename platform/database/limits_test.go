package database_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// The pools are no larger than PostgreSQL allows, and reads shrink first. The sizes are those of write, control and query.
func TestPoolsFitTheLimits(t *testing.T) {
	t.Parallel()
	for allowed, sizes := range map[int][3]int32{16: {3, 4, 8}, 15: {3, 4, 7}, 9: {3, 4, 1}, 7: {3, 2, 1}, 6: {3, 1, 1}} {
		t.Run(fmt.Sprintf("%dOfARole", allowed), func(t *testing.T) {
			t.Parallel()
			p, said, err := openSaying(t, pgtest.NewLimited(t, allowed), database.Options{})
			require.NoError(t, err)
			defer p.Close()
			require.Equal(t, sizes, sizesOf(p))
			require.Equal(t, min(16-allowed, 1), said.count("fewer connections than the settings ask for"))
			require.Equal(t, min(16-allowed, 1), said.count(`connection limit 16, for one replica`))
			for _, pool := range []*pgxpool.Pool{p.Query, p.Control, p.Write} { // all of them can be had at once
				for range pool.Config().MaxConns {
					conn, err := pool.Acquire(t.Context())
					require.NoError(t, err)
					defer conn.Release()
				}
			}
		})
	}

	t.Run("TooFewAreRefused", func(t *testing.T) {
		t.Parallel()
		_, _, err := openSaying(t, pgtest.NewLimited(t, 5), database.Options{})
		require.ErrorContains(t, err, "leaves 5 connections for this database, and it needs at least 6: 3 for writes (COMMITTERS + 1), ")
		require.ErrorContains(t, err, "connection limit 16, for one replica, or set COMMITTERS lower")
		_, _, err = openSaying(t, pgtest.NewLimited(t, 0), database.Options{})
		require.ErrorContains(t, err, "connect to the database: others hold its connections, and this program needs at least 6, 3 of them for writes")
	})

	t.Run("DatabasesOfOneRoleShareItsLimit", func(t *testing.T) {
		t.Parallel()
		one := pgtest.NewLimited(t, 20)
		u, err := url.Parse(one)
		require.NoError(t, err)
		u.Path = "/another"
		p, _, err := openSaying(t, one, database.Options{Databases: []string{one, u.String()}})
		require.NoError(t, err)
		defer p.Close()
		require.Equal(t, [3]int32{3, 4, 2}, sizesOf(p))
	})

	t.Run("OfADatabase", func(t *testing.T) {
		t.Parallel()
		one := pgtest.NewLimited(t, 100)
		u, err := url.Parse(one)
		require.NoError(t, err)
		exec1(t, one, fmt.Sprintf("alter database %s connection limit 10", pgx.Identifier{u.Path[1:]}.Sanitize()))
		p, said, err := openSaying(t, one, database.Options{})
		require.NoError(t, err)
		defer p.Close()
		require.Equal(t, [3]int32{3, 4, 2}, sizesOf(p))
		require.Equal(t, 1, said.count("alter database "))
	})

	t.Run("OfAServer", func(t *testing.T) {
		if testing.Short() {
			t.Skip("starts a server")
		}
		t.Parallel()
		c := testConfig(openDir(t))
		c.Params["max_connections"] = "15"
		server, err := database.Start(t.Context(), c)
		require.NoError(t, err)
		defer func() { require.NoError(t, server.Stop(t.Context())) }()
		p, said, err := openSaying(t, server.URL("shop"), database.Options{})
		require.NoError(t, err)
		defer p.Close()
		require.Equal(t, [3]int32{3, 4, 4}, sizesOf(p))
		require.Equal(t, 1, said.count("set max_connections = 19"))
	})

	t.Run("ThroughAPoolerTheyAreItsOwn", func(t *testing.T) {
		t.Parallel()
		one := pgtest.NewEmpty(t)
		direct, err := pgx.ParseConfig(pgtest.Direct(t, one))
		require.NoError(t, err)
		exec1(t, pgtest.Direct(t, one), fmt.Sprintf("alter database %s connection limit 2", pgx.Identifier{direct.Database}.Sanitize()))
		p, said, err := openSaying(t, pgtest.Bouncer(t, pgtest.Direct(t, one), 1), database.Options{})
		require.NoError(t, err)
		defer p.Close()
		require.Equal(t, [3]int32{3, 4, 8}, sizesOf(p))
		require.Zero(t, said.count("fewer connections"))
	})
}

// Writes keep their connections: no other pool can take them, and a lost one is replaced without a request for it.
func TestWritesKeepTheirConnections(t *testing.T) {
	t.Parallel()
	p := openPools(t, pgtest.NewEmpty(t))
	require.EqualValues(t, 3, p.Write.Stat().TotalConns())
	require.NotZero(t, p.Control.Stat().TotalConns())
	conn, err := p.Write.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, conn.Conn().Close(t.Context()))
	made := p.Write.Stat().NewConnsCount()
	conn.Release()
	require.Eventually(t, func() bool { return p.Write.Stat().NewConnsCount() > made && p.Write.Stat().IdleConns() == 3 }, patience, 10*time.Millisecond)
}

// The embedded server has enough connections for its program, and for tools.
func TestEmbeddedHasRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	t.Parallel()
	seed := newSeed(t)
	for connections, room := range map[int32]string{0: "100", 80: "100", 500: "520"} {
		dir := filepath.Join(openDir(t), "data")
		seed.copyTo(t, dir)
		c := testConfig(dir)
		c.Connections = connections
		server, err := database.Start(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, room, query1[string](t, server.URL("shop"), "show max_connections"))
		require.NoError(t, server.Stop(t.Context()))
	}
}

func openSaying(t *testing.T, url string, o database.Options) (*database.Pools, *lines, error) {
	t.Helper()
	said := &lines{}
	o.Log = slog.New(slog.NewTextHandler(said, nil))
	p, err := database.Open(t.Context(), url, o)
	return p, said, err
}

func sizesOf(p *database.Pools) [3]int32 {
	return [3]int32{p.Write.Config().MaxConns, p.Control.Config().MaxConns, p.Query.Config().MaxConns}
}
