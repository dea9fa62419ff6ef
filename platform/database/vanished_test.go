package database_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/database"
)

// The server notices an unreachable TCP client at any point of a call.
func TestServerNoticesWhoVanished(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("starts a server on a loopback address of its own")
	}
	t.Parallel()
	address := fmt.Sprintf("127.%d.%d.%d", 1+rand.N(200), rand.N(250), 2+rand.N(250))
	c := testConfig(openDir(t))
	c.Params["listen_addresses"] = address
	server, err := database.Start(t.Context(), c)
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Stop(t.Context())) }()
	over, err := url.Parse(server.URL("shop"))
	require.NoError(t, err)
	over.Host, over.RawQuery = address, "sslmode=disable"
	p, err := database.Open(t.Context(), over.String(), database.Options{})
	require.NoError(t, err)
	defer p.Close()
	for _, pool := range []*pgxpool.Pool{p.Write, p.Query, p.Control} {
		require.Equal(t, "10", setting(t, pool, "tcp_keepalives_idle"))
		require.Equal(t, "5", setting(t, pool, "tcp_keepalives_interval"))
		require.Equal(t, "2", setting(t, pool, "tcp_keepalives_count"))
		require.Equal(t, "20000", setting(t, pool, "tcp_user_timeout")) // milliseconds
	}
}
