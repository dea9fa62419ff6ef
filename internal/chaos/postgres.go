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

// postgres is the database of all replicas, with the durability that it has by default.
type postgres struct {
	config database.EmbeddedConfig
	url    string // stays the same for as long as the directory does

	mu      sync.Mutex
	running *database.Embedded // nil while it is away
}

func startPostgres(ctx context.Context, dir, binDir string) (*postgres, error) {
	p := &postgres{config: database.EmbeddedConfig{
		Dir: filepath.Join(dir, "postgres"), BinDir: binDir, Params: map[string]string{"max_connections": "300"},
		Logger: slog.New(slog.DiscardHandler), // it ends because we want it to
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

// stopsWithin bounds a stop in good order.
const stopsWithin = 30 * time.Second

// stop cuts everybody off: in good order, or by an immediate shutdown, after which it recovers as after a crash.
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
	_ = p.running.Stop(ctx) // the error says that it was not in good order
	p.running = nil
}

func (p *postgres) end() { p.stop(true) }

// restarts takes the server away for so long.
func (p *postgres) restarts(ctx context.Context, crash bool, away time.Duration) error {
	p.stop(crash)
	pause(ctx, away)
	if err := p.start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("PostgreSQL does not come back: %w", err)
	}
	return nil
}
