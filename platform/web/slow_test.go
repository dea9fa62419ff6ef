package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

// A client whose body comes too slowly, and who still waits, is told so.
func TestSlowBodyIs408(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newSite(t, func(c *web.Config) {
		c.ReadTimeout = 200 * time.Millisecond
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	s.Public.POST("/echo", func(c echo.Context) error {
		_, err := web.Body[struct{}](c)
		return err
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener, nil) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"slow\":")
	require.NoError(t, err)

	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusRequestTimeout, response.StatusCode)
	require.True(t, response.Close)
	var problem struct{ Code string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&problem))
	require.Equal(t, "request_timeout", problem.Code)
	stop()
	require.NoError(t, <-ended)
	require.Contains(t, log.String(), "status=408")
}

// exhausted is a listener of a process that has no file descriptor left, until it is closed.
type exhausted struct {
	net.Listener
	tries chan struct{}
}

func (e exhausted) Accept() (net.Conn, error) {
	select {
	case e.tries <- struct{}{}:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	default:
		return e.Listener.Accept()
	}
}

// However often it is tried, one warning in ten seconds names the limit.
func TestNoDescriptorIsSaidOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newSite(t, func(c *web.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	s.Public.GET("/quick", ok)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, exhausted{listener, make(chan struct{}, 3)}, nil) }()
	response, err := http.Get("http://" + listener.Addr().String() + "/quick") // let in after three tries
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	stop()
	require.NoError(t, <-ended)
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN msg=\"no connection can be accepted: the limit of open files is reached"), log.String())
	require.Regexp(t, `limit=[1-9]\d* reason=`, log.String())
}

// TestRefusedSlowBody checks that a request beyond the rate limit is answered although its body does not arrive.
func TestRefusedSlowBody(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) {
		c.Limits.Rates = map[web.Class]web.Rates{web.Edits: rates(1e-9, 1, 1)}
	})
	s.Public.POST("/echo", ok)
	for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		body := "{}"
		if status != http.StatusOK {
			body = "{"
		}
		_, err = io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"+body)
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode)
		require.Equal(t, status != http.StatusOK, response.Close)
	}
}
