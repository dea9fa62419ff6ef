package eventstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	auditSeals = 500                   // seals in a page; fewer if they are large
	sealSize   = sealLimit * entrySize // bytes of the entries of a full seal
)

// sealRow is a row of the table of seals. Its entries are nil if they are larger than any seal.
type sealRow struct {
	after, last   int64
	hash, entries []byte
}

// AuditSeals compares a page of the log with its seals and checks their chain. The page begins with the seals from a position on;
// math.MinInt64 is the start. next is where the next page begins, or from at the end. A page needs memory for its seals and its
// violations only. All its reads use one snapshot, so the result is exact while others write.
func (s *Store) AuditSeals(ctx context.Context, from int64) (violations []Violation, read int, next int64, err error) {
	a := sealAudit{store: s, next: from}
	if err = s.ReadAt(ctx, func(at ReadTx) error { return a.page(ctx, at.tx, from) }); err != nil {
		return nil, 0, 0, fmt.Errorf("audit the seals of %s: %w", s.schema, err)
	}
	return a.violations, a.read, a.next, nil
}

// sealAudit is the audit of a page of seals.
type sealAudit struct {
	store      *Store
	violations []Violation
	read       int // sealed events
	tampered   int // events that differ from their entries
	next       int64
}

func (a *sealAudit) page(ctx context.Context, tx pgx.Tx, from int64) error {
	previous, err := a.previous(ctx, tx, from)
	if err != nil {
		return err
	}
	rows, _ := tx.Query(ctx, a.store.sealSQL.page, from, auditSeals, sealSize)
	seals, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r sealRow, err error) {
		err = row.Scan(&r.after, &r.last, &r.hash, &r.entries)
		return r, err
	})
	if err != nil {
		return err
	}
	if len(seals) == 0 {
		return a.unsealed(ctx, tx)
	}
	begin, end, sealed := previous.last+1, previous.last, map[int64]sealEntry{}
	if from == math.MinInt64 {
		begin = from
	}
	for _, r := range seals {
		a.link(previous, r, sealed)
		previous, end = r, max(end, r.last)
	}
	a.read, a.next = len(sealed), previous.after+1
	return a.compare(ctx, tx, begin, end, sealed)
}

// previous returns the last seal before the page, or the start of the chain.
func (a *sealAudit) previous(ctx context.Context, tx pgx.Tx, from int64) (r sealRow, err error) {
	var at time.Time
	err = tx.QueryRow(ctx, a.store.sealSQL.before, from).Scan(&r.last, &r.hash, &at)
	if isNone(err) {
		err = nil
	}
	return r, err
}

// link checks a seal and its link to the previous one, and adds its entries to sealed.
func (a *sealAudit) link(previous, r sealRow, sealed map[int64]sealEntry) {
	entries, ok := entriesOf(r.entries, r.after, r.last)
	for _, e := range entries {
		sealed[e.position()] = e
	}
	hash := sha256.Sum256(slices.Concat(previous.hash, r.entries))
	switch {
	case r.after != previous.last:
		a.report(ViolationChain, r.last, "The seal up to position %d begins after position %d, and the one before it ends at %d.", r.last, r.after, previous.last)
	case !ok:
		a.report(ViolationChain, r.last, "The entries of the seal up to position %d are damaged.", r.last)
	case !bytes.Equal(hash[:], r.hash):
		a.report(ViolationChain, r.last, "The hash of the seal up to position %d does not follow from its entries and the hash before it.", r.last)
	}
}

// compare compares the events from one position up to another with their entries.
func (a *sealAudit) compare(ctx context.Context, tx pgx.Tx, begin, end int64, sealed map[int64]sealEntry) error {
	rows, _ := tx.Query(ctx, a.store.sealSQL.entries, begin, end)
	var raw []byte
	_, err := pgx.ForEachRow(rows, []any{&raw}, func() error {
		is := sealEntry(raw)
		was, found := sealed[is.position()]
		delete(sealed, is.position())
		switch {
		case !found:
			a.event(ViolationInserted, is, "was inserted after the events around it were sealed")
		case is != was:
			a.event(ViolationChanged, was, "was changed after it was sealed")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, position := range slices.Sorted(maps.Keys(sealed)) {
		a.event(ViolationRemoved, sealed[position], "was removed after it was sealed")
	}
	if a.tampered > maxTampered {
		a.report(ViolationChain, end, "Of the events up to position %d, %d more differ from their entries.", end, a.tampered-maxTampered)
	}
	return nil
}

// unsealed reports events that have waited too long for their seal.
func (a *sealAudit) unsealed(ctx context.Context, tx pgx.Tx) error {
	if a.store.db.SealInterval == 0 {
		return nil
	}
	var position int64
	var at time.Time
	err := tx.QueryRow(ctx, a.store.sealSQL.unsealed, overdue+a.store.db.SealInterval).Scan(&position, &at)
	if isNone(err) {
		return nil
	}
	if err == nil {
		a.report(ViolationUnsealed, position, "The event at position %d is not sealed since %s.", position, at.UTC().Format(time.RFC3339))
	}
	return err
}

// maxTampered limits the events that a page of the audit names, since somebody may have removed millions of entries.
const maxTampered = 1000

func (a *sealAudit) event(check string, e sealEntry, what string) {
	if a.tampered++; a.tampered > maxTampered {
		return
	}
	a.violations = append(a.violations, Violation{
		Check: check, ID: e.stream(), Stream: e.stream(), Version: e.version(),
		Detail: fmt.Sprintf("The event at position %d, version %d of stream %s, %s.", e.position(), e.version(), e.stream(), what),
	})
}

// report adds a violation about a position of the log. The violation has the position as its version.
func (a *sealAudit) report(check string, position int64, detail string, args ...any) {
	a.violations = append(a.violations, Violation{Check: check, Version: position, Detail: fmt.Sprintf(detail, args...)})
}
