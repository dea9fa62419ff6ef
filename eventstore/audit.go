package eventstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Violation is an inconsistency in a store. Commands never cause one.
type Violation struct {
	Check   string // one of the constants below
	ID      uuid.UUID
	Stream  uuid.UUID
	Version int64 // of the stream, or the position in the log, if the violation concerns one
	Detail  string
}

// The checks of a Violation. Its ID is that of the receipt for ViolationReceipt, otherwise that of the stream.
const (
	ViolationState   = "state_differs"           // the state or an index column of a stream differs from its events
	ViolationVersion = "version_missing"         // the events of a stream are not 1, 2, 3 … up to its version
	ViolationOrder   = "log_out_of_order"        // a later version of a stream comes earlier in the log
	ViolationReceipt = "receipt_without_version" // a receipt names a version that does not exist
	ViolationMessage = "message_overdue"         // an event has waited too long for its handlers

	ViolationSequence = "sequence_behind" // the next position exists already, or projections have passed it
	ViolationKey      = "key_given_twice" // two streams of a kind share a key, such as the number of an order

	ViolationChanged  = "event_changed"  // an event differs from its entry in a seal
	ViolationRemoved  = "event_removed"  // a sealed event does not exist
	ViolationInserted = "event_inserted" // an event has no entry in the seals around it
	ViolationChain    = "chain_broken"   // a seal is damaged or does not continue the one before it
	ViolationUnsealed = "event_unsealed" // an event has waited too long for its seal
)

const (
	auditPage   = 500              // streams, or receipts
	auditEvents = 5000             // events that are read at once
	overdue     = time.Minute      // a message that was due and was not redelivered
	neverTaken  = 30 * time.Minute // a message that is redelivered without success; normally it is handled or parked by then
)

// lastID is the highest id.
var lastID = uuid.UUID(bytes.Repeat([]byte{0xff}, 16))

// before returns the id just below an id.
func before(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]--; id[i] != 0xff {
			break
		}
	}
	return id
}

// Audit rebuilds a page of streams from all their events and returns the violations. The page begins after the id. next is
// where the next page begins, or zero. All reads of a page use one snapshot, so the result is exact while others write.
func (s *Store) Audit(ctx context.Context, after uuid.UUID) (violations []Violation, read int, next uuid.UUID, err error) {
	return s.audit(ctx, after, lastID)
}

// AuditStream audits one stream.
func (s *Store) AuditStream(ctx context.Context, id uuid.UUID) ([]Violation, error) {
	violations, _, _, err := s.audit(ctx, before(id), id)
	return violations, err
}

func (s *Store) audit(ctx context.Context, after, last uuid.UUID) (violations []Violation, read int, next uuid.UUID, err error) {
	err = s.ReadAt(ctx, func(at ReadTx) error {
		rows, _ := s.auditedRows(ctx, at.tx, after, last)
		if read = len(rows); read == auditPage {
			next = rows[len(rows)-1].id
			last = next
		}
		a := audit{rows: rows, store: s}
		if err := s.auditedEvents(ctx, at.tx, after, last, a.event); err != nil {
			return err
		}
		violations = a.close()
		return nil
	})
	if err != nil {
		return nil, 0, uuid.Nil, fmt.Errorf("audit the streams of %s: %w", s.schema, err)
	}
	return violations, read, next, nil
}

// auditedRow is a row of streams with its index columns.
type auditedRow struct {
	storedRow
	Index
}

const (
	auditRows = `select ` + rowColumns + `, coalesce(customer, ''), coalesce(status, ''), coalesce(key, '')
		from @.streams where id > $1 and id <= $2 order by id limit $3`
	auditLog = `select position, stream, version, type, data, meta, at from @.events
		where (stream, version) > ($1, $2) and stream <= $3 order by stream, version limit $4`
)

func (s *Store) auditedRows(ctx context.Context, tx pgx.Tx, after, last uuid.UUID) ([]auditedRow, error) {
	rows, _ := tx.Query(ctx, s.in(auditRows), after, last, auditPage)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r auditedRow, err error) {
		err = row.Scan(append(r.targets(), &r.Customer, &r.Status, &r.Key)...)
		return r, err
	})
}

// auditedEvents calls each with all events of the streams after one id, up to another, including events of streams without a
// row. It reads in pages, because one stream may have very many events.
func (s *Store) auditedEvents(ctx context.Context, tx pgx.Tx, after, last uuid.UUID, each func(Recorded)) error {
	const beyond = int64(1) << 62
	stream, version := after, beyond
	for {
		n := 0
		err := eachEvent(ctx, tx, func(r Recorded) error {
			n, stream, version = n+1, r.Stream, r.Version
			each(r)
			return nil
		}, s.in(auditLog), stream, version, last, auditEvents)
		if err != nil || n < auditEvents {
			return err
		}
	}
}

