package eventstore

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// idleStore is a store on a database of its own, with nobody who commits or runs it.
type idleStore struct {
	*Store
	pools *database.Pools
	url   string
}

func open(t *testing.T) *idleStore {
	t.Helper()
	url := pgtest.New(t)
	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	db := Database{Committer: NewCommitter(pools.Write, CommitterConfig{}), Query: pools.Query, Control: pools.Control, Log: slog.New(slog.DiscardHandler)}
	return &idleStore{Open(db, "cart"), pools, url}
}

const (
	graves = 20_000
	// shallow bounds the pages that a look may touch. One that walks over the dead touches more than there are of them.
	shallow = 20
)

// bury fills the tables with rows that were due, are gone, and cannot be cleaned up: somebody holds a snapshot from before.
func bury(t *testing.T) *idleStore {
	t.Helper()
	b := open(t)
	pin(t, b.url)
	b.exec(t, `insert into cart.outbox (stream, version, due_at)
		select md5(n::text)::uuid, 1, now() - interval '1 hour' + n * interval '30 milliseconds' from generate_series(1, $1) n`, graves)
	b.exec(t, `delete from cart.outbox`)
	b.exec(t, `insert into cart.streams (id, version, kind, fold, state, wake_at, created_at, updated_at)
		select md5(n::text)::uuid, 1, 'jar', 1, '{}', now() - interval '1 hour' + n * interval '30 milliseconds', now(), now()
		from generate_series(1, $1) n`, graves)
	b.exec(t, `update cart.streams set wake_at = null`)
	return b
}

// pin holds a snapshot open until the test ends.
func pin(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, sql := range []string{"begin isolation level repeatable read", "select count(*) from cart.streams"} {
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
}

func (b *idleStore) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pools.Control.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (b *idleStore) put(t *testing.T, due time.Duration) uuid.UUID {
	t.Helper()
	id := uuid.New()
	b.exec(t, `insert into cart.outbox (stream, version, due_at) values ($1, 1, now() + $2::interval)`, id, due)
	return id
}

// touched are the pages that a statement looks at.
func touched(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) int {
	t.Helper()
	var text []byte
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }() // it was executed
	require.NoError(t, tx.QueryRow(t.Context(), "explain (analyze, buffers, format json) "+sql, args...).Scan(&text))
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &plans))
	return plans[0].Plan.Hit + plans[0].Plan.Read
}

