package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Run serves on the listeners until ctx ends. Then the server is not ready but still serves for Config.DrainDelay, stops accepting,
// lets requests in flight finish for at most Config.Grace, closes the listeners and returns. admin serves the routes for operators too;
// it is nil unless Config.AdminApart.
func (s *Server) Run(ctx context.Context, listener, admin net.Listener) error {
	running := servers{s.start(listener, s.public, s.connections)}
	if admin != nil {
		running = append(running, s.start(admin, s.echo, nil))
	}
	failed := running.failed()
	select {
	case <-failed:
		return running.close()
	case <-ctx.Done():
	}
	s.drain.Do(func() { close(s.draining) })
	select {
	case <-failed:
		return running.close()
	case <-time.After(s.cfg.DrainDelay): // by then load balancers use other replicas
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	ended := make(chan struct{})
	go func() { // Shutdown does not know hijacked connections
		defer close(ended)
		s.streams.end(grace.Done())
	}()
	err := running.shutdown(grace)
	<-ended
	if errors.Is(err, context.DeadlineExceeded) {
		s.cfg.Log.Warn("requests were cut off", slog.Duration("grace", s.cfg.Grace))
	}
	return errors.Join(err, running.close())
}

// serving is a server on a listener. err is set when ended is closed.
type serving struct {
	*http.Server
	ended chan struct{}
	err   error
}

// start serves a handler on a listener. limits limits its connections; nil: no limit.
func (s *Server) start(listener net.Listener, handler http.Handler, limits *connections) *serving {
	one := &serving{Server: s.httpServer(handler), ended: make(chan struct{})}
	listener = newWarningListener(listener, s.cfg.Log)
	if limits != nil {
		listener = &limitedListener{listener, limits}
		one.ConnState, one.ConnContext = limits.changed, limits.mark
	}
	if s.cfg.Certificate != nil {
		listener = tls.NewListener(listener, s.cfg.Certificate.server())
	}
	go func() {
		defer close(one.ended)
		if err := one.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			one.err = err
		}
	}()
	return one
}

// servers are the servers of all listeners.
type servers []*serving

// failed returns a channel that is closed when one of the servers ends.
func (g servers) failed() <-chan struct{} {
	first, once := make(chan struct{}), sync.Once{}
	for _, one := range g {
		go func() {
			<-one.ended
			once.Do(func() { close(first) })
		}()
	}
	return first
}

// shutdown waits for the requests of all servers.
func (g servers) shutdown(ctx context.Context) error {
	errs, all := make([]error, len(g)), sync.WaitGroup{}
	for i, one := range g {
		all.Go(func() { errs[i] = one.Shutdown(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// close closes what is still open, and returns the errors of the servers.
func (g servers) close() (err error) {
	for _, one := range g {
		err = errors.Join(err, one.Close())
		<-one.ended
		err = errors.Join(err, one.err)
	}
	return err
}

// httpServer sets every timeout, so that a slow client cannot hold a connection for ever. Requests do not inherit Run's context, since
// they finish after it has ended.
func (s *Server) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.cfg.Timeout + MaxWait + 15*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}
