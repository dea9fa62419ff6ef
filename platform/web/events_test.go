package web_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

// tuned is a site with a stream, and what it is sent through.
type tuned struct {
	*site
	opened chan *web.Events
}

func tune(t *testing.T, configure ...func(*web.Config)) *tuned {
	t.Helper()
	s := &tuned{site: newSite(t, configure...), opened: make(chan *web.Events, 1)}
	s.Public.GET("/stream", func(c echo.Context) error {
		e, err := s.Events(c)
		if e != nil {
			s.opened <- e
		}
		return err
	})
	return s
}

// asks opens the stream by hand, as HTTP of a version, and gives the connection behind the head of the answer.
func (s *tuned) asks(version string) (net.Conn, *bufio.Reader, []string) {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.Write([]byte("GET /stream HTTP/" + version + "\r\nHost: x\r\n\r\n"))
	require.NoError(s.t, err)
	r := bufio.NewReader(conn)
	var head []string
	for {
		line, err := r.ReadString('\n')
		require.NoError(s.t, err)
		if line == "\r\n" {
			return conn, r, head
		}
		head = append(head, strings.TrimSpace(line))
	}
}

func (s *tuned) follows() *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/stream", nil)
	require.NoError(s.t, err)
	a, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = a.Body.Close() })
	return a
}

func event(id, data string) web.Event { return web.Event{Name: "change", ID: id, Data: []byte(data)} }

func TestEvents(t *testing.T) {
	t.Parallel()
	t.Run("ComeOneByOneAndEndWell", func(t *testing.T) {
		t.Parallel()
		s := tune(t)
		a := s.follows()
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Equal(t, "text/event-stream", a.Header.Get("Content-Type"))
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		require.Equal(t, "no", a.Header.Get("X-Accel-Buffering"))
		require.NotEmpty(t, a.Header.Get("X-Request-Id"))
		require.NotEmpty(t, a.Header.Get("Date"))
		e, r := <-s.opened, bufio.NewReader(a.Body)
		require.Equal(t, "retry: 2000\n\n", two(t, r))
		for _, id := range []string{"1", "2"} {
			e.Send(event(id, `{"n":`+id+`}`))
			require.Equal(t, "event: change\nid: "+id+"\n", two(t, r))
			require.Equal(t, "data: {\"n\":"+id+"}\n\n", two(t, r))
		}
		e.Send(event("3", "last"))
		e.End()
		e.Send(event("4", "too late"))
		rest, err := io.ReadAll(r)
		require.NoError(t, err, "it ends, and does not break off")
		require.Equal(t, "event: change\nid: 3\ndata: last\n\n", string(rest))
		<-e.Done()
		require.Zero(t, s.OpenStreams())
	})
	t.Run("AreNotFramedForOldClients", func(t *testing.T) {
		t.Parallel()
		s := tune(t)
		_, r, head := s.asks("1.0")
		require.NotContains(t, head, "Transfer-Encoding: chunked")
		e := <-s.opened
		require.Equal(t, "retry: 2000\n\n", two(t, r))
		e.Send(event("1", "x"))
		e.End()
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "event: change\nid: 1\ndata: x\n\n", string(rest))
	})
	t.Run("HeadHasNone", func(t *testing.T) {
		t.Parallel()
		s := tune(t)
		a := s.send(http.MethodHead, "/stream", "")
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Equal(t, "text/event-stream", a.Header.Get("Content-Type"))
		require.Zero(t, s.OpenStreams())
	})
	t.Run("GoOnPastTheTimeOutOfRequests", func(t *testing.T) {
		t.Parallel()
		s := tune(t, func(c *web.Config) { c.Timeout, c.Heartbeat = time.Millisecond, 5*time.Millisecond })
		a := s.follows()
		r := bufio.NewReader(a.Body)
		require.Equal(t, "retry: 2000\n\n", two(t, r))
		for range 20 {
			require.Equal(t, ":\n\n", two(t, r))
		}
		(<-s.opened).End()
		_, err := io.ReadAll(r)
		require.NoError(t, err)
	})
	t.Run("EndWhenTheClientHasGone", func(t *testing.T) {
		t.Parallel()
		s := tune(t, func(c *web.Config) { c.Heartbeat = 5 * time.Millisecond })
		conn, _, _ := s.asks("1.1")
		e := <-s.opened
		require.NoError(t, conn.Close())
		<-e.Done()
	})
	t.Run("DoNotPileUpForAClientThatDoesNotRead", func(t *testing.T) {
		t.Parallel()
		s := tune(t, func(c *web.Config) { c.WriteTimeout = time.Hour })
		_, r, _ := s.asks("1.0")
		e := <-s.opened
		big := bytes.Repeat([]byte("x"), 1<<20)
		const sent = 100
		for range sent {
			e.Send(web.Event{Name: "big", ID: "1", Data: big})
		}
		e.Send(event("2", "newest"))
		e.End()
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Less(t, len(text), sent/2*len(big), "what was not taken was replaced")
		require.True(t, bytes.HasSuffix(text, []byte("event: change\nid: 2\ndata: newest\n\n")), "by the newest")
	})
	t.Run("AreGivenUpForAClientThatNeverReads", func(t *testing.T) {
		t.Parallel()
		s := tune(t, func(c *web.Config) { c.WriteTimeout = 10 * time.Millisecond })
		s.asks("1.1")
		e := <-s.opened
		for isOpen(e.Done()) {
			e.Send(web.Event{Name: "big", ID: "1", Data: make([]byte, 1<<20)})
		}
	})
}

func isOpen(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	case <-time.After(time.Millisecond):
		return true
	}
}

// two reads two lines.
func two(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	first, err := r.ReadString('\n')
	require.NoError(t, err)
	second, err := r.ReadString('\n')
	require.NoError(t, err)
	return first + second
}

func TestRunEndsStreams(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, s *tuned) (stop func(), ended chan error) {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		s.url = "http://" + listener.Addr().String()
		ctx, stop := context.WithCancel(t.Context())
		ended = make(chan error, 1)
		go func() { ended <- s.Run(ctx, listener, nil) }()
		return stop, ended
	}
	t.Run("AfterWhatWasSent", func(t *testing.T) {
		t.Parallel()
		s := tune(t)
		stop, ended := run(t, s)
		a := s.follows()
		(<-s.opened).Send(event("1", "x"))
		stop()
		text, err := io.ReadAll(a.Body)
		require.NoError(t, err)
		require.Contains(t, string(text), "data: x\n\n")
		require.NoError(t, <-ended)
		require.Zero(t, s.OpenStreams())
	})
	t.Run("AndCutsThemOffAfterTheGrace", func(t *testing.T) {
		t.Parallel()
		s := tune(t, func(c *web.Config) { c.WriteTimeout, c.Grace = time.Hour, 10*time.Millisecond })
		stop, ended := run(t, s)
		s.asks("1.1")
		e := <-s.opened
		e.Send(web.Event{Name: "big", ID: "1", Data: make([]byte, 8<<20)})
		stop()
		<-ended
		<-e.Done()
	})
}
