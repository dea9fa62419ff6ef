package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"shopping-cart/migrations"
)

// Migrate brings a schema of the database at url up to date: it creates it when it is missing, then applies the
// tables of the store, when the schema belongs to a module, and the schema's own. Processes that start together take
// turns; with nothing to do it costs some milliseconds.
func Migrate(ctx context.Context, url, schema string) error {
	if !slices.Contains(migrations.Schemas, schema) {
		return fmt.Errorf("migrate: there is no schema %q", schema)
	}
	db, err := openForMigration(url, schema)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := createSchema(ctx, db, schema); err != nil {
		return fmt.Errorf("create schema %s: %w", schema, err)
	}
	if slices.Contains(migrations.StoreSchemas, schema) {
		if err := apply(ctx, db, migrations.Store, "goose_store"); err != nil {
			return fmt.Errorf("migrate the store of %s: %w", schema, err)
		}
	}
	if err := apply(ctx, db, schema, "goose_own"); err != nil {
		return fmt.Errorf("migrate %s: %w", schema, err)
	}
	return nil
}

// openForMigration gives a database/sql handle of one connection whose unqualified names mean schema.
func openForMigration(url, schema string) (*sql.DB, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	prepare(c, "shopping-cart migrations")
	db := stdlib.OpenDB(*c, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set search_path = "+pgx.Identifier{schema}.Sanitize(), pgx.QueryExecModeSimpleProtocol)
		return err
	}))
	db.SetMaxOpenConns(1) // the advisory lock belongs to a session, so all work stays on it
	return db, nil
}

// createSchema looks first: "create schema if not exists" demands the right to create even when it exists.
func createSchema(ctx context.Context, db *sql.DB, schema string) error {
	exists := func(conn *sql.Conn) (found bool, err error) {
		err = conn.QueryRowContext(ctx, "select exists (select from pg_namespace where nspname = $1)", schema).Scan(&found)
		return found, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if found, err := exists(conn); found || err != nil {
		return err
	}
	if err := (turn{}).SessionLock(ctx, conn); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "create schema if not exists "+pgx.Identifier{schema}.Sanitize())
	return errors.Join(err, (turn{}).SessionUnlock(ctx, conn))
}

// apply runs a folder's migrations that the version table does not list yet.
func apply(ctx context.Context, db *sql.DB, folder, table string) error {
	files, err := fs.Sub(migrations.FS, folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(table), goose.WithSessionLocker(turn{}), goose.WithDisableGlobalRegistry(true))
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil // a schema without tables of its own
	}
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// turn is the lock that migrating processes take in turns. PostgreSQL queues the waiting: no polling, and a process
// that dies frees it.
type turn struct{}

var _ lock.SessionLocker = turn{}

const turnKey = 0x63617274 // "cart" in ASCII

func (turn) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "select pg_advisory_lock($1)", turnKey)
	return err
}

func (turn) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "select pg_advisory_unlock($1)", turnKey)
	return err
}
