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

// Line is a proxy to a database that fails on command.
type Line struct {
	url       string
	to        [2]string // network and address
	listener  net.Listener
	dialed    atomic.Int64
	forgetful atomic.Pointer[forgotten]
	silent    atomic.Bool

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// NewLine returns a proxy to the database at a URL. It ends with the test.
func NewLine(t testing.TB, database string) *Line {
	t.Helper()
	dir, err := os.MkdirTemp("", "line")
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
	l := &Line{url: u.String(), conns: map[net.Conn]bool{}}
	l.to[0], l.to[1] = pgconn.NetworkAddress(to.Host, to.Port)
	if l.listener, err = net.Listen("unix", filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(int(to.Port)))); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	go l.accept()
	t.Cleanup(func() {
		_ = l.listener.Close()
		l.Cut()
	})
	return l
}

// URL returns the URL of the database through the proxy.
func (l *Line) URL() string { return l.url }

// Dialed returns the number of connection attempts, failed ones included.
func (l *Line) Dialed() int { return int(l.dialed.Load()) }

// Cut closes every connection, and each new one at once, until Mend.
func (l *Line) Cut() { l.set(true) }

// Mend lets new connections through. It closes the hushed ones, so their data is lost.
func (l *Line) Mend() {
	if l.silent.Swap(false) {
		l.set(true)
	}
	l.set(false)
}

// Hush keeps connections open and accepts new ones, but carries nothing, until Mend.
func (l *Line) Hush() { l.silent.Store(true) }

// LoseAnswer cuts the connection on which the server next completes a command with that tag, such as COMMIT, before the client
// sees the answer. It calls then, if not nil, in between.
func (l *Line) LoseAnswer(tag string, then func()) {
	if then == nil {
		then = func() {}
	}
	message := binary.BigEndian.AppendUint32([]byte{'C'}, uint32(4+len(tag)+1)) // CommandComplete
	l.forgetful.Store(&forgotten{append(append(message, tag...), 0), then})
}

// Lost reports whether that happened.
func (l *Line) Lost() bool { return l.forgetful.Load() == nil }

// forgotten is the next answer to lose.
type forgotten struct {
	answer []byte
	then   func()
}

func (l *Line) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down = down; !down {
		return
	}
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

func (l *Line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.dialed.Add(1)
		server, err := net.Dial(l.to[0], l.to[1])
		if err != nil || !l.keep(client, server) {
			_ = client.Close()
			continue
		}
		go l.carry(client, server, false)
		go l.carry(server, client, true)
	}
}

func (l *Line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		if l.down {
			_ = c.Close()
		} else {
			l.conns[c] = true
		}
	}
	return !l.down
}

func (l *Line) carry(from, to net.Conn, answers bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if f := l.forgetful.Load(); f != nil && answers && bytes.Contains(buffer[:n], f.answer) && l.forgetful.CompareAndSwap(f, nil) {
			f.then()
			return
		}
		if n > 0 && !l.silent.Load() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
