package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/migrations"
	"shopping-cart/platform/pgerr"
)

// errOvertaken says that another process built or dropped an index at the same time.
var errOvertaken = errors.New("another process has changed the index")

// claimQuiet is how long a table must be idle before a process takes over the build that another one claimed.
const claimQuiet = 5 * time.Second

// pollInterval is how often a process checks the progress of a build.
const pollInterval = 500 * time.Millisecond

// build builds the indexes of a file concurrently, while others write to the tables, and lists the file.
//
// A build can run neither in a transaction nor under the turn's lock, and a pooler keeps no session that could hold another lock.
// So a process claims the file with a row in the table of versions that is not applied. The table's lock shows whether the
// claiming process is at work: the server holds it while a build runs, even after the client was killed. A process takes over a
// claim when the table has been idle for a while. If two processes build at once nevertheless, the server ends one of them, and
// that one looks again.
//
// An interrupted build leaves an invalid index. It is dropped, concurrently too, and built again.
func (m *migration) build(ctx context.Context, f file, indexes []migrations.Index) error {
	b := &build{migration: m, file: f, indexes: indexes}
	return m.retry(ctx, f.String(), func() error {
		for {
			var next action
			err := m.inTurn(ctx, f.folder, func(tx pgx.Tx) (err error) {
				next, err = b.look(ctx, tx)
				return err
			})
			if err != nil || next == nil {
				return err
			}
			if err := next(ctx); err != nil {
				return err
			}
		}
	})
}

// build applies a file of concurrent builds.
type build struct {
	*migration
	file    file
	indexes []migrations.Index

	claim int       // of this process: the row's id; 0: none
	seen  int       // claim of another process
	since time.Time // nobody has worked under it since then
}

// action is the next operation. It runs outside the transaction that chose it.
type action func(context.Context) error

// look returns the next action, or nil when the file is applied.
func (b *build) look(ctx context.Context, tx pgx.Tx) (action, error) {
	var applied bool
	var claim int
	err := tx.QueryRow(ctx, `select coalesce(bool_or(is_applied), false), coalesce(max(id), 0) from `+b.file.table+` where version_id = $1`, b.file.version).
		Scan(&applied, &claim)
	if err != nil || applied {
		return nil, err
	}
	todo, valid, err := b.first(ctx, tx)
	if err != nil {
		return nil, err
	}
	if todo == nil {
		return nil, b.record(ctx, tx)
	}
	busy, err := b.busy(ctx, tx)
	if err != nil {
		return nil, err
	}
	if busy || claim != 0 && claim != b.claim {
		if busy || claim != b.seen {
			b.seen, b.since = claim, time.Now()
		}
		if busy || time.Since(b.since) < claimQuiet {
			return b.await(todo.Table), nil
		}
	}
	if claim == 0 || claim != b.claim {
		if b.claim, err = b.take(ctx, tx); err != nil {
			return nil, err
		}
	}
	if valid == nil {
		return func(ctx context.Context) error { return b.create(ctx, *todo) }, nil
	}
	return func(ctx context.Context) error { return b.drop(ctx, *todo) }, nil
}

// first returns the first index that is missing or invalid. valid is nil when no index has that name.
func (b *build) first(ctx context.Context, q querier) (todo *migrations.Index, valid *bool, err error) {
	for i := range b.indexes {
		valid = nil
		err := q.QueryRow(ctx, `select indisvalid and indisready and indislive from pg_index
			where indexrelid = to_regclass($1)`, b.qualified(b.indexes[i].Name)).Scan(&valid)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, nil, err
		}
		if valid == nil || !*valid {
			return &b.indexes[i], valid, nil
		}
	}
	return nil, nil, nil
}

// busy reports whether somebody builds or drops an index of the file's tables. Vacuum holds the same lock, so its processes do
// not count.
func (b *build) busy(ctx context.Context, q querier) (busy bool, err error) {
	for _, index := range b.indexes {
		err := q.QueryRow(ctx, `select exists (select from pg_locks
			where locktype = 'relation' and database = (select oid from pg_database where datname = current_database())
				and relation = $1::regclass and mode = 'ShareUpdateExclusiveLock' and granted
				and pid not in (select pid from pg_stat_progress_vacuum))`, b.qualified(index.Table)).Scan(&busy)
		if busy || err != nil {
			return busy, err
		}
	}
	return false, nil
}