// TestSweepsMeetNoDead: pages, not time. Each look is taken once from the beginning too, to see that there is something
// to walk over.
func TestSweepsMeetNoDead(t *testing.T) {
	t.Parallel()
	b := bury(t)
	timer := b.Timer("jar", 10*time.Minute)
	n, err := b.relayDue(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	due, _, err := timer.Due(t.Context(), 10, time.Minute)
	require.NoError(t, err)
	require.Empty(t, due)

	for _, look := range []struct {
		name, sql string
		mark      time.Time
		args      []any
	}{
		{"SweepOutbox", claimOutbox, b.outboxWatermark.From(), []any{relayLimit}},
		{"OldestOutbox", oldestOutbox, b.outboxWatermark.Mark(), nil},
		{"DueTimers", dueTimers, timer.watermark.From(), []any{"jar", 10, time.Minute}},
		{"IdleStreams", expiredStreams, timer.watermark.From(), []any{"jar", 10, time.Minute}},
	} {
		require.False(t, look.mark.IsZero(), "a sweep that found nothing moves the mark")
		for range 7 { // a plan for any arguments must be as good
			require.Less(t, touched(t, b.pools.Control, b.in(look.sql), append([]any{look.mark}, look.args...)...), shallow, look.name)
		}
		require.Greater(t, touched(t, b.pools.Control, b.in(look.sql), append([]any{time.Time{}}, look.args...)...), 5*shallow, look.name)
	}
}

func TestSweepFindsWhatIsDue(t *testing.T) {
	t.Parallel()
	b := open(t)
	sweep := func() int {
		n, err := b.relayDue(t.Context())
		require.NoError(t, err)
		return n
	}
	due := func(id uuid.UUID) (attempts int, later bool) {
		row := b.pools.Control.QueryRow(t.Context(), "select attempts, due_at > now() from cart.outbox where stream = $1", id)
		require.NoError(t, row.Scan(&attempts, &later))
		return attempts, later
	}
	require.Zero(t, sweep())

	late := b.put(t, -batchTimeout) // committed as long after it said that it would be due as any may be
	require.Equal(t, 1, sweep(), "it lies above the mark")
	attempts, later := due(late)
	require.Equal(t, 1, attempts)
	require.True(t, later, "it is not taken up again at once")
	require.Zero(t, sweep())

	lost := b.put(t, -2*relaySlack)
	require.Zero(t, sweep(), "it lies below the mark")
	b.outboxWatermark.full = time.Time{}
	require.Equal(t, 1, sweep(), "a sweep from the beginning finds it")
	attempts, _ = due(lost)
	require.Equal(t, 1, attempts)
}

// TestSweepsShare: what one sweep takes up, or a batch is about to delete, is left alone by the others, and holds none of them up.
func TestSweepsShare(t *testing.T) {
	t.Parallel()
	b := open(t)
	held, free := b.put(t, -time.Second), b.put(t, -time.Second)
	b.put(t, time.Hour)
	release := b.locks(t, "cart.outbox", "stream", held)
	sweep := func() int {
		n, err := b.relayDue(bounded(t))
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 1, sweep())
	require.Equal(t, 1, b.count(t, "select count(*) from cart.outbox where attempts = 1 and stream = '"+free.String()+"'"))
	release()
	require.Equal(t, 1, sweep())
	require.Zero(t, sweep())
}

// TestRetriesShare: so it is with what is parked.
func TestRetriesShare(t *testing.T) {
	t.Parallel()
	b := open(t)
	held := uuid.New()
	for _, id := range []uuid.UUID{held, uuid.New()} {
		b.exec(t, `insert into cart.parked (id, reader, stream, version, attempts, parked_at, next_at)
			values ($1, 'outbox', $1, 1, 8, now(), now() - interval '1 second')`, id)
	}
	release := b.locks(t, "cart.parked", "id", held)
	for _, want := range []int{1, 0} {
		n, err := b.retryDue(bounded(t), b.handlerNames())
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	release()
	n, err := b.retryDue(bounded(t), b.handlerNames())
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestOldestUnhandled(t *testing.T) {
	t.Parallel()
	b := open(t)
	age := func() time.Duration {
		age, err := b.OldestUnhandled()
		require.NoError(t, err)
		return age
	}
	require.Zero(t, age())
	for _, ago := range []time.Duration{time.Minute, time.Hour} {
		b.exec(t, `insert into cart.events (position, stream, version, type, data, meta, at)
			values (nextval('cart.position'), $1, 1, 'jar.put', '{}', '{}', now() - $2::interval)`, b.put(t, time.Minute), ago)
		require.GreaterOrEqual(t, age(), ago)
	}
	b.exec(t, "delete from cart.outbox")
	require.Zero(t, age())
}

// TestSweepTakesAPageAfterTheOther: more than a page is due, all at the same moment.
func TestSweepTakesAPageAfterTheOther(t *testing.T) {
	t.Parallel()
	b := open(t)
	const all = 2*relayLimit + 1
	b.exec(t, `insert into cart.outbox (stream, version, due_at)
		select md5(n::text)::uuid, 1, now() - interval '1 hour' from generate_series(1, $1) n`, all)
	for _, want := range []int{relayLimit, relayLimit, 1, 0} {
		n, err := b.relayDue(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

// TestLowWater: while a sweep goes from page to page, time goes on; the mark counts from its begin.
func TestLowWater(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute) }
	l := NewWatermark(time.Minute, time.Hour)
	require.Zero(t, l.From(), "the first sweep looks at everything")
	l.Advance(at(100), at(50), true)
	require.Equal(t, at(50), l.From())
	l.Advance(at(105), at(80), true)
	require.Equal(t, at(80), l.From())
	require.Zero(t, l.Mark(), "it is not over")
	l.Advance(at(110), at(110), false)
	require.Equal(t, at(99), l.From())
	require.Equal(t, at(99), l.Mark())
	l.full = time.Now()
	require.Zero(t, l.From(), "now and then a sweep looks at everything")
	require.Equal(t, at(99), l.Mark(), "whoever asks meanwhile need not")
}
