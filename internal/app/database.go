package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"shopping-cart/eventstore"
	"shopping-cart/platform/config"
	"shopping-cart/platform/database"
	"shopping-cart/platform/telemetry"
)

// Database is what the modules on one database share, with all its pools.
type Database struct {
	eventstore.Database
	Pools *database.Pools
}

// poolsOf returns the pool sizes of each database from the settings.
func poolsOf(settings config.Config) database.Options {
	return database.Options{Write: settings.Committers + 1, Query: settings.QueryConnections, Search: settings.SearchConnections, Pooler: database.Pooler(settings.DatabasePooler)}
}

// open makes the pools and the committer of the database that holds a schema.
func (p *App) open(ctx context.Context, settings config.Config, schema string, urls map[string]string, metrics *telemetry.Metrics, log *slog.Logger) error {
	options := poolsOf(settings)
	if urls[schema] != urls["cart"] {
		options.Search = 0
	}
	options.Databases = slices.Compact(slices.Sorted(maps.Values(urls)))
	options.Log = log.With("database", settings.DatabaseSetting(schema))
	options.Tracer = p.Traces.Statements()
	pools, err := database.Open(ctx, urls[schema], options)
	if err != nil {
		return fmt.Errorf("%s: %w", settings.DatabaseSetting(schema), err)
	}
	metrics.WatchPool(schema, "write", pools.Write.Stat)
	metrics.WatchPool(schema, "query", pools.Query.Stat)
	metrics.WatchPool(schema, "control", pools.Control.Stat)
	if pools.Search != pools.Query {
		metrics.WatchPool(schema, "search", pools.Search.Stat)
	}
	db := eventstore.Database{
		Committer: eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{
			Queue: settings.QueueSize, Workers: int(settings.Committers), Begin: pools.Begin, Tracer: p.Traces.Tracer(),
			Batched: metrics.Batch, Decided: metrics.Command, Refused: metrics.Refused, Handled: metrics.Dispatched,
			Failed: func(commands int, err error) { log.Warn("repeating a batch", "commands", commands, "error", err) },
			Skewed: func(skew time.Duration) {
				log.Warn("this machine's clock differs from the database's; the program uses the database's",
					"database", settings.DatabaseSetting(schema), "database_ahead_by", skew.Round(time.Millisecond).String())
			},
		}),
		Query: pools.Query, Control: pools.Control, Views: pools.Views, SingleProcess: settings.Embedded(),
		ReceiptRetention: settings.ReceiptRetention, SealInterval: settings.SealInterval, Notes: &p.notes, Log: log,
	}
	if settings.Notify {
		db.Listen = pools.Listen
	}
	p.Databases[urls[schema]] = &Database{db, pools}
	if err := db.Committer.Clock().Measure(ctx, pools.Control); err != nil {
		return fmt.Errorf("%s: %w", settings.DatabaseSetting(schema), err)
	}
	metrics.ClockSkew(schema, db.Committer.Clock().Skew)
	for lane, name := range eventstore.Lanes {
		metrics.Queue(schema, name, func() int { return db.Committer.Queued(lane) })
	}
	if settings.Notify && pools.Listen == nil {
		return fmt.Errorf("NOTIFY must be false: %s leads through a pooler, and LISTEN needs a session", settings.DatabaseSetting(schema))
	}
	return nil
}
