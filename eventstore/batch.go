package eventstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/failpoint"
)

// storeBatch holds the reads and writes of one batch in one store.
type storeBatch struct {
	store    *Store
	now      time.Time
	streams  map[uuid.UUID]*batchStream
	receipts map[uuid.UUID]Receipt
	jobs     int         // commands
	commands []uuid.UUID // that have receipts
	events   []newEvent
	extraSQL []statement
	done     []doneCommand
	handled  []outboxKey // outbox rows to delete in this batch
}

type doneCommand struct {
	*Command
	receipt Receipt
}

// try runs a batch once: it reads, decides and writes. If the error is nil, every job has its result. Handled outbox rows of
// the stores that carry allows are deleted in the same transaction.
func (c *Committer) try(ctx context.Context, batch []*job, carry func(*Store) bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("acquire a write connection: %w", err)
	}
	defer conn.Release()
	if err := c.ensurePositions(ctx, conn.Conn()); err != nil {
		return err
	}
	if len(batch) == 1 {
		if done, err := c.tryFastPath(ctx, conn.Conn(), batch[0]); done || err != nil {
			return err
		}
	}
	works := c.plan(batch, carry)
	defer func() {
		for _, w := range works {
			w.finish(err)
		}
		if conn.Conn().PgConn().TxStatus() != 'I' { // an error, or nothing to write: release the locks
			_, e := conn.Exec(ctx, "rollback")
			err = cmp.Or(err, e)
		}
	}()
	if len(batch) > 0 {
		if err = c.read(ctx, conn.Conn(), works); err != nil {
			return err
		}
	}
	for _, j := range batch {
		decideAll(j, func(s *Store) *storeBatch {
			return works[slices.IndexFunc(works, func(w *storeBatch) bool { return w.store == s })]
		})
	}
	if err = c.write(ctx, conn.Conn(), works, len(batch) > 0); err != nil {
		return err
	}
	c.count(works)
	return nil
}

// plan collects the streams and receipts that a batch names, store by store in the order of their schemas.
func (c *Committer) plan(batch []*job, carry func(*Store) bool) []*storeBatch {
	var works []*storeBatch
	for _, s := range c.stores {
		w := &storeBatch{store: s, streams: map[uuid.UUID]*batchStream{}, receipts: map[uuid.UUID]Receipt{}}
		for _, j := range batch {
			for one := range j.all {
				if one.store == s {
					one.reset() // a repeated batch decides everything again, including refusals
					w.take(one)
				}
			}
		}
		if carry(s) {
			w.handled = s.outbox.takeHandled()
		}
		if w.jobs+len(w.handled) > 0 {
			works = append(works, w)
		}
	}
	return works
}

func (w *storeBatch) name(refs []Ref, lock bool) {
	for _, ref := range refs {
		e := w.streams[ref.ID]
		if e == nil {
			e = &batchStream{Ref: ref}
			w.streams[ref.ID] = e
		}
		e.locked = e.locked || lock
	}
}

func (w *storeBatch) ids(locked bool) [][16]byte {
	var ids [][16]byte
	for id, e := range w.streams {
		if e.locked == locked {
			ids = append(ids, id)
		}
	}
	return ids
}

// begin opens the transaction. Without lasting sessions, it also sets the options of the transaction.
func (c *Committer) begin(b *pgx.Batch) {
	b.Queue("begin")
	if c.config.Begin != "" {
		b.Queue(c.config.Begin)
	}
}

// readClock reads the clock of the database. It is read after the locks, so the times of a stream never run backwards.
const readClock = `select clock_timestamp()`

