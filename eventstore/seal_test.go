package eventstore_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// sealAll seals everything that is in the log.
func (b *bundle) sealAll(t *testing.T) {
	t.Helper()
	for {
		full, err := b.store.Seal(t.Context())
		require.NoError(t, err)
		if !full {
			return
		}
	}
}

// seals audits the whole chain.
func (b *bundle) seals(t *testing.T) (found []eventstore.Violation, read, pages int) {
	t.Helper()
	for from := int64(math.MinInt64); ; {
		violations, n, next, err := b.store.AuditSeals(t.Context(), from)
		require.NoError(t, err)
		found, read, pages = append(found, violations...), read+n, pages+1
		if next == from {
			return found, read, pages
		}
		from = next
	}
}

// fills appends events to the log, five to a stream, as other commands would.
func (b *bundle) fills(t *testing.T, events int) {
	t.Helper()
	b.exec(t, `insert into cart.events select nextval('cart.position'), md5((n / 5)::text)::uuid, n % 5 + 1, 'jar.put', json_build_object('thing', n), '{}', now()
		from generate_series(0, $1::int - 1) n`, events)
}

// digest is the digest of an event, made without PostgreSQL.
func digest(e eventstore.Recorded, data, meta string) []byte {
	const int8, text, json, timestamptz, id = 20, 25, 114, 1184, 2950
	out := binary.BigEndian.AppendUint32(nil, 7)
	column := func(oid uint32, value []byte) {
		out = binary.BigEndian.AppendUint32(out, oid)
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(value))), value...)
	}
	number := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	column(int8, number(e.Position))
	column(id, e.Stream[:])
	column(int8, number(e.Version))
	column(text, []byte(e.Type))
	column(json, []byte(data))
	column(json, []byte(meta))
	column(timestamptz, number(e.At.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds()))
	sum := sha256.Sum256(out)
	return sum[:]
}

// TestSealVector checks that the digest of an event and the hash of a seal never change, so that old seals can be verified.
func TestSealVector(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := time.Date(2026, 1, 31, 12, 34, 56, 789_012_000, time.UTC)
	events := []eventstore.Recorded{
		{Position: 1, Stream: uuid.MustParse("019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"), Version: 1, Type: "jar.put", At: at},
		{Position: 3, Stream: uuid.MustParse("019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"), Version: 2, Type: "jar.closed", At: at.Add(-100 * 365 * 24 * time.Hour)},
	}
	data, meta := []string{`{"thing": "Käse €"}`, `{}`}, []string{`{"event_id":"1"}`, `{"actor":"ada"}`}
	var entries []byte
	for i, e := range events {
		b.exec(t, `insert into cart.events values ($1, $2, $3, $4, $5::text::json, $6::text::json, $7)`, e.Position, e.Stream, e.Version, e.Type, data[i], meta[i], e.At)
		entries = binary.BigEndian.AppendUint64(entries, uint64(e.Position))
		entries = append(entries, e.Stream[:]...)
		entries = binary.BigEndian.AppendUint64(entries, uint64(e.Version))
		entries = append(entries, digest(e, data[i], meta[i])...)
	}
	b.sealAll(t)
	hash := sha256.Sum256(entries)
	head, err := b.store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(3), head.Position)
	require.Equal(t, hash[:], head.Hash)
	require.Equal(t, "55932abdadd068f0a434286db659f38004e81783196fccbe32db5345d61d2ab8", hex.EncodeToString(head.Hash))

	third := eventstore.Recorded{Position: 4, Stream: uuid.Nil, Version: 1, Type: "", At: at}
	b.exec(t, `insert into cart.events values (4, $1, 1, '', '{}', 'null', $2)`, third.Stream, third.At)
	b.sealAll(t)
	next := binary.BigEndian.AppendUint64(nil, 4)
	next = append(next, third.Stream[:]...)
	next = append(binary.BigEndian.AppendUint64(next, 1), digest(third, "{}", "null")...)
	chained := sha256.Sum256(append(hash[:], next...))
	head, err = b.store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, chained[:], head.Hash, "a seal continues the one before it")
	found, read, _ := b.seals(t)
	require.Empty(t, found)
	require.Equal(t, 3, read)
}

