package eventstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// RunConfig configures the background work of a store.
type RunConfig struct {
	SingleProcess    bool          // no other process uses the store, so its outbox is redelivered at the start
	Control          *pgxpool.Pool // connections for background work; nil selects those of reads
	ReceiptRetention time.Duration // how long receipts and discarded messages are kept; 0 keeps them forever
	Failed           func(error)   // called with errors that will be retried
}

// Run does the background work of a store until ctx is done: it relays the outbox, retries parked messages, runs the
// projections and deletes old rows. Any number of processes may run it at once. It returns after the running handlers have
// ended.
func (s *Store) Run(ctx context.Context, c RunConfig) error {
	if c.Control == nil {
		c.Control = s.query
	}
	var parts sync.WaitGroup
	parts.Go(func() { s.relay(ctx, c) })
	parts.Go(func() { s.retryHandlers(ctx, c) })
	parts.Go(func() { _ = s.RunProjections(ctx, c.Failed) })
	if c.ReceiptRetention > 0 {
		for _, r := range s.retentions(c) {
			parts.Go(func() { r.Run(ctx, c.Failed) })
		}
	}
	parts.Wait()
	s.outbox.work.Wait()
	return nil
}

func (s *Store) retentions(c RunConfig) []Retention {
	return []Retention{
		{Table: s.schema + ".receipts", Old: "at < now() - $3::interval", After: c.ReceiptRetention, Pool: c.Control},
		{Table: s.schema + ".parked", Old: "discarded_at < now() - $3::interval", After: c.ReceiptRetention, Pool: c.Control},
	}
}
