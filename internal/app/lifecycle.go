package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Serve starts the groups from the inside out. It stops them from the outside in when ctx is done or a part fails. grace limits
// each group but the HTTP server.
func (p *App) Serve(ctx context.Context, listeners Listeners, grace time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := p.start(cancel)
	err := p.Web.Run(ctx, listeners.Public, listeners.Admin)
	return errors.Join(err, stop(grace))
}

// start starts everything except the HTTP server. It calls failed when a part ends too early.
func (p *App) start(failed func()) (stop func(grace time.Duration) error) {
	var databases []runner
	for _, db := range p.Databases {
		databases = append(databases, db)
	}
	groups := []*group{start(failed, databases...), start(failed, append(p.simulated, p.tokens, p.Carts, p.Orders, p.Payments, p.Audit)...), start(failed, p.Sagas)}
	return func(grace time.Duration) (err error) {
		for _, g := range slices.Backward(groups) {
			err = errors.Join(err, g.stop(grace))
		}
		return err
	}
}

// group holds parts that start and stop together.
type group struct {
	cancel context.CancelFunc
	ended  chan error
}

func start(failed func(), parts ...runner) *group {
	ctx, cancel := context.WithCancel(context.Background())
	l := &group{cancel: cancel, ended: make(chan error, 1)}
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		g.Go(func() error {
			err := part.Run(ctx)
			if err != nil {
				failed()
			}
			return err
		})
	}
	go func() { l.ended <- g.Wait() }()
	return l
}

func (l *group) stop(grace time.Duration) error {
	l.cancel()
	select {
	case err := <-l.ended:
		return err
	case <-time.After(grace):
		return errors.New("the shutdown exceeded its time limit; unfinished work resumes at the next start")
	}
}
