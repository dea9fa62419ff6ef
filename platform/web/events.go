package web

import (
	"bytes"
	"crypto/tls"
	"fmt"
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
	ID   string // a client that reconnects sends it in Last-Event-ID
	Data []byte // one line, such as JSON
}

func (e Event) text() []byte {
	return fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n\n", e.Name, e.ID, e.Data)
}

const (
	heartbeat = ":\n\n" // a comment: it keeps proxies from closing the stream, and clients ignore it

	// eventsRetry is how long a client waits before it reconnects.
	eventsRetry = 2 * time.Second

	// eventsAge is the longest life of a stream. A client that reconnects must send a token that is still valid.
	eventsAge = time.Hour

	// streamsRetry is how long a client waits after it was refused a stream.
	streamsRetry = 5 * time.Second

	// eventsBuffer limits the memory of the operating system for a client that does not read.
	eventsBuffer = 32 << 10
)

// Events is an open stream of server-sent events. It outlives the handler, and a goroutine runs only while it writes. A process with
// 5,000 streams takes 34 MB at most. With http.ResponseController each stream would keep two goroutines and the buffers of the server,
// and the process would take 187 MB.
type Events struct {
	server  *Server
	place   *streamPlace
	conn    net.Conn
	chunked bool
	until   time.Time
	done    chan struct{}

	mu    sync.Mutex
	head  []byte // of the answer, until it is written
	next  []byte // the text to write next
	last  bool   // nothing comes after next
	busy  bool   // a goroutine is writing
	pulse *time.Timer
}

// Events answers 200 and leaves the stream open. object is what the client follows, such as a checkout: the streams of one client on one
// object are few. For HEAD it answers and returns nil.
func (s *Server) Events(c echo.Context, object string) (*Events, error) {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx then forwards every event at once
	if c.Request().Method == http.MethodHead {
		return nil, c.NoContent(http.StatusOK)
	}
	if s.streams.isStopping() {
		return nil, errNotReady.Detailf("The service is stopping.")
	}
	caller := CallerOf(c)
	place := &streamPlace{subject: caller.Subject, object: object, address: AddressKey(caller.Address)}
	if by := s.streams.enter(place); by != "" {
		s.refused.streams.Add(1)
		s.countLimited("streams", by)
		s.streams.warn(s.cfg.Log, place, by)
		return nil, errTooManyStreams.After(streamsRetry)
	}
	conn, _, err := c.Response().Hijack()
	if err != nil {
		s.streams.leave(place)
		return nil, fmt.Errorf("take over a connection for events: %w", err)
	}
	c.Response().Committed, c.Response().Status = true, http.StatusOK // for the log
	below := conn
	if secured, ok := conn.(*tls.Conn); ok {
		below = secured.NetConn()
	}
	if buffered, ok := below.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = buffered.SetWriteBuffer(eventsBuffer)
	}
	return s.stream(c, conn, place), nil
}

// stream begins a stream on a connection.
func (s *Server) stream(c echo.Context, conn net.Conn, place *streamPlace) *Events {
	e := &Events{
		server: s, place: place, conn: conn, chunked: c.Request().ProtoAtLeast(1, 1), until: time.Now().Add(eventsAge),
		done: make(chan struct{}), busy: true,
	}
	e.head = e.begin(c.Response().Header())
	e.mu.Lock() // from here on, other goroutines may end it
	defer e.mu.Unlock()
	e.last = !s.streams.add(e)
	e.pulse = time.AfterFunc(s.cfg.Heartbeat, e.beat)
	go e.write()
	return e
}

// begin returns the head of the answer and the first line of the stream.
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

// Send queues an event and does not wait for the client. It replaces an event that still waits, since each event shows the whole
// current state.
func (e *Events) Send(event Event) { e.put(event.text(), false) }

// End closes the stream after the event that still waits.
func (e *Events) End() { e.put(nil, true) }

func (e *Events) put(text []byte, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if text != nil && !e.last {
		e.next = e.frame(text)
	}
	e.last = e.last || last
	e.startWriter()
}

// beat sends a heartbeat, and ends a stream that has reached its age.
func (e *Events) beat() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next == nil {
		e.next = e.frame([]byte(heartbeat))
	}
	e.last = e.last || time.Now().After(e.until)
	e.startWriter()
}

// startWriter starts a goroutine that writes, unless there is one. The caller holds the mutex.
func (e *Events) startWriter() {
	if !e.busy {
		e.busy = true
		go e.write()
	}
}

// write writes until nothing is queued.
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

// take returns the text to write next, and whether it is the last. With nothing to do it ends the turn of the writer.
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

// flush fails when the client reads nothing for Config.WriteTimeout.
func (e *Events) flush(text []byte) bool {
	_ = e.conn.SetWriteDeadline(time.Now().Add(e.server.cfg.WriteTimeout)) // a closed connection fails below
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

// close ends the stream. busy stays true, so that no other writer starts.
func (e *Events) close() {
	e.mu.Lock()
	e.last = true
	e.pulse.Stop()
	e.mu.Unlock()
	_ = e.conn.Close()
	e.server.streams.remove(e)
	close(e.done)
}

// Done is closed when the stream has ended for any reason.
func (e *Events) Done() <-chan struct{} { return e.done }
