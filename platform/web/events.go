package web

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// Event is one server-sent event.
type Event struct {
	Name string
	ID   string // a client that comes back says it in Last-Event-ID
	Data []byte // of one line, as JSON is
}

func (e Event) text() []byte {
	return fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n\n", e.Name, e.ID, e.Data)
}

const (
	heartbeat = ":\n\n" // a comment: proxies see that the stream lives, clients see nothing

	// eventsRetry is how long a client waits before it comes back.
	eventsRetry = 2 * time.Second

	// eventsAge is the longest life of a stream. Who comes back shows a token that is still good.
	eventsAge = time.Hour

	// eventsBuffer bounds what the system keeps for a client that does not read.
	eventsBuffer = 32 << 10
)

// Events is an open answer of server-sent events. It outlives its request, and no goroutine waits with it: one is there only
// while something is being written. So thousands of them cost little more than their sockets.
type Events struct {
	server  *Server
	conn    net.Conn
	chunked bool
	until   time.Time
	closed  func()
	done    chan struct{}

	mu    sync.Mutex
	head  []byte // of the answer, until it is written
	next  []byte // what is not written yet
	last  bool   // nothing comes after next
	busy  bool   // it is being written
	pulse *time.Timer
}

// Events answers 200 and leaves the stream open. closed is called once, when it is over, whoever ended it. It is nil for
// HEAD, which is answered.
func (s *Server) Events(c echo.Context, closed func()) (*Events, error) {
	r, h := c.Request(), c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx and its kin pass every event on at once
	if r.Method == http.MethodHead {
		return nil, c.NoContent(http.StatusOK)
	}
	if s.streams.isStopping() {
		return nil, errNotReady.Detailf("The service is stopping.")
	}
	conn, _, err := c.Response().Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over a connection for events: %w", err)
	}
	c.Response().Committed, c.Response().Status = true, http.StatusOK // for the log
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(eventsBuffer)
	}
	e := &Events{
		server: s, conn: conn, chunked: r.ProtoAtLeast(1, 1), until: time.Now().Add(eventsAge),
		closed: closed, done: make(chan struct{}), busy: true,
	}
	e.head = e.begin(h)
	e.mu.Lock() // from here on, others may end it
	defer e.mu.Unlock()
	e.last = !s.streams.add(e)
	e.pulse = time.AfterFunc(s.cfg.Heartbeat, e.beat)
	go e.write()
	return e, nil
}

// begin is how the answer begins.
func (e *Events) begin(h http.Header) []byte {
	h.Set(echo.HeaderConnection, "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if e.chunked {
		h.Set("Transfer-Encoding", "chunked")
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&b) // a buffer takes all
	b.WriteString("\r\n")
	return append(b.Bytes(), e.frame(fmt.Appendf(nil, "retry: %d\n\n", eventsRetry.Milliseconds()))...)
}

// Send sends an event when the client takes it, and does not wait for that. One that was not taken until then is replaced:
// events say how things are, and need not say how they came to be so.
func (e *Events) Send(event Event) { e.put(event.text(), false) }

// End closes the stream after what was sent.
func (e *Events) End() { e.put(nil, true) }

func (e *Events) put(text []byte, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if text != nil && !e.last {
		e.next = e.frame(text)
	}
	e.last = e.last || last
	e.stir()
}

// beat shows that the stream lives, and ends one that has lived for long.
func (e *Events) beat() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next == nil {
		e.next = e.frame([]byte(heartbeat))
	}
	e.last = e.last || time.Now().After(e.until)
	e.stir()
}

// stir has somebody write.
func (e *Events) stir() {
	if !e.busy {
		e.busy = true
		go e.write()
	}
}

// write writes until there is nothing more to write.
func (e *Events) write() {
	for {
		text, last := e.take()
		if len(text) == 0 && !last {
			return
		}
		if !e.flush(text) || last {
			e.close()
			return
		}
	}
}

// take is what to write next, and whether nothing comes after it. Without either, nobody is busy any more.
func (e *Events) take() (text []byte, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text = slices.Concat(e.head, e.next)
	e.head, e.next = nil, nil
	if e.last && e.chunked {
		text = append(text, "0\r\n\r\n"...)
	}
	if len(text) == 0 && !e.last {
		e.busy = false
		e.pulse.Reset(e.server.cfg.Heartbeat)
	}
	return text, e.last
}

// flush gives up on a client that takes nothing.
func (e *Events) flush(text []byte) bool {
	_ = e.conn.SetWriteDeadline(time.Now().Add(e.server.cfg.WriteTimeout)) // one that is closed fails below
	_, err := e.conn.Write(text)
	return err == nil
}

func (e *Events) frame(text []byte) []byte {
	if !e.chunked {
		return text
	}
	framed := strconv.AppendInt(nil, int64(len(text)), 16)
	return slices.Concat(framed, []byte("\r\n"), text, []byte("\r\n"))
}

// close is the end; busy stays, so that nobody writes any more.
func (e *Events) close() {
	e.mu.Lock()
	e.last = true
	e.pulse.Stop()
	e.mu.Unlock()
	_ = e.conn.Close()
	e.server.streams.remove(e)
	e.closed()
	close(e.done)
}

// streams are those that are open.
type streams struct {
	mu       sync.Mutex
	open     map[*Events]struct{}
	stopping bool
}

func (s *streams) add(e *Events) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if s.open == nil {
		s.open = map[*Events]struct{}{}
	}
	s.open[e] = struct{}{}
	return true
}

func (s *streams) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func (s *streams) remove(e *Events) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, e)
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// end ends them all after what was sent, and cuts off those that have not taken it when late is closed.
func (s *streams) end(late <-chan struct{}) {
	s.mu.Lock()
	s.stopping = true
	all := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, e := range all {
		e.End()
	}
	for _, e := range all {
		select {
		case <-e.done:
		case <-late:
			_ = e.conn.Close()
			<-e.done
		}
	}
}

// OpenStreams is the number of answers of server-sent events that are open.
func (s *Server) OpenStreams() int { return s.streams.count() }