func TestSeals(t *testing.T) {
	t.Parallel()
	t.Run("NothingToSeal", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sealAll(t)
		found, read, pages := b.seals(t)
		require.Empty(t, found)
		require.Zero(t, read)
		require.Equal(t, 1, pages)
		head, err := b.store.Head(t.Context())
		require.NoError(t, err)
		require.Empty(t, head)
	})
	t.Run("AnOldLogIsSealedFromItsStart", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.Configure(func(d *eventstore.Database) { d.SealInterval = time.Hour })
		b.fills(t, 2*eventstore.SealLimit+5)
		for _, full := range []bool{true, true, false} {
			is, err := b.store.Seal(t.Context())
			require.NoError(t, err)
			require.Equal(t, full, is, "a full seal is followed at once")
		}
		found, read, _ := b.seals(t)
		require.Empty(t, found)
		require.Equal(t, 2*eventstore.SealLimit+5, read)
		_, err := b.put(t.Context(), uuid.New(), uuid.New(), "x")
		require.NoError(t, err)
		b.sealAll(t)
		require.Equal(t, 3, b.count(t, "select count(*) from cart.seals"), "the next one is not due")
		b.exec(t, "update cart.seals set at = at + interval '1 day'")
		b.sealAll(t)
		require.Equal(t, 4, b.count(t, "select count(*) from cart.seals"), "unless the clock went back")
	})
	t.Run("OfTwoProcessesOneWins", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		writing, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for writing.Err() == nil {
					_, err := b.store.Seal(writing)
					assert.True(t, err == nil || writing.Err() != nil, err)
				}
			})
		}
		for range 300 {
			_, err := b.put(t.Context(), uuid.New(), uuid.New(), "x")
			require.NoError(t, err)
		}
		stop()
		all.Wait()
		b.sealAll(t)
		found, read, _ := b.seals(t)
		require.Empty(t, found)
		require.Equal(t, 300, read)
		require.Greater(t, b.count(t, "select count(*) from cart.seals"), 1)
	})
	t.Run("TheStoreSealsWhileItRuns", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.Configure(func(d *eventstore.Database) { d.SealInterval = idle })
		running, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = b.store.Run(running) })
		for range 2 {
			_, err := b.put(t.Context(), uuid.New(), uuid.New(), "x")
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				subscriptions, err := b.store.Subscriptions(t.Context())
				require.NoError(t, err)
				require.Equal(t, eventstore.KindSeals, subscriptions[0].Kind)
				return subscriptions[0].Lag == 0
			}, patience, idle)
		}
		stop()
		done.Wait()
		_, err := b.put(t.Context(), uuid.New(), uuid.New(), "x")
		require.NoError(t, err)
		b.exec(t, "update cart.events set at = at - interval '1 hour' where position = 3")
		subscriptions, err := b.store.Subscriptions(t.Context())
		require.NoError(t, err)
		require.Equal(t, [3]int64{2, 3, 1}, [3]int64{subscriptions[0].Position, subscriptions[0].Head, subscriptions[0].Lag})
		require.InDelta(t, time.Hour, subscriptions[0].OldestAge, float64(time.Minute))
		found, _, _ := b.seals(t)
		require.Len(t, found, 1, "nobody seals")
		require.Equal(t, eventstore.ViolationUnsealed, found[0].Check)
		require.Equal(t, int64(3), found[0].Version)
	})
}

// TestProgress checks that monitoring takes none of the connections of clients.
func TestProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.Configure(func(d *eventstore.Database) { d.SealInterval = time.Hour })
	for range b.pools.Query.Config().MaxConns {
		taken, err := b.pools.Query.Acquire(t.Context())
		require.NoError(t, err)
		defer taken.Release()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	all, err := b.store.Progress(ctx)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(all, func(s eventstore.Subscription) bool { return s.Kind == eventstore.KindSeals }))
}

