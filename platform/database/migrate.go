package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/migrations"
	"shopping-cart/platform/pgerr"
)

// MigrateOptions configures MigrateWith. The zero value suits a database without a pooler.
type MigrateOptions struct {
	Pooler Pooler            // Session when empty
	Tell   func(what string) // receives the progress; may be nil
}

// Migrate calls MigrateWith without options.
func Migrate(ctx context.Context, url, schema string) error {
	return MigrateWith(ctx, url, schema, MigrateOptions{})
}

// MigrateWith brings a schema of the database at url up to date. It creates a missing schema, then applies the tables of the
// store, if the schema belongs to a module, and the schema's own. First of all it moves identities that are behind their rows.
// Processes of an older version may be at work meanwhile.
//
// Each file is one transaction. It waits only briefly for a lock, since running processes queue behind the wait; then the
// transaction is repeated. A file of concurrent index builds runs outside a transaction, see indexes.go. Processes that start
// together take turns. The next start continues an interrupted migration. With nothing to do it takes some milliseconds.
//
// It needs one connection and no session, so it works through any pooler. Only the progress is read on a second connection.
func MigrateWith(ctx context.Context, url, schema string, o MigrateOptions) error {
	if !slices.Contains(migrations.Schemas, schema) {
		return fmt.Errorf("migrate: there is no schema %q", schema)
	}
	conn, pooler, err := connectToMigrate(ctx, url, o.Pooler)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	m := migration{conn: conn, url: url, schema: schema, pooler: pooler, tell: o.Tell}
	if m.tell == nil {
		m.tell = func(string) {}
	}
	folders := []folder{{schema, m.qualified("schema_migrations"), "alter table if exists goose_own rename to schema_migrations"}}
	if slices.Contains(migrations.StoreSchemas, schema) {
		folders = append([]folder{{
			migrations.Store, m.qualified("store_migrations"), "alter table if exists goose_store rename to store_migrations",
		}}, folders...)
	}
	err = MoveIdentities(ctx, conn, schema, m.tell)
	for range folders { // another process may take over a table between two statements
		if pgerr.Is(err, pgerr.UndefinedTable) {
			err = MoveIdentities(ctx, conn, schema, m.tell)
		}
	}
	if err != nil {
		return inWords(schema, fmt.Errorf("move the identities of schema %s past those that exist: %w", schema, err))
	}
	for _, f := range folders {
		if err := m.apply(ctx, f); err != nil {
			return inWords(schema, fmt.Errorf("migrate schema %s: %w", schema, err))
		}
	}
	return nil
}

// inWords adds the remedy to an error of a migration, where one is known.
func inWords(schema string, err error) error {
	switch pgerr.Code(err) {
	case pgerr.ReadOnly:
		return fmt.Errorf("the database is read-only, and its schema %s is not up to date: "+
			"use the URL of the primary, or turn default_transaction_read_only off: %w", schema, err)
	case pgerr.InsufficientPrivilege:
		return fmt.Errorf("the role must own the schema %s and its contents, or be allowed to create a missing schema: %w", schema, err)
	}
	return err
}

func connectToMigrate(ctx context.Context, url string, set Pooler) (*pgx.Conn, Pooler, error) {
	parsed, err := Parse(url)
	if err != nil {
		return nil, "", err
	}
	c := parsed.ConnConfig
	pooler, err := poolerOf(c, set)
	if err != nil {
		return nil, "", err
	}
	prepare(c, "shopping-cart migrations")
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, "", fmt.Errorf("connect to the database: %w", err)
	}
	if err := refuseEncoding(conn.PgConn().ParameterStatus("server_encoding")); err != nil {
		return nil, "", errors.Join(err, conn.Close(ctx))
	}
	return conn, pooler, nil
}

// refuseEncoding returns an error unless a database keeps its text as UTF-8. Another encoding cannot hold every name, and a dump
// and restore garbles the text of SQL_ASCII.
func refuseEncoding(encoding string) error {
	if encoding == "" || encoding == "UTF8" { // a pooler may not report it
		return nil
	}
	return fmt.Errorf("the database has the encoding %s and must have UTF8: "+
		"create another one with: create database shop encoding 'UTF8' template template0", encoding)
}

// migration is the migration of a schema.
type migration struct {
	conn   *pgx.Conn
	url    string
	schema string
	pooler Pooler
	tell   func(what string)
}

func (m *migration) qualified(name string) string { return pgx.Identifier{m.schema, name}.Sanitize() }

// folder holds migrations. The table, quoted, lists the applied versions. takeOver renames the table of older programs to it.
type folder struct{ name, table, takeOver string }

// file is a migration.
type file struct {
	folder
	name    string // of the file
	version int64
	sql     string
}

func (f file) String() string { return f.folder.name + "/" + f.name }