// take gives the claim to this process.
func (b *build) take(ctx context.Context, tx pgx.Tx) (claim int, err error) {
	if _, err := tx.Exec(ctx, "delete from "+b.file.table+" where version_id = $1", b.file.version); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, "insert into "+b.file.table+" (version_id, is_applied) values ($1, false) returning id", b.file.version).Scan(&claim)
	return claim, err
}

// record lists the file as applied.
func (b *build) record(ctx context.Context, tx pgx.Tx) error {
	if _, err := b.take(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "update "+b.file.table+" set is_applied = true where version_id = $1", b.file.version)
	return err
}

func (b *build) await(table string) action {
	return func(ctx context.Context) error {
		b.tell(b.file.String() + ": another process works on the indexes of " + b.schema + "." + table + b.progress(ctx, b.conn, table))
		return wait(ctx, pollInterval)
	}
}

func (b *build) create(ctx context.Context, index migrations.Index) error {
	unique := ""
	if index.Unique {
		unique = "unique "
	}
	sql := "create " + unique + "index concurrently " + pgx.Identifier{index.Name}.Sanitize() + " on " + b.qualified(index.Table) + " " + index.On
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(watching, index)
	}()
	defer func() {
		stop()
		<-watched
	}()
	return b.alone(ctx, sql)
}

func (b *build) drop(ctx context.Context, index migrations.Index) error {
	b.tell(b.file.String() + ": dropping the index " + index.Name + " of an interrupted build")
	return b.alone(ctx, "drop index concurrently if exists "+b.qualified(index.Name))
}

// alone runs a statement outside a transaction, without time limits. It may wait for transactions of others, but its lock stops
// none of them. Behind a pooler the limits of the role apply, since the pooler's sessions are not ours to change.
func (b *build) alone(ctx context.Context, sql string) error {
	if b.pooler == Session {
		if _, err := b.conn.Exec(ctx, "set statement_timeout = 0; set lock_timeout = 0", pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	_, err := b.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	switch {
	case pgerr.Is(err, pgerr.DuplicateTable, pgerr.UndefinedObject): // there is one of this name already, or none any more
		return fmt.Errorf("%w: %w", errOvertaken, err)
	case pgerr.Is(err, pgerr.QueryCanceled) && b.pooler != Session && ctx.Err() == nil:
		return fmt.Errorf("%w: the role's statement_timeout ended the build, and through this pooler it cannot be lifted: "+
			"start one process with DATABASE_POOLER=session and a database URL that bypasses the pooler", err)
	}
	return err
}

// watch reports the progress of a build until ctx is done. A short build is not worth a connection.
func (b *build) watch(ctx context.Context, index migrations.Index) {
	what := b.file.String() + ": building " + b.schema + "." + index.Name
	b.tell(what)
	if wait(ctx, silence/2) != nil {
		return
	}
	conn, _, err := connectToMigrate(ctx, b.url, b.pooler)
	if err != nil { // the build does not depend on it
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		b.tell(what + b.progress(ctx, conn, index.Table))
		if wait(ctx, pollInterval) != nil {
			return
		}
	}
}

// progress returns the progress of the builds on a table, as far as the role may see it: the phase, and the blocks or rows done
// of all of them, or the process that the build waits for.
func (b *build) progress(ctx context.Context, q querier, table string) (text string) {
	_ = q.QueryRow(ctx, `select coalesce(string_agg(': ' || phase || case
			when current_locker_pid > 0 then format(', for process %s, %s of %s', current_locker_pid, lockers_done, lockers_total)
			when blocks_total > 0 then format(', %s of %s blocks', blocks_done, blocks_total)
			when tuples_total > 0 then format(', %s of %s rows', tuples_done, tuples_total)
			else '' end, ''), '')
		from pg_stat_progress_create_index where relid = $1::regclass`, b.qualified(table)).Scan(&text)
	return text
}