// audit compares rows with events. Both arrive in the order of their streams.
type audit struct {
	rows       []auditedRow
	store      *Store
	violations []Violation

	stream     uuid.UUID // the stream whose events are being read
	version    int64     // of its last event
	position   int64
	state      any
	broken     error // why the state cannot be rebuilt
	outOfOrder bool
	gap        int64 // the first missing version, or 0
}

func (a *audit) event(r Recorded) {
	if r.Stream != a.stream {
		a.endStream()
		*a = audit{rows: a.rows, store: a.store, violations: a.violations, stream: r.Stream}
	}
	if r.Version != a.version+1 && a.gap == 0 {
		a.gap = a.version + 1
	}
	a.outOfOrder = a.outOfOrder || r.Position <= a.position
	a.version, a.position = r.Version, r.Position
	if c := a.store.codecOf(r.Type); c == nil {
		a.broken = ErrNewerVersion
	} else if a.broken == nil {
		a.state, a.broken = c.evolve(a.state, r)
	}
}

// endStream checks the stream whose events have all been read, and reports the rows before it, which have no events.
func (a *audit) endStream() {
	if a.version == 0 {
		return
	}
	for len(a.rows) > 0 && bytes.Compare(a.rows[0].id[:], a.stream[:]) < 0 {
		a.noEvents(a.rows[0])
		a.rows = a.rows[1:]
	}
	if len(a.rows) == 0 || a.rows[0].id != a.stream {
		a.report(ViolationVersion, a.version, "It has events up to version %d, and no row among the streams.", a.version)
		return
	}
	row := a.rows[0]
	a.rows = a.rows[1:]
	switch {
	case a.gap > 0:
		a.report(ViolationVersion, a.gap, "The event of version %d is missing.", a.gap)
	case a.version != row.version:
		a.report(ViolationVersion, row.version, "It stands at version %d, and its events end at %d.", row.version, a.version)
	default:
		a.compare(row)
	}
	if a.outOfOrder {
		a.report(ViolationOrder, 0, "Its events stand in the log in another order than that of their versions.")
	}
}

func (a *audit) noEvents(row auditedRow) {
	a.stream = row.id
	a.report(ViolationVersion, row.version, "It stands at version %d, and has no events.", row.version)
}

// close ends the page and returns all violations. The remaining rows have no events.
func (a *audit) close() []Violation {
	a.endStream()
	for _, row := range a.rows {
		a.noEvents(row)
	}
	return a.violations
}

func (a *audit) report(check string, version int64, detail string, args ...any) {
	a.violations = append(a.violations, Violation{Check: check, ID: a.stream, Stream: a.stream, Version: version, Detail: fmt.Sprintf(detail, args...)})
}

// compare checks the stored state against the state that the events lead to. It skips states that only another version of
// the program can read.
func (a *audit) compare(row auditedRow) {
	c := a.store.kinds[row.kind]
	switch {
	case c == nil || errors.Is(a.broken, ErrNewerVersion):
		return
	case a.broken != nil:
		a.report(ViolationState, row.version, "Its state cannot be rebuilt from its events: %v", a.broken)
		return
	}
	outdated, err := row.decode(c)
	if err != nil {
		a.report(ViolationState, row.version, "Its state cannot be read: %v", err)
	}
	if outdated || err != nil {
		return
	}
	is, err := json.Marshal(row.value)
	want, wrong := json.Marshal(a.state)
	if err = errors.Join(err, wrong); err != nil || !bytes.Equal(is, want) {
		a.report(ViolationState, row.version, "Its state differs from the one that its events lead to.")
		return
	}
	index := c.index(a.state, row.updated)
	if index.Customer != row.Customer || index.Status != row.Status || index.Key != row.Key {
		a.report(ViolationState, row.version, "Lists see it as %q %q %q, and it is %q %q %q.",
			row.Customer, row.Status, row.Key, index.Customer, index.Status, index.Key)
	}
}

const auditReceipts = `select r.id, r.stream, r.version, r.version = 0 or e.version is not null
	from (select id, stream, version from @.receipts where id > $1 and id <= $2 order by id limit $3) r
	left join @.events e on e.stream = r.stream and e.version = r.version order by r.id`

// AuditReceipts returns the violations in a page of receipts. Pages work as in Audit.
func (s *Store) AuditReceipts(ctx context.Context, after uuid.UUID) (violations []Violation, read int, next uuid.UUID, err error) {
	return s.auditReceipts(ctx, after, lastID)
}

