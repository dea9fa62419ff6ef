package web

import (
	linked "container/list"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"
)

// ConnectionReserve is the number of connections above the limit that are open to health checks alone, so that an overloaded process can
// be told from a dead one.
const ConnectionReserve = 32

// connections counts the connections of a listener and refuses those beyond its limits. When all places are taken, a connection without a
// request, be it new or kept alive, makes room for a new one, the oldest first. So slow heads of requests and idle clients keep no other
// address out.
type connections struct {
	limits  ConnectionLimits
	shared  func(netip.Addr) bool // whether many clients use the address
	refused func(by string)
	log     *slog.Logger

	mu            sync.Mutex
	main, reserve places
	by            map[string]int // by address

	delayed    atomic.Int64 // refused connections that are still open
	turnedAway atomic.Int64 // since the last warning
	warning    rate.Sometimes
}

// places is a number of connections.
type places struct {
	most, open int
	idle       linked.List // of *connection, the longest idle first
}

func newConnections(limits ConnectionLimits, shared func(netip.Addr) bool, log *slog.Logger, refused func(by string)) *connections {
	return &connections{
		limits: limits, shared: shared, refused: refused, log: log, by: map[string]int{},
		main: places{most: limits.Most}, reserve: places{most: ConnectionReserve}, warning: rate.Sometimes{Interval: warningInterval},
	}
}

// connection is an admitted connection.
type connection struct {
	net.Conn
	of      *connections
	address string
	in      *places         // nil once it is closed
	idle    *linked.Element // in the list of its places while it has no request
}

// limitedListener admits the connections of a listener.
type limitedListener struct {
	net.Listener
	connections *connections
}

// Accept is part of net.Listener. It turns away the connections that are refused.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if admitted := l.connections.admit(conn); admitted != nil {
			return admitted, nil
		}
		l.connections.turnAway(conn)
	}
}

// turnAway closes a refused connection, after the delay if there is room to keep it.
func (c *connections) turnAway(conn net.Conn) {
	if c.delayed.Add(1) > int64(c.limits.Delayed) {
		c.delayed.Add(-1)
		_ = conn.Close()
		return
	}
	time.AfterFunc(c.limits.Delay, func() {
		_ = conn.Close()
		c.delayed.Add(-1)
	})
}

// admit returns the connection with a place, or nil.
func (c *connections) admit(conn net.Conn) net.Conn {
	address := remoteAddress(conn)
	one := &connection{Conn: conn, of: c, address: AddressKey(address)}
	c.mu.Lock()
	out, by := c.enter(one, c.limits.PerAddress > 0 && !c.shared(address))
	c.mu.Unlock()
	if out != nil {
		_ = out.Conn.Close()
	}
	if by != "" {
		c.warn(one.address, by)
		return nil
	}
	return one
}

// enter gives the connection a place and returns the idle connection that loses its own. Without a place, by says which limit is reached.
func (c *connections) enter(one *connection, perAddress bool) (out *connection, by string) {
	if perAddress && c.by[one.address] >= c.limits.PerAddress {
		return nil, "address"
	}
	for _, in := range []*places{&c.main, &c.reserve} {
		if oldest := in.idle.Front(); in.open >= in.most && oldest != nil {
			out = oldest.Value.(*connection)
			out.leave()
		}
		if in.open < in.most {
			in.open++
			c.by[one.address]++
			one.in, one.idle = in, in.idle.PushBack(one)
			return out, ""
		}
	}
	return nil, "all"
}

// leave frees the place. The caller holds the mutex.
func (one *connection) leave() {
	if one.in == nil {
		return
	}
	one.setIdle(false)
	one.in.open--
	if one.of.by[one.address]--; one.of.by[one.address] == 0 {
		delete(one.of.by, one.address)
	}
	one.in = nil
}

// setIdle says whether the connection has no request. The caller holds the mutex.
func (one *connection) setIdle(idle bool) {
	switch {
	case one.in == nil || idle == (one.idle != nil):
	case idle:
		one.idle = one.in.idle.PushBack(one)
	default:
		one.in.idle.Remove(one.idle)
		one.idle = nil
	}
}

// Close is part of net.Conn.
func (one *connection) Close() error {
	one.of.mu.Lock()
	one.leave()
	one.of.mu.Unlock()
	return one.Conn.Close()
}

// SetWriteBuffer limits the memory of the operating system for unread data.
func (one *connection) SetWriteBuffer(bytes int) error {
	if tcp, ok := one.Conn.(*net.TCPConn); ok {
		return tcp.SetWriteBuffer(bytes)
	}
	return nil
}

// warn counts a refusal, and logs at most every ten seconds.
func (c *connections) warn(address, by string) {
	c.refused(by)
	c.turnedAway.Add(1)
	c.warning.Do(func() {
		setting, limit := "MAX_CONNECTIONS", c.limits.Most
		if by == "address" {
			setting, limit = "MAX_CONNECTIONS_PER_ADDRESS", c.limits.PerAddress
		}
		c.log.Warn("connections are refused: the limit is reached", "setting", setting, "limit", limit, "last_address", address,
			"refused", c.turnedAway.Swap(0))
	})
}

// changed follows the state of a connection, as http.Server.ConnState reports it.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if one := admitted(conn); one != nil && (state == http.StateActive || state == http.StateIdle) {
		c.mu.Lock()
		one.setIdle(state == http.StateIdle)
		c.mu.Unlock()
	}
}

// admitted returns the admitted connection below TLS.
func admitted(conn net.Conn) *connection {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	one, _ := conn.(*connection)
	return one
}

// reservedKey marks the context of a connection that has a place of the reserve.
type reservedKey struct{}

// mark marks the context of a connection, as http.Server.ConnContext calls it.
func (c *connections) mark(ctx context.Context, conn net.Conn) context.Context {
	if one := admitted(conn); one != nil && one.in == &c.reserve {
		return context.WithValue(ctx, reservedKey{}, true)
	}
	return ctx
}

// OpenConnections returns the number of open connections, or 0 without a limit.
func (s *Server) OpenConnections() int {
	if s.connections == nil {
		return 0
	}
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	return s.connections.main.open + s.connections.reserve.open
}

// refuseReserved refuses a request on a connection of the reserve, unless it asks for health. The connection closes after the answer.
func (s *Server) refuseReserved(c echo.Context) error {
	if c.Request().Context().Value(reservedKey{}) == nil {
		return nil
	}
	c.Response().Header().Set(echo.HeaderConnection, "close")
	switch c.Request().URL.Path {
	case "/healthz", "/readyz":
		return nil
	}
	s.connections.warn(CallerOf(c).Address.String(), "all")
	return errTooManyConnections
}

func remoteAddress(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
