//go:build !windows

package pgtest

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy is a proxy to a database that fails on command.
type Proxy struct {
	url      string
	to       [2]string // network and address
	listener net.Listener
	dialed   atomic.Int64
	dropping atomic.Pointer[drop]
	silent   atomic.Bool

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// NewProxy returns a proxy to the database at a URL. It ends with the test.
func NewProxy(t testing.TB, database string) *Proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	to, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	q := u.Query()
	q.Set("host", dir)
	q.Set("port", strconv.Itoa(int(to.Port)))
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	p := &Proxy{url: u.String(), conns: map[net.Conn]bool{}}
	p.to[0], p.to[1] = pgconn.NetworkAddress(to.Host, to.Port)
	if p.listener, err = net.Listen("unix", filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(int(to.Port)))); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	go p.accept()
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.Cut()
	})
	return p
}

// URL returns the URL of the database through the proxy.
func (p *Proxy) URL() string { return p.url }

// Dialed returns the number of connection attempts, failed ones included.
func (p *Proxy) Dialed() int { return int(p.dialed.Load()) }

// Cut closes every connection, and each new one at once, until Restore.
func (p *Proxy) Cut() { p.set(true) }

// Restore lets new connections through. It closes the silent ones, so their data is lost.
func (p *Proxy) Restore() {
	if p.silent.Swap(false) {
		p.set(true)
	}
	p.set(false)
}

// Blackhole keeps connections open and accepts new ones, but carries nothing, until Restore.
func (p *Proxy) Blackhole() { p.silent.Store(true) }

// DropResponse cuts the connection on which the server next completes a command with that tag, such as COMMIT, before the client
// sees the answer. It calls then, if not nil, in between.
func (p *Proxy) DropResponse(tag string, then func()) {
	if then == nil {
		then = func() {}
	}
	message := binary.BigEndian.AppendUint32([]byte{'C'}, uint32(4+len(tag)+1)) // CommandComplete
	p.dropping.Store(&drop{append(append(message, tag...), 0), then})
}

// Dropped reports whether that happened.
func (p *Proxy) Dropped() bool { return p.dropping.Load() == nil }

// drop is the next answer to lose.
type drop struct {
	answer []byte
	then   func()
}

func (p *Proxy) set(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down = down; !down {
		return
	}
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.dialed.Add(1)
		server, err := net.Dial(p.to[0], p.to[1])
		if err != nil || !p.keep(client, server) {
			_ = client.Close()
			continue
		}
		go p.carry(client, server, false)
		go p.carry(server, client, true)
	}
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.down {
			_ = c.Close()
		} else {
			p.conns[c] = true
		}
	}
	return !p.down
}

func (p *Proxy) carry(from, to net.Conn, answers bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if f := p.dropping.Load(); f != nil && answers && bytes.Contains(buffer[:n], f.answer) && p.dropping.CompareAndSwap(f, nil) {
			f.then()
			return
		}
		if n > 0 && !p.silent.Load() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
