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

// MigrateOptions are what MigrateWith needs to know beside the database. The zero value suits a database without a pooler.
type MigrateOptions struct {
	Pooler Pooler            // Session when empty
	Tell   func(what string) // is told what the migration does or waits for; nil: nobody is
}

// Migrate is MigrateWith without options.
func Migrate(ctx context.Context, url, schema string) error {
	return MigrateWith(ctx, url, schema, MigrateOptions{})
}

// MigrateWith brings a schema of the database at url up to date. It creates the schema when it is missing, then applies the
// tables of the store, when the schema belongs to a module, and the schema's own. Processes of an older version may be at
// work meanwhile. Identities that are behind their rows are moved past them before.
//
// Each file is one transaction. A lock that a file needs is waited for briefly, since running processes queue behind the
// wait; then the transaction is repeated. A file of concurrent index builds runs outside a transaction, see indexes.go.
// Processes that start together take turns. A migration that was cut off goes on at the next start. With nothing to do it
// costs some milliseconds.
//
// It needs one connection and no session, so it works through any pooler. Only progress is read on a second connection.
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
	folders := []folder{{schema, pgx.Identifier{schema, "goose_own"}.Sanitize()}}
	if slices.Contains(migrations.StoreSchemas, schema) {
		folders = append([]folder{{migrations.Store, pgx.Identifier{schema, "goose_store"}.Sanitize()}}, folders...)
	}
	if err := MoveIdentities(ctx, conn, schema, m.tell); err != nil {
		return inWords(schema, fmt.Errorf("move the identities of schema %s past those that exist: %w", schema, err))
	}
	for _, f := range folders {
		if err := m.apply(ctx, f); err != nil {
			return inWords(schema, fmt.Errorf("migrate schema %s: %w", schema, err))
		}
	}
	return nil
}

// inWords puts before an error of a migration what is to be done about it, where that is known.
func inWords(schema string, err error) error {
	switch pgerr.Code(err) {
	case pgerr.ReadOnly:
		return fmt.Errorf("the database only takes reads, and the schema %s is not up to date there: "+
			"name the primary, or turn default_transaction_read_only off: %w", schema, err)
	case pgerr.InsufficientPrivilege:
		return fmt.Errorf("the role must own the schema %s and what is in it, or be allowed to create it where it is missing: %w", schema, err)
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

// refuseEncoding is an error unless a database keeps its text as UTF-8. Another encoding cannot hold every name, and a dump
// and restore garbles the text of SQL_ASCII.
func refuseEncoding(encoding string) error {
	if encoding == "" || encoding == "UTF8" { // a pooler may not tell it
		return nil
	}
	return fmt.Errorf("the database has the encoding %s and must have UTF8: "+
		"create another one with: create database shop encoding 'UTF8' template template0", encoding)
}

// migration is a schema that is brought up to date.
type migration struct {
	conn   *pgx.Conn
	url    string
	schema string
	pooler Pooler
	tell   func(what string)
}

// folder holds migrations. The table, quoted, lists the versions that were applied.
type folder struct{ name, table string }

// file is a migration.
type file struct {
	folder
	name    string // of the file
	version int64
	sql     string
}

func (f file) String() string { return f.folder.name + "/" + f.name }

// apply applies a folder's migrations that its table does not list yet, one after the other. Where there is nothing to do
// it waits for nobody, and needs no right to create.
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

// migrateAttempts bounds how often a file gives way to the processes that are at work on its tables, for minutes.
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

// isInUse: a table was locked by others for too long, they and the migration waited for each other, or another process
// built the same index.
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

// turnKey is the lock that migrating processes take in turns, "cart" in ASCII. PostgreSQL queues the waiting: no polling, and
// a process that dies frees it. It is never held during a concurrent build: who waits for it has a snapshot, and a build
// waits for all snapshots.
const turnKey = 0x63617274

// inTurn calls do in a transaction in which no other process migrates. The schema exists, is the one that unqualified names
// mean, and has the table of versions.
func (m *migration) inTurn(ctx context.Context, in folder, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		name := pgx.Identifier{m.schema}.Sanitize()
		_, err := tx.Exec(ctx, fmt.Sprintf(`set local statement_timeout = 0; set local lock_timeout = 0;
			select pg_advisory_xact_lock(%d);
			set local lock_timeout = '300ms'; -- everybody who needs the table waits behind
			set local search_path = %s`, turnKey, name))
		if err != nil {
			return fmt.Errorf("take the turn: %w", err)
		}
		// Looks first: "create schema if not exists" demands the right to create even when it exists.
		var exists bool
		err = tx.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", m.schema).Scan(&exists)
		if err == nil && !exists {
			_, err = tx.Exec(ctx, "create schema "+name)
		}
		if err == nil {
			err = makeTable(ctx, tx, in.table)
		}
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// makeTable makes the table of versions in the shape that goose gives it: programs of before look there too.
func makeTable(ctx context.Context, tx pgx.Tx, table string) error {
	var exists bool
	err := tx.QueryRow(ctx, "select to_regclass($1) is not null", table).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = tx.Exec(ctx, `create table `+table+` (id integer primary key generated by default as identity,
		version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now());
		insert into `+table+` (version_id, is_applied) values (0, true)`)
	return err
}

// lookTimeout bounds the look at the table of versions: a server that fell silent must not hold up the start.
const lookTimeout = 30 * time.Second

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// missing are the files of a folder, in order, whose version the table does not list.
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

// filesOf are all files of a folder, in order.
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

// versionOf is the number that the name of a file begins with, such as 2 in 00002_readers.sql.
func versionOf(name string) (int64, error) {
	number, _, _ := strings.Cut(name, "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: the name must begin with a number", name)
	}
	return version, nil
}
