package web

import (
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// warningInterval is the shortest time between two warnings about the same limit.
const warningInterval = 10 * time.Second

// warningListener warns, at most every ten seconds, that the process or the machine has no file descriptor for another connection.
// The server retries by itself. Without the warning nobody would know why it accepts no client.
type warningListener struct {
	net.Listener
	log     *slog.Logger
	warning rate.Sometimes
}

func newWarningListener(l net.Listener, log *slog.Logger) *warningListener {
	return &warningListener{Listener: l, log: log, warning: rate.Sometimes{Interval: warningInterval}}
}

// Accept is part of net.Listener.
func (l *warningListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		l.warning.Do(func() {
			l.log.Warn("no connection can be accepted: the limit of open files is reached (ulimit -n, LimitNOFILE)", "limit", OpenFiles(), "reason", err)
		})
	}
	return conn, err
}
