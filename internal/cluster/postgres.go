package cluster

import (
	"context"
	"time"

	"shopping-cart/platform/database"
)

// Postgres is a PostgreSQL server that is stopped or crashed, and started again with the same data and URL.
type Postgres struct {
	database.EmbeddedConfig
	running *database.Embedded
}

// Start starts the server, and returns when it accepts connections, after a recovery if it had crashed.
func (p *Postgres) Start(ctx context.Context) error {
	running, err := database.Start(ctx, p.EmbeddedConfig)
	if err == nil {
		p.running = running
	}
	return err
}

// URL returns the URL of the database.
func (p *Postgres) URL() string { return p.running.URL("shop") }

// stopTimeout limits an orderly stop.
const stopTimeout = 30 * time.Second

// Stop shuts the server down in order. Every session is terminated and everything is written.
func (p *Postgres) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return p.running.Stop(ctx)
}

// Crash ends the server at once. Sessions are cut, unwritten data is lost, and the next start recovers.
func (p *Postgres) Crash() { p.running.Crash() }
