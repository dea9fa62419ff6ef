package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"shopping-cart/migrations"
	"shopping-cart/platform/config"
	"shopping-cart/platform/database"
	"shopping-cart/platform/telemetry"
)

// Run serves until ctx is done, then drains from the outside in. Requests end first, then the steps of sagas, then their writes
// are committed. The embedded database stops last.
func Run(ctx context.Context, settings config.Config, banner io.Writer) error {
	if err := settings.FillSecrets(); err != nil {
		return err
	}
	log, err := telemetry.Log(telemetry.NewPipe(os.Stderr), logLevel(settings).String(), settings.LogFormat)
	if err != nil {
		return err
	}
	if limit := config.SetMemoryLimit(settings.Embedded()); limit > 0 {
		log.Info("memory limit set from the control group", "bytes", limit)
	}
	for _, warning := range settings.Warnings() {
		log.Warn(warning)
	}
	listeners, err := listen(settings) // first, so that a taken port is reported before anything is created
	if err != nil {
		return err
	}
	defer listeners.Close()
	started := false
	defer func() { // last, after the database has stopped
		if started {
			log.Info("stopped")
		}
	}()
	asked := ctx // ends when the program is asked to stop
	stopped := func(err error) error {
		if err == nil || asked.Err() == nil {
			return err
		}
		log.Info("stopped before it was ready")
		return nil
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	urls, stopDatabase, err := databases(ctx, settings, log, fail)
	if err != nil {
		return stopped(err)
	}
	defer stopDatabase()
	p, err := New(ctx, settings, urls, listeners.Public.Addr(), log)
	if err != nil {
		return stopped(err)
	}
	defer p.Close()
	started = true
	greeted := make(chan struct{})
	go func() {
		defer close(greeted)
		if p.awaitReady(ctx, log) == nil {
			greet(banner, settings, listeners)
		}
	}()
	defer func() {
		fail(nil)
		<-greeted
	}()
	defer context.AfterFunc(ctx, func() { log.Info("stopping: waiting for running requests and steps") })()
	err = p.Serve(ctx, listeners, settings.ShutdownTimeout)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

var errDatabaseEnded = errors.New("the embedded PostgreSQL ended and could not be started again; its log is in the data directory")

// databases returns the URL of each schema's database, migrated. Without DATABASE_URL it starts an embedded one and calls failed
// if that ends for good too early.
func databases(ctx context.Context, settings config.Config, log *slog.Logger, failed func(error)) (urls map[string]string, stop func(), err error) {
	embedded, stop := "", func() {}
	if settings.Embedded() {
		server, err := database.Start(ctx, database.EmbeddedConfig{Dir: settings.DataDir, Database: "shop", BinDir: settings.PGBinDir, Logger: log,
			Connections: poolsOf(settings).Connections()})
		if err != nil {
			return nil, nil, err
		}
		embedded = server.URL("shop")
		go func() {
			<-server.Done()
			failed(errDatabaseEnded)
		}()
		stop = func() {
			grace, cancel := context.WithTimeout(context.Background(), settings.ShutdownTimeout)
			defer cancel()
			if err := server.Stop(grace); err != nil {
				log.Error("the embedded PostgreSQL did not stop cleanly", "error", err)
			}
		}
	}
	urls = settings.DatabaseURLs(embedded)
	if err := Migrate(ctx, settings, urls, log); err != nil {
		stop()
		return nil, nil, err
	}
	return urls, stop, nil
}

// Migrate brings all schemas up to date, each in the database at its URL.
func Migrate(ctx context.Context, settings config.Config, urls map[string]string, log *slog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, schema := range migrations.Schemas {
		g.Go(func() error {
			if err := migrateSchema(ctx, settings, log, urls[schema], schema); err != nil {
				return fmt.Errorf("%s: %w", settings.DatabaseSetting(schema), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// migrationTimeout limits the migration of a schema at the start, including the wait for other processes that migrate it.
// Building an index on a large table takes hours.
const migrationTimeout = 24 * time.Hour

func migrateSchema(ctx context.Context, settings config.Config, log *slog.Logger, url, schema string) error {
	return database.Await(ctx, log, "the migrations of schema "+schema, migrationTimeout, func(ctx context.Context, because func(string)) error {
		return database.MigrateWith(ctx, url, schema, database.MigrateOptions{Pooler: database.Pooler(settings.DatabasePooler), Tell: because})
	})
}