// read makes the first round trip. It reads the receipts after the locks, in a statement of its own. Under READ COMMITTED
// that statement has a new snapshot, so a duplicate that waited for the lock of the first command sees its receipt.
func (c *Committer) read(ctx context.Context, conn *pgx.Conn, works []*storeBatch) error {
	var b pgx.Batch
	c.begin(&b)
	for _, w := range works {
		if ids := w.ids(true); len(ids) > 0 {
			b.Queue(w.store.sql.lock, ids).Query(w.scanStreams)
		}
	}
	for _, w := range works {
		if ids := w.ids(false); len(ids) > 0 {
			b.Queue(w.store.sql.read, ids).Query(w.scanStreams)
		}
		if len(w.commands) > 0 {
			b.Queue(w.store.sql.receipts, raw(w.commands)).Query(w.scanReceipts)
		}
	}
	var now time.Time
	b.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	sent := time.Now()
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("read a batch: %w", err)
	}
	now = now.UTC() // events store UTC, whatever the time zone of the process
	c.clock.Observe(sent, now, time.Now())
	for _, w := range works {
		w.now = now
		if err := w.rebuildOutdated(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}

func (w *storeBatch) scanStreams(rows pgx.Rows) error {
	var row storedRow
	_, err := pgx.ForEachRow(rows, row.targets(), func() error {
		w.found(row)
		return nil
	})
	return err
}

// found takes in a row of a stream. An unreadable state is an error of the commands that name the stream, and of no others.
func (w *storeBatch) found(row storedRow) {
	e := w.streams[row.id]
	if c, ok := w.store.kinds[row.kind]; ok {
		e.codec = c // another command may have named the stream as another kind; the row is right
	}
	if e.other = row.kind != e.codec.kind(); e.other {
		return
	}
	e.outdated, e.broken = row.decode(e.codec) // once per stream, for all commands
	e.stored, e.streamView = row.version, row.streamView
}

func (w *storeBatch) scanReceipts(rows pgx.Rows) error {
	var id uuid.UUID
	var r Receipt
	_, err := pgx.ForEachRow(rows, append([]any{&id}, r.targets()...), func() error {
		w.receipts[id] = r
		return nil
	})
	return err
}

// targets returns the scan targets for the columns of a receipt.
func (r *Receipt) targets() []any { return []any{&r.fingerprint, &r.Stream, &r.Version, &r.Status} }

// rebuildOutdated rebuilds the states that another version of the program wrote. It reads all their events in one round
// trip, because all states are outdated when a new version starts.
func (w *storeBatch) rebuildOutdated(ctx context.Context, conn *pgx.Conn) error {
	var outdated map[uuid.UUID]int64
	for id, e := range w.streams {
		if e.outdated {
			if outdated == nil {
				outdated = map[uuid.UUID]int64{}
			}
			outdated[id] = e.version
		}
	}
	rebuilt, err := w.store.rebuildStates(ctx, conn, outdated, func(id uuid.UUID) codec { return w.streams[id].codec })
	for id, f := range rebuilt {
		w.streams[id].value, w.streams[id].broken = f.value, f.broken
	}
	return err
}

// decide runs one command on the states that the previous commands left.
func decide(j *job, w *storeBatch) {
	if r, ok := w.receipts[j.ID]; ok && !j.Harmless { // it was done before, or earlier in this batch
		r.Replayed = true
		j.receipt = r
		if !bytes.Equal(r.fingerprint, j.Fingerprint) {
			j.receipt, j.err = Receipt{}, ErrKeyReused
		}
		return
	}
	if j.err = w.broken(j); j.err != nil {
		return
	}
	tx := &Tx{now: w.now, meta: j.Meta, command: j.ID, streams: w.streams, earlier: j.earlier}
	for _, ref := range j.Streams {
		w.streams[ref.ID].writer = tx
	}
	if err := decideSafely(j.Decide, tx); err != nil {
		tx.discard()
		j.err = err
		return
	}
	if len(j.Streams) > 0 {
		tx.keepNote(j.Note, j.Streams[0].ID)
	}
	tx.commit()
	w.events = append(w.events, tx.events...)
	w.extraSQL = append(w.extraSQL, tx.extraSQL...)
	j.receipt = Receipt{Status: tx.status, fingerprint: j.Fingerprint}
	if len(j.Streams) > 0 {
		j.receipt.Stream = j.Streams[0].ID
		j.receipt.after = w.streams[j.receipt.Stream].streamView
		j.receipt.Version = j.receipt.after.version
	}
	j.stopped = tx.stopped
	w.receipts[j.ID] = j.receipt
	w.done = append(w.done, doneCommand{j.Command, j.receipt})
}

// broken returns the error of the first stream of a command that cannot be read.
func (w *storeBatch) broken(j *job) error {
	for _, refs := range [2][]Ref{j.Streams, j.Reads} {
		for _, ref := range refs {
			if err := w.streams[ref.ID].broken; err != nil {
				return err
			}
		}
	}
	return nil
}

// decideSafely turns a panic of a command into its error, so that other commands are not affected.
func decideSafely(decide func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decide panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return decide(tx)
}

// write makes the second round trip. It inserts new streams with a plain INSERT. An INSERT that meets a row of another
// process fails at once and the batch is repeated. An upsert would wait for the lock of that row out of order and could
// deadlock.
func (c *Committer) write(ctx context.Context, conn *pgx.Conn, works []*storeBatch, begun bool) error {
	var b pgx.Batch
	if !begun {
		c.begin(&b)
	}
	idle := b.Len()
	for _, w := range works {
		if err := w.queueRows(&b); err != nil {
			return err
		}
	}
	for _, w := range works {
		w.queueEvents(&b)
	}
	if b.Len() == idle {
		return nil // only refusals and repeated commands
	}
	b.Queue("commit")
	if failpoint.Enabled {
		reach(failpoint.BeforeCommit, works...)
	}
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	if failpoint.Enabled {
		reach(failpoint.AfterCommit, works...)
	}
	return nil
}

func (w *storeBatch) queueRows(b *pgx.Batch) error {
	ins, upd, err := w.changed()
	if err != nil {
		return err
	}
	q := w.store.sql
	if len(ins.ids) > 0 {
		b.Queue(q.insert, ins.ids, ins.versions, ins.kinds, ins.stateVersions, ins.states, ins.customers, ins.statuses, ins.keys, ins.wakes, w.now)
	}
	if len(upd.ids) > 0 {
		b.Queue(q.update, upd.ids, upd.versions, upd.stateVersions, upd.states, upd.customers, upd.statuses, upd.keys, upd.wakes, w.now)
	}
	for _, s := range w.extraSQL {
		b.Queue(s.sql, s.args...)
	}
	w.queueReceipts(b)
	if ids, versions := w.store.outbox.wanted(w.events); len(ids) > 0 {
		b.Queue(q.putOutbox, ids, versions, w.now)
	}
	if len(w.handled) > 0 {
		ids, versions := columns(w.handled)
		b.Queue(q.dropOutbox, ids, versions)
	}
	return nil
}

// queueReceipts queues the receipts of the commands that are not harmless.
func (w *storeBatch) queueReceipts(b *pgx.Batch) {
	n := len(w.commands)
	ids, streams := make([][16]byte, 0, n), make([][16]byte, 0, n)
	prints, versions, statuses := make([][]byte, 0, n), make([]int64, 0, n), make([]int, 0, n)
	for _, d := range w.done {
		if !d.Harmless {
			ids, streams = append(ids, d.ID), append(streams, d.receipt.Stream)
			prints, versions, statuses = append(prints, d.receipt.fingerprint), append(versions, d.receipt.Version), append(statuses, d.receipt.Status)
		}
	}
	if len(ids) > 0 {
		b.Queue(w.store.sql.putReceipts, ids, prints, streams, versions, statuses, w.now)
	}
}

// queueEvents queues the events after all other rows, because the batches of a schema run one after the other from the
// position lock to the commit.
func (w *storeBatch) queueEvents(b *pgx.Batch) {
	if len(w.events) == 0 {
		return
	}
	streams := make([][16]byte, len(w.events))
	for i, e := range w.events {
		streams[i] = e.Stream
	}
	versions, types, data, meta := eventColumns(w.events)
	b.Queue(w.store.sql.putEvents, streams, versions, types, data, meta, w.now)
}

// eventColumns returns the columns of events for unnest.
func eventColumns(events []newEvent) (versions []int64, types, data, meta []string) {
	for _, e := range events {
		m, _ := json.Marshal(e.Meta) // ids and strings can always be encoded
		versions, types, data, meta = append(versions, e.Version), append(types, e.Type), append(data, string(e.Data)), append(meta, string(m))
	}
	return versions, types, data, meta
}

// columnsOf holds the columns of streams for unnest.
type columnsOf struct {
	ids                       [][16]byte
	versions, wakes           []int64
	stateVersions             []int16
	kinds, states             []string
	customers, statuses, keys []string
}

// changed returns the changed streams, new and existing ones apart, ordered by id. Inserts wait for each other, so all
// batches must use one order.
func (w *storeBatch) changed() (ins, upd columnsOf, err error) {
	var moved []*batchStream
	for _, e := range w.streams {
		if e.version != e.stored {
			moved = append(moved, e)
		}
	}
	slices.SortFunc(moved, func(a, b *batchStream) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, e := range moved {
		to := &upd
		if e.stored == 0 {
			to = &ins
		}
		if err := to.add(e); err != nil {
			return ins, upd, &commandError{err}
		}
	}
	return ins, upd, nil
}

func (c *columnsOf) add(e *batchStream) error {
	state, err := json.Marshal(e.value) // the last state only
	if err != nil {
		return fmt.Errorf("encode the state of %s %s: %w", e.codec.kind(), e.ID, err)
	}
	i := e.codec.index(e.value, e.updated)
	var wake int64 // microseconds since 1970; 0 is NULL
	if !i.WakeAt.IsZero() {
		wake = i.WakeAt.UnixMicro()
	}
	c.ids, c.versions, c.wakes = append(c.ids, e.ID), append(c.versions, e.version), append(c.wakes, wake)
	c.kinds, c.stateVersions, c.states = append(c.kinds, e.codec.kind()), append(c.stateVersions, e.codec.stateVersion()), append(c.states, string(state))
	c.customers, c.statuses, c.keys = append(c.customers, i.Customer), append(c.statuses, i.Status), append(c.keys, i.Key)
	return nil
}

// finish ends a batch. After a commit it dispatches the events. After an error it returns the handled outbox rows.
func (w *storeBatch) finish(err error) {
	if err != nil {
		w.store.outbox.remember(w.handled)
		return
	}
	w.store.dispatch(w.events)
	if len(w.events) > 0 {
		w.store.db.Committer.moved.add(w.store.schema)
	}
}

func (c *Committer) count(works []*storeBatch) {
	c.counts.batches.Add(1)
	for _, w := range works {
		c.counts.commands.Add(int64(len(w.done)))
		c.counts.events.Add(int64(len(w.events)))
	}
}

// raw converts ids to the type that pgx encodes without reflection.
func raw(ids []uuid.UUID) [][16]byte {
	out := make([][16]byte, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}
