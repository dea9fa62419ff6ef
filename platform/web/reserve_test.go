package web

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"testing"

	testify "github.com/stretchr/testify/require"
)

// TestBeyondTheReserve checks that a connection is refused at once when all others have a request, and that this is logged once.
func TestBeyondTheReserve(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	refused := 0
	c := newConnections(ConnectionLimits{Most: 2}, nil, slog.New(slog.NewTextHandler(&log, nil)), func(by string) {
		testify.Equal(t, "all", by)
		refused++
	})
	connect := func() net.Conn {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = client.Close() })
		return c.admit(server)
	}
	var busy []net.Conn
	for range 2 + ConnectionReserve {
		conn := connect()
		testify.NotNil(t, conn)
		c.changed(conn, http.StateActive)
		busy = append(busy, conn)
	}
	testify.Nil(t, connect())
	testify.Nil(t, connect())
	testify.Equal(t, 2, refused)
	testify.Equal(t, 1, bytes.Count(log.Bytes(), []byte(`level=WARN msg="connections are refused: the limit is reached" setting=MAX_CONNECTIONS limit=2`)), log.String())

	c.changed(busy[0], http.StateIdle)
	conn := connect()
	testify.NotNil(t, conn)
	testify.NoError(t, busy[0].Close(), "the server closes what made room")
	testify.Equal(t, &c.main, admitted(conn).in)
	for _, one := range append(busy, conn) {
		testify.NoError(t, one.Close())
		testify.NoError(t, one.Close())
	}
	testify.Zero(t, c.main.open+c.reserve.open)
	testify.Empty(t, c.by)
}
