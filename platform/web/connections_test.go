package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

// crowded is a server on a listener with few connections.
type crowded struct {
	*site
	address string
	held    chan struct{} // what /hold waits for
	entered chan struct{}
}

func crowd(t *testing.T, limits web.ConnectionLimits, configure ...func(*web.Config)) *crowded {
	t.Helper()
	s := &crowded{held: make(chan struct{}), entered: make(chan struct{}, 100)}
	s.site = newSite(t, append(configure, func(c *web.Config) { c.Limits.Connections = limits })...)
	s.Public.GET("/quick", ok)
	s.Public.GET("/hold", func(c echo.Context) error {
		s.entered <- struct{}{}
		<-s.held
		return ok(c)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener, nil) }()
	t.Cleanup(func() {
		close(s.held)
		stop()
		require.NoError(t, <-ended)
		require.Zero(t, s.OpenConnections())
	})
	return s
}

// caller is a connection from an address.
type caller struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (s *crowded) connect(from string) *caller {
	s.t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.address)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	return &caller{conn, s.t, bufio.NewReader(conn)}
}

func (c *caller) write(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

// get sends a request and returns the status; 0 when the connection is closed.
func (c *caller) get(path string) int {
	c.t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: shop\r\n\r\n"); err != nil {
		return 0
	}
	a, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0
	}
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	require.NoError(c.t, err)
	return a.StatusCode
}

// isClosed waits until the server has closed the connection.
func (c *caller) isClosed() bool { return c.isClosedWithin(10 * time.Second) }

func (c *caller) isClosedWithin(limit time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	_, err := c.Read(make([]byte, 1))
	var late net.Error
	return err != nil && !(errors.As(err, &late) && late.Timeout())
}

const (
	kind   = "127.0.0.3"
	unkind = "127.0.0.2"
)

func TestConnections(t *testing.T) {
	t.Parallel()
	t.Run("TheLongestIdleMakesRoom", func(t *testing.T) {
		t.Parallel()
		s := crowd(t, web.ConnectionLimits{Most: 3})
		silent, slow, kept := s.connect(unkind), s.connect(unkind), s.connect(unkind)
		slow.write("GET /quick HTTP/1.1\r\nHost")
		require.Equal(t, 200, kept.get("/quick"))
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && !kept.isClosedWithin(10*time.Millisecond); {
			require.Equal(t, 200, s.connect(kind).get("/quick")) // the server may notice a little later that kept is idle
		}
		require.True(t, silent.isClosed())
		require.True(t, slow.isClosed())
		require.True(t, kept.isClosed())
		require.Equal(t, 3, s.OpenConnections())
	})
	t.Run("ARefusedOneIsHeldSoThatItsClientOpensFewer", func(t *testing.T) {
		t.Parallel()
		s := crowd(t, web.ConnectionLimits{Most: 3, PerAddress: 1, Delay: time.Hour, Delayed: 1})
		require.Equal(t, 200, s.connect(unkind).get("/quick"))
		held := s.connect(unkind)
		require.True(t, s.connect(unkind).isClosed(), "there is no room to hold it")
		require.False(t, held.isClosedWithin(50*time.Millisecond))
		require.Equal(t, 200, s.connect(kind).get("/quick"))
	})
	t.Run("AHeldOneIsClosedInTheEnd", func(t *testing.T) {
		t.Parallel()
		s := crowd(t, web.ConnectionLimits{Most: 3, PerAddress: 1, Delay: time.Millisecond, Delayed: 1})
		require.Equal(t, 200, s.connect(unkind).get("/quick"))
		require.True(t, s.connect(unkind).isClosed())
	})
	t.Run("BusyOnesStayAndHealthHasAReserve", func(t *testing.T) {
		t.Parallel()
		s := crowd(t, web.ConnectionLimits{Most: 2}, func(c *web.Config) {
			c.Limits.Delay, c.Limits.Rates = time.Hour, map[web.Class]web.Rates{web.BadTokens: rates(1e-9, 1, 1)}
		})
		for range 2 {
			s.connect(unkind).write("GET /hold HTTP/1.1\r\nHost: shop\r\n\r\n")
			<-s.entered
		}
		for range 2 * web.ConnectionReserve { // each is closed after its answer
			require.Equal(t, 503, s.connect(kind).get("/quick"))
		}
		probe := s.connect(kind)
		require.Equal(t, 200, probe.get("/healthz"))
		require.True(t, probe.isClosed())
		var silent []*caller
		for range 2 * web.ConnectionReserve {
			silent = append(silent, s.connect(unkind))
		}
		require.Equal(t, 200, s.connect(kind).get("/readyz"), "silent ones make room in the reserve too")
		require.True(t, silent[0].isClosed())

		s.held <- struct{}{}
		require.Eventually(t, func() bool { return s.connect(kind).get("/quick") == 200 }, 10*time.Second, time.Millisecond)
		require.Equal(t, 1, strings.Count(s.logs.String(), `"msg":"connections are refused: the limit is reached","setting":"MAX_CONNECTIONS","limit":2`))
		require.NotContains(t, s.logs.String(), `"level":"ERROR"`)
	})
	t.Run("OneAddressHasItsShare", func(t *testing.T) {
		t.Parallel()
		s := crowd(t, web.ConnectionLimits{Most: 10, PerAddress: 2}, func(c *web.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.4/32")}
		})
		first, second := s.connect(unkind), s.connect(unkind)
		require.Equal(t, 200, first.get("/quick"))
		require.Equal(t, 200, second.get("/quick"))
		require.True(t, s.connect(unkind).isClosed())
		require.Equal(t, 200, s.connect(kind).get("/quick"))
		for range 4 {
			require.Equal(t, 200, s.connect("127.0.0.4").get("/quick"), "a proxy's")
		}
		require.NoError(t, first.Close())
		require.Eventually(t, func() bool { return s.connect(unkind).get("/quick") == 200 }, 10*time.Second, time.Millisecond)
		require.Contains(t, s.logs.String(), `"setting":"MAX_CONNECTIONS_PER_ADDRESS","limit":2,"last_address":"127.0.0.2"`)
	})
	t.Run("StreamsAreConnections", func(t *testing.T) {
		t.Parallel()
		s := crowd(t, web.ConnectionLimits{Most: 2, PerAddress: 1})
		streams := make(chan *web.Events, 1)
		s.Public.GET("/stream", func(c echo.Context) error {
			e, err := s.Events(c, "")
			streams <- e
			return err
		})
		s.connect(unkind).write("GET /stream HTTP/1.1\r\nHost: shop\r\n\r\n")
		e := <-streams
		require.Equal(t, 1, s.OpenConnections())
		require.True(t, s.connect(unkind).isClosed())
		e.End()
		<-e.Done()
		require.Zero(t, s.OpenConnections())
	})
}