// TestTampering changes a sealed log in every way, at the edges of pages too, and sees each change named.
func TestTampering(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const seals, each = 510, 4 // more than a page
	for range seals {
		b.exec(t, `select setval('cart.position', nextval('cart.position'))`) // a free position before each seal
		b.exec(t, `insert into cart.events select nextval('cart.position'), gen_random_uuid(), n, 'jar.put', '{"thing":"x"}', '{"actor":"ada"}', now() from generate_series(1, $1::int) n`, each)
		_, err := b.store.Seal(t.Context())
		require.NoError(t, err)
	}
	found, read, pages := b.seals(t)
	require.Empty(t, found)
	require.Equal(t, seals*each, read)
	require.Equal(t, 3, pages, "the last one is empty")

	type event struct {
		Position int64
		Stream   uuid.UUID
		Version  int64
	}
	at := func(position int64) (e event) {
		require.NoError(t, b.pools.Query.QueryRow(t.Context(), "select position, stream, version from cart.events where position = $1", position).
			Scan(&e.Position, &e.Stream, &e.Version))
		return e
	}
	expects := func(t *testing.T, check string, events ...event) {
		t.Helper()
		found, _, _ := b.seals(t)
		require.Len(t, found, len(events))
		for i, e := range events {
			require.Equal(t, check, found[i].Check)
			require.Equal(t, e.Stream, found[i].Stream)
			require.Equal(t, e.Version, found[i].Version)
			require.Contains(t, found[i].Detail, "position "+formatInt(e.Position)+", version "+formatInt(e.Version)+" of stream "+e.Stream.String())
		}
	}
	restoring := func(t *testing.T) {
		t.Helper()
		b.exec(t, `create table kept_events as table cart.events`)
		b.exec(t, `create table kept_seals as table cart.seals`)
		t.Cleanup(func() {
			b.execute(context.Background(), t, `truncate cart.events, cart.seals; insert into cart.events table kept_events; insert into cart.seals table kept_seals;
				drop table kept_events, kept_seals`)
		})
	}
	edges := []int64{2, 5, 500 * 5, 500*5 + 2, seals * 5} // of the log, of a seal and of a page
	for name, set := range map[string]string{
		"Data": `data = '{"thing": "x"}'`, "Meta": `meta = '{"actor":"eve"}'`, "Type": `type = 'jar.closed'`, "Time": `at = at + interval '1 microsecond'`,
		"Stream": `stream = gen_random_uuid()`, "Version": `version = version + 100`,
	} {
		t.Run("Changed"+name, func(t *testing.T) {
			restoring(t)
			var changed []event
			for _, position := range edges {
				changed = append(changed, at(position))
			}
			b.exec(t, "update cart.events set "+set+" where position = any($1)", edges)
			expects(t, eventstore.ViolationChanged, changed...)
		})
	}
	t.Run("Removed", func(t *testing.T) {
		restoring(t)
		var removed []event
		for _, position := range edges {
			removed = append(removed, at(position))
		}
		b.exec(t, "delete from cart.events where position = any($1)", edges)
		expects(t, eventstore.ViolationRemoved, removed...)
	})
	t.Run("AllSealsButTheLast", func(t *testing.T) { // somebody hides what was changed in a crowd of findings
		restoring(t)
		b.exec(t, "delete from cart.seals where after < (select max(after) from cart.seals)")
		found, _, _ := b.seals(t)
		require.Len(t, found, 1002, "the events that are named, the others in one, and the broken chain")
		require.Contains(t, found[1001].Detail, formatInt((seals-1)*each-1000)+" more differ")
	})
	t.Run("Inserted", func(t *testing.T) {
		restoring(t)
		var inserted []event
		for _, position := range []int64{math.MinInt64, -1, 1, 6, 500*5 + 1, (seals-1)*5 + 1} {
			e := event{position, uuid.New(), 7}
			inserted = append(inserted, e)
			b.exec(t, `insert into cart.events values ($1, $2, $3, 'jar.put', '{}', '{}', now())`, e.Position, e.Stream, e.Version)
		}
		expects(t, eventstore.ViolationInserted, inserted...)
	})
	t.Run("Moved", func(t *testing.T) {
		restoring(t)
		moved := at(7)
		b.exec(t, "update cart.events set position = 6 where position = 7")
		found, _, _ := b.seals(t)
		require.Len(t, found, 2)
		require.Equal(t, []any{eventstore.ViolationInserted, moved.Stream}, []any{found[0].Check, found[0].Stream})
		require.Equal(t, []any{eventstore.ViolationRemoved, moved.Stream}, []any{found[1].Check, found[1].Stream})
	})
	for name, damage := range map[string]struct {
		sql    string
		broken []int64 // seals, by their last positions
	}{
		"EntryChanged":  {`update cart.seals set entries = set_byte(entries, 64 + 40, get_byte(entries, 64 + 40) # 1) where last = 10`, []int64{10}},
		"EntryRemoved":  {`update cart.seals set entries = substr(entries, 65) where last = 10`, []int64{10}},
		"EntryCut":      {`update cart.seals set entries = substr(entries, 2) where last = 10`, []int64{10}},
		"EntriesEmpty":  {`update cart.seals set entries = '' where last = 10`, []int64{10}},
		"EntriesHuge":   {`update cart.seals set entries = convert_to(repeat('x', 1 << 20), 'UTF8') where last = 10`, []int64{10}},
		"HashChanged":   {`update cart.seals set hash = sha256(hash) where last = 10`, []int64{10, 15}},
		"FirstRemoved":  {`delete from cart.seals where last = 5`, []int64{10}},
		"SealRemoved":   {`delete from cart.seals where last = 500 * 5`, []int64{501 * 5}},
		"SealLengthens": {`update cart.seals set last = 11 where last = 10`, []int64{11, 15}},
		"SealInserted":  {`insert into cart.seals values (11, 12, '', '')`, []int64{12, 20}},
		"SealAtTheEnd":  {`insert into cart.seals values (1000000, 1000001, '', '')`, []int64{1000001}},
	} {
		t.Run(name, func(t *testing.T) {
			restoring(t)
			b.exec(t, damage.sql)
			found, _, _ := b.seals(t)
			var broken []int64
			for _, f := range found {
				if f.Check == eventstore.ViolationChain {
					broken = append(broken, f.Version)
				}
			}
			require.Subset(t, broken, damage.broken, "%+v", found)
		})
	}
	t.Run("EverythingSealedAnew", func(t *testing.T) {
		restoring(t)
		kept, err := b.store.Head(t.Context())
		require.NoError(t, err)
		b.exec(t, `update cart.events set data = '{"thing":"y"}' where position = 7`)
		rows, err := b.pools.Query.Query(t.Context(), "select last from cart.seals order by last")
		require.NoError(t, err)
		ends, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		require.NoError(t, err)
		b.exec(t, "truncate cart.seals")
		b.exec(t, "create table hidden as table cart.events")
		b.exec(t, "truncate cart.events")
		for _, end := range ends {
			b.exec(t, "with moved as (delete from hidden where position <= $1 returning *) insert into cart.events table moved", end)
			_, err := b.store.Seal(t.Context())
			require.NoError(t, err)
		}
		found, _, _ := b.seals(t)
		require.Empty(t, found, "the chain alone cannot tell")
		now, known, err := b.store.HeadAt(t.Context(), kept.Position)
		require.NoError(t, err)
		require.True(t, known)
		require.NotEqual(t, kept.Hash, now.Hash, "a kept head can")
	})
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

// execute runs statements without arguments, even when the test has ended.
func (b *bundle) execute(ctx context.Context, t *testing.T, sql string) {
	t.Helper()
	_, err := b.pools.Query.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
}
