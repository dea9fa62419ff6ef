//go:build !windows

package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server of its own")
	}
	t.Parallel()
	s := NewServer(t)
	url := s.URL()
	conn := dial(t, url)
	_, err := conn.Exec(t.Context(), "create table kept (by text)")
	require.NoError(t, err)
	for _, end := range []func(){s.Crash, s.Stop} {
		_, err := conn.Exec(t.Context(), "insert into kept values ('a commit')")
		require.NoError(t, err)

		end()

		require.Error(t, conn.Ping(t.Context()))
		_, err = pgx.Connect(t.Context(), url)
		require.Error(t, err, "it is away")
		before := s.Connections()
		s.Start()
		require.Equal(t, url, s.URL())
		conn = dial(t, url)
		require.Greater(t, s.Connections(), before)
	}
	var kept int
	require.NoError(t, conn.QueryRow(t.Context(), "select count(*) from kept").Scan(&kept))
	require.Equal(t, 2, kept, "what was committed outlives both ends")
}

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
