package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
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

// tuned is a site with a stream, and what it is sent through.
type tuned struct {
	*site
	opened chan *web.Events
}

func tune(t *testing.T, configure ...func(*web.Config)) *tuned {
	t.Helper()
	s := &tuned{site: newSite(t, configure...), opened: make(chan *web.Events, 1)}
	s.Public.GET("/stream", func(c echo.Context) error {
		e, err := s.Events(c, "")
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

func TestStreamLimits(t *testing.T) {
	t.Parallel()
	limits := web.StreamLimits{Most: 5, PerAddress: 4, PerSubject: 3, PerObject: 2}
	type opened struct {
		conn net.Conn
		*web.Events
	}
	setUp := func(t *testing.T, limits web.StreamLimits) (s *site, open func(subject, object string) (opened, int)) {
		streams := make(chan *web.Events, 1)
		s = newSite(t, func(c *web.Config) {
			c.Limits.Streams = limits
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		})
		s.Customer.GET("/stream/:id", func(c echo.Context) error {
			e, err := s.Events(c, c.Param("id"))
			streams <- e
			return err
		})
		return s, func(subject, object string) (opened, int) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			subject, address, _ := strings.Cut(subject, "@")
			_, err = fmt.Fprintf(conn, "GET /stream/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nX-Forwarded-For: %s\r\n\r\n", object, subject, address)
			require.NoError(t, err)
			e := <-streams
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			if response.StatusCode == http.StatusTooManyRequests {
				require.Equal(t, "5", response.Header.Get("Retry-After"))
				text, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.Contains(t, string(text), "too_many_streams")
			}
			return opened{conn, e}, response.StatusCode
		}
	}
	refuses := func(t *testing.T, open func(string, string) (opened, int), subject, object string) {
		t.Helper()
		_, status := open(subject, object)
		require.Equal(t, http.StatusTooManyRequests, status)
	}
	admits := func(t *testing.T, open func(string, string) (opened, int), subject, object string) opened {
		t.Helper()
		e, status := open(subject, object)
		require.Equal(t, http.StatusOK, status)
		return e
	}
	t.Run("Refuse", func(t *testing.T) {
		t.Parallel()
		s, open := setUp(t, limits)
		first := admits(t, open, "ann@192.0.2.1", "a")
		admits(t, open, "ann@192.0.2.1", "a")
		refuses(t, open, "ann@192.0.2.1", "a")
		admits(t, open, "ann@192.0.2.1", "b")
		refuses(t, open, "ann@192.0.2.1", "c")
		admits(t, open, "bob@192.0.2.1", "a")
		refuses(t, open, "eve@192.0.2.1", "a")
		admits(t, open, "eve@192.0.2.2", "a")
		refuses(t, open, "eve@192.0.2.3", "a")
		require.Equal(t, 5, s.OpenStreams())
		require.Equal(t, 1, strings.Count(s.logs.String(), `"level":"WARN","msg":"event streams are refused: the limit is reached","per":"object"`))

		first.End()
		<-first.Done()
		admits(t, open, "ann@192.0.2.4", "a")
	})
	t.Run("ForgetClientsThatLeft", func(t *testing.T) {
		t.Parallel()
		s, open := setUp(t, web.StreamLimits{PerObject: 2})
		for range 6 { // a page that is reloaded
			e := admits(t, open, "ann@192.0.2.1", "a")
			require.NoError(t, e.conn.Close())
		}
		admits(t, open, "ann@192.0.2.1", "a")
		admits(t, open, "ann@192.0.2.1", "a")
		refuses(t, open, "ann@192.0.2.1", "a")
		require.Equal(t, 2, s.OpenStreams())
	})
}