// apply applies the migrations of a folder that its table does not list, in order. With nothing to do it waits for nobody and
// needs no right to create.
func (m *migration) apply(ctx context.Context, in folder) error {
	for {
		todo, err := missing(ctx, m.conn, in)
		if err != nil || len(todo) == 0 {
			return err
		}
		next := todo[0]
		m.tell(next.String())
		if indexes := migrations.Indexes(next.sql); len(indexes) > 0 {
			err = m.build(ctx, next, indexes)
		} else {
			err = m.retry(ctx, next.String(), func() error { return m.run(ctx, next) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", next, err)
		}
	}
}

// run applies a file and lists it, in one transaction. It does nothing when another process was faster.
func (m *migration) run(ctx context.Context, f file) error {
	return m.inTurn(ctx, f.folder, func(tx pgx.Tx) error {
		todo, err := missing(ctx, tx, f.folder)
		if err != nil || len(todo) == 0 || todo[0].version != f.version {
			return err
		}
		if _, err := tx.Exec(ctx, f.sql); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into "+f.table+" (version_id, is_applied) values ($1, true)", f.version)
		return err
	})
}

// migrateAttempts bounds how often a file yields to the processes that use its tables: for minutes.
const migrateAttempts = 300

// retry calls do again while tables are in use.
func (m *migration) retry(ctx context.Context, what string, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if attempt == migrateAttempts || !isInUse(err) {
			return err
		}
		m.tell(what + ": its tables are in use")
		if wait(ctx, rand.N(time.Second)) != nil {
			return err
		}
	}
}

// isInUse reports whether a lock timed out, a deadlock occurred, or another process built the same index.
func isInUse(err error) bool {
	return errors.Is(err, errOvertaken) || pgerr.Is(err, pgerr.LockNotAvailable, pgerr.DeadlockDetected)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turnKey is the lock that migrating processes take in turns, "cart" in ASCII. PostgreSQL queues the waiting processes: no
// polling, and a process that dies frees it. It is never held during a concurrent build: a waiting process has a snapshot, and a
// build waits for all snapshots.
const turnKey = 0x63617274

// inTurn calls do in a transaction while no other process migrates. It ensures that the schema and the table of versions exist,
// and that unqualified names refer to the schema.
func (m *migration) inTurn(ctx context.Context, in folder, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		name := pgx.Identifier{m.schema}.Sanitize()
		_, err := tx.Exec(ctx, fmt.Sprintf(`set local statement_timeout = 0; set local lock_timeout = 0;
			select pg_advisory_xact_lock(%d);
			set local lock_timeout = '300ms'; -- other sessions queue behind this wait
			set local search_path = %s`, turnKey, name))
		if err != nil {
			return fmt.Errorf("wait for other migrations: %w", err)
		}
		// Look first: "create schema if not exists" needs the right to create even if the schema exists.
		var exists bool
		err = tx.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", m.schema).Scan(&exists)
		if err == nil && !exists {
			_, err = tx.Exec(ctx, "create schema "+name)
		}
		if err == nil {
			err = makeTable(ctx, tx, in)
		}
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// makeTable takes over or creates the table of versions.
func makeTable(ctx context.Context, tx pgx.Tx, in folder) error {
	var exists bool
	err := tx.QueryRow(ctx, "select to_regclass($1) is not null", in.table).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = tx.Exec(ctx, in.takeOver+`; create table if not exists `+in.table+` (id integer primary key generated by default as identity,
		version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now())`)
	return err
}

// lookTimeout bounds reads of the table of versions: a silent server must not block the start.
const lookTimeout = 30 * time.Second

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// missing returns the files of a folder, in order, that the table does not list.
func missing(ctx context.Context, q querier, in folder) ([]file, error) {
	files, err := filesOf(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var exists bool
	err = q.QueryRow(ctx, "select to_regclass($1) is not null", in.table).Scan(&exists)
	if err != nil || !exists {
		return files, err
	}
	rows, err := q.Query(ctx, "select version_id from "+in.table+" where is_applied")
	if err != nil {
		return nil, err
	}
	done, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return slices.DeleteFunc(files, func(f file) bool { return slices.Contains(done, f.version) }), err
}

// filesOf returns all files of a folder, in order.
func filesOf(in folder) ([]file, error) {
	paths, err := fs.Glob(migrations.FS, in.name+"/*.sql")
	if err != nil {
		return nil, err
	}
	files := make([]file, len(paths))
	for i, path := range paths {
		sql, err := fs.ReadFile(migrations.FS, path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path, in.name+"/")
		version, err := versionOf(name)
		if err != nil {
			return nil, err
		}
		files[i] = file{in, name, version, string(sql)}
	}
	return files, nil
}

// versionOf returns the number at the start of a file's name, such as 2 for 00002_readers.sql.
func versionOf(name string) (int64, error) {
	number, _, _ := strings.Cut(name, "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: the name must begin with a number", name)
	}
	return version, nil
}
