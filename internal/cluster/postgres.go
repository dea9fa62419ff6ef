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
	url     string
}

// Start starts the server, and returns when it accepts connections, after a recovery if it had crashed.
func (p *Postgres) Start(ctx context.Context) error {
	running, err := database.Start(ctx, p.EmbeddedConfig)
	if err != nil {
		return err
	}
	p.running = running
	if p.url == "" { // replicas read it while the server restarts
		p.url = running.URL("shop")
	}
	return nil
}

// URL returns the URL of the database. It is the same after every start.
func (p *Postgres) URL() string { return p.url }

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
