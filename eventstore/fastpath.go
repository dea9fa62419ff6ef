package eventstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/failpoint"
)

// A command that is alone in its batch takes the fast path: a plain read, and one statement that writes everything if the
// stream still has the version that was read. It takes no lock before the write; refusals and repeated commands take none at
// all. If another process was faster, or other commands are under way, the command joins a batch.

// fastStatements returns the statements that write a command to one stream. Each writes the row of the stream first. If that
// succeeds, it writes the receipt and the outbox, and after the position lock the events. The position is drawn above the
// join with the lock, so after it.
func fastStatements(schema string) (insert, update string) {
	const rest = `, r as (
		insert into @.receipts (id, fingerprint, stream, version, status, at)
		select $11::uuid, $12::bytea, $1, $3, $13::int2, $10 from s where $11::uuid is not null
	), o as (
		insert into @.outbox (stream, version, due_at) select $1, v, $10 + interval '5 seconds' from s, unnest($14::int8[]) v
	), l as materialized (
		select pg_advisory_xact_lock(hashtext('@.position')) from s
	)
	insert into @.events (position, stream, version, type, data, meta, at)
	select nextval('@.position'), $1, v, t, d::json, m::json, $10
	from l, unnest($15::int8[], $16::text[], $17::text[], $18::text[]) u(v, t, d, m)`
	const wake = `case when $9::int8 <> 0 then timestamptz 'epoch' + $9::int8 * interval '1 microsecond' end`
	insert = `with s as (
		insert into @.streams (id, version, kind, fold, state, customer, status, key, wake_at, created_at, updated_at)
		select $1::uuid, $3::int8, $2::text, $4::int2, $5::text::json, nullif($6::text, ''), nullif($7::text, ''), nullif($8::text, ''),
			` + wake + `, $10::timestamptz, $10::timestamptz
		returning id
	)` + rest
	update = `with s as (
		update @.streams set version = $3::int8, fold = $4::int2, state = $5::text::json, customer = nullif($6::text, ''),
			status = nullif($7::text, ''), key = nullif($8::text, ''), wake_at = ` + wake + `, updated_at = $10::timestamptz
		where id = $1::uuid and version = $2::int8 returning id
	)` + rest
	return strings.ReplaceAll(insert, "@", schema), strings.ReplaceAll(update, "@", schema)
}

// tryFastPath runs a command that is alone in its batch, if it can. done reports whether it did.
func (c *Committer) tryFastPath(ctx context.Context, conn *pgx.Conn, j *job) (done bool, err error) {
	if j.isChain() || len(j.Streams) != 1 || c.underway.Load() > 1 || c.config.Begin != "" { // without our own sessions, plans are not pinned
		return false, nil
	}
	j.reset()
	w := &storeBatch{store: j.store, streams: map[uuid.UUID]*batchStream{}, receipts: map[uuid.UUID]Receipt{}}
	w.take(j)
	if err := w.readFast(ctx, conn); err != nil {
		return false, err
	}
	decideAll(j, func(*Store) *storeBatch { return w })
	if len(w.done) == 0 { // refused, or a repeated command
		return true, nil
	}
	e := w.streams[j.Streams[0].ID]
	if len(w.events) == 0 || len(w.extraSQL) > 0 {
		return len(w.events)+len(w.extraSQL) == 0 && j.Harmless, nil
	}
	if done, err = w.writeFast(ctx, conn, e); done {
		w.finish(nil)
		c.count([]*storeBatch{w})
	}
	return done, err
}

// readFast reads the streams, the receipt and the clock of one command, without locks. One statement reads them, so they
// belong to one moment. It returns a row for each stream that exists, or one row without a stream.
func (w *storeBatch) readFast(ctx context.Context, conn *pgx.Conn) error {
	sent := time.Now()
	rows, _ := conn.Query(ctx, w.store.sql.fastRead, append(w.ids(true), w.ids(false)...), w.receiptID())
	var now time.Time
	var repeated bool
	var r Receipt
	var row storedRow
	_, err := pgx.ForEachRow(rows, append(append([]any{&now, &repeated}, r.targets()...), row.targets()...), func() error {
		w.now = now.UTC()
		if repeated {
			w.receipts[w.commands[0]] = r
		}
		if row.version > 0 {
			w.found(row)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read for a command: %w", err)
	}
	w.store.db.Committer.clock.Observe(sent, w.now, time.Now())
	return w.rebuildOutdated(ctx, conn)
}

// receiptID returns the id of the receipt of the only command, or nil if it has none.
func (w *storeBatch) receiptID() *uuid.UUID {
	if len(w.commands) == 0 {
		return nil
	}
	return &w.commands[0]
}

// writeFast writes a decided command, unless its stream has changed since the read.
func (w *storeBatch) writeFast(ctx context.Context, conn *pgx.Conn, e *batchStream) (done bool, err error) {
	var row columnsOf
	if err := row.add(e); err != nil {
		return false, &commandError{err}
	}
	r := w.done[0]
	versions, types, data, meta := eventColumns(w.events)
	_, outbox := w.store.outbox.wanted(w.events)
	sql, second := w.store.sql.fastUpdate, any(e.stored)
	if e.stored == 0 {
		sql, second = w.store.sql.fastInsert, row.kinds[0]
	}
	if failpoint.Enabled {
		reach(failpoint.BeforeCommit, w)
	}
	tag, err := conn.Exec(ctx, sql, e.ID, second, row.versions[0], row.stateVersions[0], row.states[0], row.customers[0], row.statuses[0],
		row.keys[0], row.wakes[0], w.now, w.receiptID(), r.receipt.fingerprint, r.receipt.Status, outbox, versions, types, data, meta)
	if err != nil {
		return false, fmt.Errorf("write a command: %w", err)
	}
	if failpoint.Enabled && tag.RowsAffected() > 0 {
		reach(failpoint.AfterCommit, w)
	}
	return tag.RowsAffected() > 0, nil
}