// AuditReceipt audits one receipt.
func (s *Store) AuditReceipt(ctx context.Context, id uuid.UUID) ([]Violation, error) {
	violations, _, _, err := s.auditReceipts(ctx, before(id), id)
	return violations, err
}

func (s *Store) auditReceipts(ctx context.Context, after, last uuid.UUID) (violations []Violation, read int, next uuid.UUID, err error) {
	rows, _ := s.db.Query.Query(ctx, s.in(auditReceipts), after, last, auditPage)
	one, there := Violation{Check: ViolationReceipt}, false
	_, err = pgx.ForEachRow(rows, []any{&one.ID, &one.Stream, &one.Version, &there}, func() error {
		if read++; read == auditPage {
			next = one.ID
		}
		if !there {
			one.Detail = fmt.Sprintf("The command was answered with version %d, which is not there.", one.Version)
			violations = append(violations, one)
		}
		return nil
	})
	if err != nil {
		return nil, 0, uuid.Nil, fmt.Errorf("audit the receipts of %s: %w", s.schema, err)
	}
	return violations, read, next, nil
}

const auditOutbox = `select o.stream, o.version, coalesce(e.type, 'that is not there')
	from @.outbox o left join @.events e on e.stream = o.stream and e.version = o.version
	where o.due_at < now() - $1::interval or coalesce(e.at, '-infinity') < now() - $2::interval order by o.due_at limit $3`

// AuditOutbox returns the messages that have waited too long for their handlers.
func (s *Store) AuditOutbox(ctx context.Context) (violations []Violation, err error) {
	rows, _ := s.db.Query.Query(ctx, s.in(auditOutbox), overdue, neverTaken, auditPage)
	one, eventType := Violation{Check: ViolationMessage}, ""
	_, err = pgx.ForEachRow(rows, []any{&one.Stream, &one.Version, &eventType}, func() error {
		one.ID, one.Detail = one.Stream, fmt.Sprintf("The event %s of version %d waits for its handlers.", eventType, one.Version)
		violations = append(violations, one)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("audit the outbox of %s: %w", s.schema, err)
	}
	return violations, nil
}

// keysPage is the number of keys that are read at once.
const keysPage = 20_000

const (
	auditKeys = `with page as materialized (
			select kind, key, id from @.streams where key is not null and (kind, key) >= ($1, $2) order by kind, key limit $3
		), last as (select kind, key from page order by kind desc, key desc limit 1)
		select kind, key, array_agg(id order by id), (select count(*) from page) from page
		group by kind, key having count(*) > 1 or (kind, key) = (select kind, key from last) order by kind, key`
	auditKey = `select o.kind, o.key, array_agg(o.id order by o.id), count(*) from @.streams s join @.streams o using (kind, key)
		where s.id = $1 group by o.kind, o.key`
)

// AuditKeys returns the streams of a page that share their key with another stream of their kind. A unique index forbids
// this, unless it was dropped, is damaged, or could not be restored. from is where the previous page said to continue; the
// first page begins at "". next is "" if there is no further page.
func (s *Store) AuditKeys(ctx context.Context, from string) (violations []Violation, next string, err error) {
	kind, key, _ := strings.Cut(from, ":")
	violations, read, last, err := s.sharedKeys(ctx, auditKeys, kind, key, keysPage)
	if read == keysPage && last != from { // start with the last key again, because its streams may continue on the next page
		next = last
	}
	return violations, next, err
}

// AuditKey audits the key of one stream.
func (s *Store) AuditKey(ctx context.Context, id uuid.UUID) ([]Violation, error) {
	violations, _, _, err := s.sharedKeys(ctx, auditKey, id)
	return violations, err
}

func (s *Store) sharedKeys(ctx context.Context, sql string, args ...any) (violations []Violation, read int, last string, err error) {
	rows, _ := s.db.Query.Query(ctx, s.in(sql), args...)
	var kind, key string
	var ids []uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&kind, &key, &ids, &read}, func() error {
		last = kind + ":" + key
		if len(ids) < 2 {
			return nil
		}
		detail := fmt.Sprintf("The %s %q is there %d times: %v.", kind, key, len(ids), ids)
		for _, id := range ids {
			violations = append(violations, Violation{Check: ViolationKey, ID: id, Stream: id, Detail: detail})
		}
		return nil
	})
	if err != nil {
		return nil, 0, "", fmt.Errorf("audit the keys of %s: %w", s.schema, err)
	}
	return violations, read, last, nil
}
