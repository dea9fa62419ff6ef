package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"shopping-cart/platform/database"
)

// postgres is the database of all replicas, at PostgreSQL's default durability.
type postgres struct {
	config database.EmbeddedConfig
	url    string // constant as long as the directory exists

	mu      sync.Mutex
	running *database.Embedded // nil while it is away
}

func startPostgres(ctx context.Context, dir, binDir string) (*postgres, error) {
	p := &postgres{config: database.EmbeddedConfig{
		Dir: filepath.Join(dir, "postgres"), BinDir: binDir, Params: map[string]string{"max_connections": "300"},
		Logger: slog.New(slog.DiscardHandler), // its end is intended
	}}
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	p.url = p.running.URL("shop")
	return p, nil
}

func (p *postgres) start(ctx context.Context) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, err = database.Start(ctx, p.config)
	return err
}

// stopsWithin limits an orderly stop.
const stopsWithin = 30 * time.Second

// stop ends all sessions, in order or by an immediate shutdown. After the latter it recovers as after a crash.
func (p *postgres) stop(crash bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopsWithin)
	defer cancel()
	if crash {
		cancel()
	}
	_ = p.running.Stop(ctx) // the error reports the missing order
	p.running = nil
}

func (p *postgres) end() { p.stop(true) }

// restarts stops the server for that long.
func (p *postgres) restarts(ctx context.Context, crash bool, away time.Duration) error {
	p.stop(crash)
	pause(ctx, away)
	if err := p.start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("PostgreSQL does not start again: %w", err)
	}
	return nil
}
