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
	"github.com/jackc/pgx/v5/pgconn"

	"shopping-cart/migrations"
)

// Migrate brings a schema of the database at url up to date: it creates it when it is missing, then applies the
// tables of the store, when the schema belongs to a module, and the schema's own. All of it happens or none.
// Processes that start together take turns; with nothing to do it costs some milliseconds. Those of an older version may
// be at work meanwhile: a table that they use is not waited for long, since everybody behind would wait too, but
// tried again.
//
// It is one transaction on one connection, and leans on nothing that a session keeps: so it works through any pooler, and
// waiting in turn needs no second connection that the pooler might not have.
func Migrate(ctx context.Context, url, schema string) error {
	if !slices.Contains(migrations.Schemas, schema) {
		return fmt.Errorf("migrate: there is no schema %q", schema)
	}
	conn, err := connectToMigrate(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	folders := [][2]string{{schema, "goose_own"}}
	if slices.Contains(migrations.StoreSchemas, schema) {
		folders = append([][2]string{{migrations.Store, "goose_store"}}, folders...)
	}
	for attempt := 1; ; attempt++ {
		err := migrate(ctx, conn, schema, folders)
		if attempt == migrateAttempts || !isInUse(err) {
			return err
		}
		select {
		case <-time.After(rand.N(time.Second)):
		case <-ctx.Done():
			return err
		}
	}
}

// migrateAttempts bounds how often a migration gives way to the processes that are at work on its tables.
const migrateAttempts = 20

// isInUse: a table was locked by others for too long, or they and the migration waited for each other.
func isInUse(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code == "55P03" || pe.Code == "40P01")
}

func migrate(ctx context.Context, conn *pgx.Conn, schema string, folders [][2]string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		m := migration{tx, schema, false}
		for _, f := range folders {
			if err := m.apply(ctx, f[0], pgx.Identifier{schema, f[1]}.Sanitize()); err != nil {
				return fmt.Errorf("migrate schema %s: %w", schema, err)
			}
		}
		return nil
	})
}

func connectToMigrate(ctx context.Context, url string) (*pgx.Conn, error) {
	parsed, err := Parse(url)
	if err != nil {
		return nil, err
	}
	c := parsed.ConnConfig
	prepare(c, "shopping-cart migrations")
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if err := refuseEncoding(conn.PgConn().ParameterStatus("server_encoding")); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
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

// migration is the transaction in which a schema is brought up to date.
type migration struct {
	tx       pgx.Tx
	schema   string
	prepared bool // holds the turn
}

// turnKey is the lock that migrating processes take in turns, "cart" in ASCII. PostgreSQL queues the waiting: no polling, and
// a process that dies frees it.
const turnKey = 0x63617274

// apply runs a folder's migrations that the table does not list yet. It looks first, and once more when its turn has come:
// who finds nothing to do waits for nobody, and needs no right to create.
func (m *migration) apply(ctx context.Context, folder, table string) error {
	todo, err := m.missing(ctx, folder, table)
	if err != nil || len(todo) == 0 {
		return err
	}
	if !m.prepared {
		if err := m.prepare(ctx); err != nil {
			return err
		}
		if todo, err = m.missing(ctx, folder, table); err != nil || len(todo) == 0 {
			return err
		}
	}
	if err := m.makeTable(ctx, table); err != nil {
		return err
	}
	for _, name := range todo {
		if err := m.run(ctx, folder, name, table); err != nil {
			return fmt.Errorf("%s/%s: %w", folder, name, err)
		}
	}
	return nil
}

// prepare takes the turn, however long the others need, and makes the schema the one that unqualified names mean.
func (m *migration) prepare(ctx context.Context) error {
	name := pgx.Identifier{m.schema}.Sanitize()
	_, err := m.tx.Exec(ctx, fmt.Sprintf(`set local statement_timeout = 0; set local lock_timeout = 0;
		select pg_advisory_xact_lock(%d);
		set local lock_timeout = '5s'; -- who waits longer for a table blocks everybody behind
		set local search_path = %s`, turnKey, name))
	if err != nil {
		return fmt.Errorf("take the turn: %w", err)
	}
	m.prepared = true
	// Looks first: "create schema if not exists" demands the right to create even when it exists.
	var exists bool
	err = m.tx.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", m.schema).Scan(&exists)
	if err == nil && !exists {
		_, err = m.tx.Exec(ctx, "create schema "+name)
	}
	return err
}

// lookTimeout bounds the look at the table of versions: a server that fell silent must not hold up the start.
const lookTimeout = 30 * time.Second

// missing are the files of a folder, in order, whose version the table does not list.
func (m *migration) missing(ctx context.Context, folder, table string) ([]string, error) {
	files, err := fs.Glob(migrations.FS, folder+"/*.sql")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var done []int64
	var exists bool
	if err := m.tx.QueryRow(ctx, "select to_regclass($1) is not null", table).Scan(&exists); err != nil {
		return nil, err
	}
	if exists {
		rows, err := m.tx.Query(ctx, "select version_id from "+table+" where is_applied")
		if err != nil {
			return nil, err
		}
		if done, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, path := range files {
		name := strings.TrimPrefix(path, folder+"/")
		version, err := versionOf(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(done, version) {
			names = append(names, name)
		}
	}
	return names, nil
}

// makeTable makes the table of versions in the shape that goose gives it: programs of before look there too.
func (m *migration) makeTable(ctx context.Context, table string) error {
	var exists bool
	err := m.tx.QueryRow(ctx, "select to_regclass($1) is not null", table).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = m.tx.Exec(ctx, `create table `+table+` (id integer primary key generated by default as identity,
		version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now());
		insert into `+table+` (version_id, is_applied) values (0, true)`)
	return err
}

func (m *migration) run(ctx context.Context, folder, name, table string) error {
	sql, err := fs.ReadFile(migrations.FS, folder+"/"+name)
	if err != nil {
		return err
	}
	if _, err := m.tx.Exec(ctx, string(sql)); err != nil {
		return err
	}
	version, err := versionOf(name)
	if err != nil {
		return err
	}
	_, err = m.tx.Exec(ctx, "insert into "+table+" (version_id, is_applied) values ($1, true)", version)
	return err
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
