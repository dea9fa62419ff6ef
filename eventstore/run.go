package eventstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// RunConfig says how a store works in the background.
type RunConfig struct {
	SingleProcess    bool          // no other process uses the store: what lies in the outbox is taken up at once
	Control          *pgxpool.Pool // the connections of sweeps; nil: those of reads
	ReceiptRetention time.Duration // how long receipts, and what was discarded, are kept; 0: for good
	Failed           func(error)   // told of what will be tried again
}

// Run does what a store has to do besides committing, until ctx is done: it takes up what a crash or a failed handler left
// in the outbox, tries again what is parked, keeps the readers up with the log, and deletes what is past its time. Any
// number of processes may do so at once. It ends when the handlers under way have ended.
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
