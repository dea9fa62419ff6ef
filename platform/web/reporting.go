package web

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// reporting is a listener that warns when the process or the machine has no file descriptor for another connection. The
// server tries again by itself, and without the warning nobody would know why no client is let in.
type reporting struct {
	net.Listener
	log *slog.Logger

	mu   sync.Mutex
	last time.Time // of the latest warning
}

// warnEvery is how long one warning stands for all.
const warnEvery = 10 * time.Second

// Accept is part of net.Listener.
func (r *reporting) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		r.warn(err)
	}
	return conn, err
}

func (r *reporting) warn(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.last) < warnEvery {
		return
	}
	r.last = time.Now()
	r.log.Warn("no connection can be accepted: the limit of open files is reached (ulimit -n, LimitNOFILE)", "limit", openFiles(), "reason", err)
}
