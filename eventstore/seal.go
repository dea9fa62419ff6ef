package eventstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Seals make a changed log evident. They are made after the commits and outside the write path: a seal holds an entry for each of
// the next events in order of position, and a hash of the previous hash and its entries. Positions become visible in order, so no
// event appears later below a sealed one. Nothing ever changes an event or a seal.
//
// An entry has 64 bytes: the position (8), the stream (16), the version (8), and the SHA-256 of all columns in PostgreSQL's binary
// form, in which each column has a length. So an audit can name every changed, removed or inserted event, and its stream.

const (
	sealLimit = 2048 // events in a seal
	entrySize = 64
	entryOf   = `int8send(position) || uuid_send(stream) || int8send(version) || sha256(record_send(row(position, stream, version, type, data, meta, at)))`
)

// sealStatements holds the SQL of the seals for one schema.
type sealStatements struct{ seal, before, page, entries, unsealed, progress string }

func sealStatementsOf(schema string) sealStatements {
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema) }
	return sealStatements{
		// The next seal is due some time after the last one, or at once after a full one. Of two processes one wins, by the key.
		seal: in(`with tip as materialized (
				select last, hash, (at between now() - $2::interval and now()) and octet_length(entries) < $1 * 64 as fresh
				from @.seals order by after desc limit 1
			), base as (
				select coalesce(last, 0) as after, coalesce(hash, '') as hash, coalesce(fresh, false) as fresh from (select) one left join tip on true
			), sealed as (
				select max(position) as last, string_agg(entry, ''::bytea) as entries from (
					select position, ` + entryOf + ` as entry from @.events
					where position > (select after from base where not fresh) order by position limit $1
				) next
			)
			insert into @.seals (after, last, entries, hash)
			select after, last, entries, sha256(hash || entries) from base, sealed where last is not null
			on conflict do nothing returning octet_length(entries) = $1 * 64`),
		before: in(`select last, hash, at from @.seals where after < $1 order by after desc limit 1`),
		// A page ends early once its entries have $3 bytes. Entries are null if they are larger than those of any seal.
		page: in(`select after, last, hash, entries from (
				select after, last, hash, entries, coalesce(sum(octet_length(entries)) over (order by after) - octet_length(entries), 0) as before from (
					select after, last, hash, case when octet_length(entries) <= $3 then entries end as entries
					from @.seals where after >= $1 order by after limit $2
				) s
			) w where before < $3 order by after`),
		entries: in(`select ` + entryOf + ` from @.events where position >= $1 and position <= $2 order by position`),
		unsealed: in(`select position, at from @.events
			where position > coalesce((select last from @.seals order by after desc limit 1), 0) and at < now() - $1::interval order by position limit 1`),
		progress: in(`select tip.last, head.position, greatest(head.position - tip.last, 0), coalesce(extract(epoch from now() - next.at), 0)::float8, tip.at
			from (select coalesce(max(last), 0) as last, coalesce(max(at), 'epoch') as at from (select last, at from @.seals order by after desc limit 1) s) tip
			cross join (select coalesce((select position from @.events order by position desc limit 1), 0) as position) head
			left join lateral (select at from @.events where position > tip.last order by position limit 1) next on true`),
	}
}

// runSeals seals new events until ctx is done.
func (s *Store) runSeals(ctx context.Context) {
	failed := func(err error) { s.Failed(fmt.Errorf("seal the log of %s: %w", s.schema, err)) }
	again(ctx, s.db.SealInterval, never, failed, s.seal)
}

// seal seals the next events, unless another process has just done so. It reports whether the seal is full, so that more events may
// wait.
func (s *Store) seal(ctx context.Context) (full bool, err error) {
	err = s.db.Control.QueryRow(ctx, s.sealSQL.seal, sealLimit, s.db.SealInterval/2).Scan(&full)
	if isNone(err) {
		return false, nil
	}
	return full, err
}

// Head is the end of the hash chain of a log.
type Head struct {
	Position int64 // of the last sealed event
	Hash     []byte
	At       time.Time // when it was sealed
}

// Head returns the newest head. Its position is 0 if nothing is sealed.
func (s *Store) Head(ctx context.Context) (Head, error) { return s.headBefore(ctx, math.MaxInt64) }

// HeadAt returns the head at a position. known is false if no seal ends there.
func (s *Store) HeadAt(ctx context.Context, position int64) (h Head, known bool, err error) {
	h, err = s.headBefore(ctx, position)
	return h, h.Position == position && len(h.Hash) > 0, err
}

// headBefore returns the head of the last seal that begins before a position.
func (s *Store) headBefore(ctx context.Context, position int64) (h Head, err error) {
	err = s.db.Query.QueryRow(ctx, s.sealSQL.before, position).Scan(&h.Position, &h.Hash, &h.At)
	if isNone(err) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("read the seals of %s: %w", s.schema, err)
	}
	return h, nil
}

// sealEntry is the entry of an event in a seal.
type sealEntry [entrySize]byte

func (e sealEntry) position() int64   { return int64(binary.BigEndian.Uint64(e[:8])) } // #nosec G115 -- the form of an int8
func (e sealEntry) stream() uuid.UUID { return uuid.UUID(e[8:24]) }
func (e sealEntry) version() int64    { return int64(binary.BigEndian.Uint64(e[24:32])) } // #nosec G115 -- the form of an int8

// entriesOf splits the entries of a seal. ok is false unless they stand in the order of their positions, after one position and up to
// another.
func entriesOf(raw []byte, after, last int64) (all []sealEntry, ok bool) {
	ok = len(raw) > 0 && len(raw)%entrySize == 0
	for ; len(raw) >= entrySize; raw = raw[entrySize:] {
		e := sealEntry(raw[:entrySize])
		ok, after = ok && e.position() > after, e.position()
		all = append(all, e)
	}
	return all, ok && after == last
}
