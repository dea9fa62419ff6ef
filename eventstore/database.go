package eventstore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/gorm"
)

// Database holds what the modules on one database share. Build it once for each database.
type Database struct {
	Committer        *Committer
	Query            *pgxpool.Pool // reads on behalf of clients
	Control          *pgxpool.Pool // background work
	Views            *gorm.DB      // lists, on the connections of Query
	SingleProcess    bool          // no other process uses the database, so outboxes are redelivered at the start
	ReceiptRetention time.Duration // how long receipts and discarded messages are kept; 0 keeps them forever
	SealInterval     time.Duration // average pause between two seals of a log; 0 seals nothing
	Notes            *Notes        // of all modules; nil: only those of the store
	Log              *slog.Logger

	// Listen opens a session that listens to notifications of new events. If it is nil, projections poll for them.
	Listen func(context.Context) (*pgx.Conn, error)
}

// Run commits commands, and exchanges notifications with other processes, until ctx is done. Then it commits the commands
// that are still queued. Call it once.
func (d Database) Run(ctx context.Context) error {
	var notifier sync.WaitGroup
	if d.Listen != nil {
		notifier.Go(func() { d.notify(ctx) })
	}
	err := d.Committer.Run(ctx)
	notifier.Wait()
	return err
}

// Run does the background work of a store until ctx is done: it relays the outbox, retries parked messages, runs the
// projections, seals the log and deletes old rows. Any number of processes may run it at once. It returns after the running handlers have
// ended.
func (s *Store) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { s.relay(ctx) })
	parts.Go(func() { s.retryHandlers(ctx) })
	parts.Go(func() { s.runProjections(ctx) })
	if s.db.SealInterval > 0 {
		parts.Go(func() { s.runSeals(ctx) })
	}
	if s.db.ReceiptRetention > 0 {
		for _, r := range s.retentions() {
			parts.Go(func() { r.Run(ctx, s.Failed) })
		}
	}
	parts.Wait()
	s.outbox.work.Wait()
	return nil
}

// Failed logs an error of background work that will be retried.
func (s *Store) Failed(err error) {
	s.db.Log.Error(s.schema+" background work failed, will retry", "error", err)
}

func (s *Store) retentions() []Retention {
	return []Retention{
		{Table: s.schema + ".receipts", Old: "at < now() - $3::interval", After: s.db.ReceiptRetention, Pool: s.db.Control},
		{Table: s.schema + ".parked", Old: "discarded_at < now() - $3::interval", After: s.db.ReceiptRetention, Pool: s.db.Control},
	}
}
