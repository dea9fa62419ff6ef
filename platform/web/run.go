package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Run serves on the listener until ctx ends. Then the server is not ready but still serves for Config.DrainDelay, stops accepting,
// lets requests in flight finish for at most Config.Grace, closes the listener and returns.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := s.httpServer()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(newWarningListener(listener, s.cfg.Log)) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.drain.Do(func() { close(s.draining) })
	select {
	case err := <-failed:
		return err
	case <-time.After(s.cfg.DrainDelay): // by then load balancers use other replicas
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	ended := make(chan struct{})
	go func() { // Shutdown does not know hijacked connections
		defer close(ended)
		s.streams.end(grace.Done())
	}()
	err := server.Shutdown(grace)
	<-ended
	if errors.Is(err, context.DeadlineExceeded) {
		s.cfg.Log.Warn("requests were cut off", slog.Duration("grace", s.cfg.Grace))
		err = errors.Join(err, server.Close())
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// httpServer sets every timeout, so that a slow client cannot hold a connection for ever. Requests do not inherit Run's context, since
// they finish after it has ended.
func (s *Server) httpServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.cfg.Timeout + MaxWait + 15*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}
