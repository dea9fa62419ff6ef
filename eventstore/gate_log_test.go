package eventstore_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
)

var (
	eventsToWrite = flag.Int("events", 12_000, "length of the log that TestLogUnderLoad writes")
	seed          = flag.Uint64("seed", 0, "of all that tests leave to chance; chosen and printed when 0")
)

// Gate 1: the log misses nothing, keeps the order of every stream, and is applied once. Sixteen writers in two processes
// fill it (gate_log_process_test.go, gate_log_writers_test.go): some of their commands are refused, some fail at the commit
// and take their batch with them, some commit late. Meanwhile each process runs two readers under the same two names, so
// that of every two one is overtaken; now and then one loses what it has applied. In the end what each reader has applied
// is held against the events, and those against what the writers were told.
//
//	go test ./eventstore -run 'TestLogUnderLoad$' -timeout 30m -events=1000000 -seed=7 -v

const (
	loadProcesses = 2
	loadWriters   = 16
)

var loadReaders = []string{"ledger", "mirror"}

func TestLogUnderLoad(t *testing.T) {
	t.Parallel()
	from := *seed
	for from == 0 {
		from = rand.Uint64()
	}
	t.Logf("again with -seed=%d", from)
	l := setLoad(t)
	began := time.Now()
	var processes []*loader
	for i := range loadProcesses {
		processes = append(processes, startLoader(t, loaderConfig{URL: l.url, Seed: from, Process: i, Events: *eventsToWrite}))
	}
	var told loaded
	for _, p := range processes {
		told.add(p.awaitWritten(t))
	}
	written := time.Since(began)
	l.awaitRead(t)
	read := time.Since(began)
	for _, p := range processes {
		p.stop(t)
	}
	t.Logf("%d events in %d commands: %.0f a second; written after %v, read after %v by %d readers in %d processes",
		*eventsToWrite, told.Commands, float64(*eventsToWrite)/written.Seconds(), written.Round(time.Millisecond),
		read.Round(time.Millisecond), len(loadReaders)*loadProcesses, loadProcesses)
	t.Logf("%+v", told)
	l.isWhatWritersWereTold(t)
	l.isWhatReadersApplied(t)
	require.Positive(t, min(told.Refused, told.Spoiled, told.Slow, told.Stalled, told.Replayed, told.Alone, told.Together,
		told.Repeated, told.Undone), "too little was put to the test")
}

// load is the database that is written to.
type load struct {
	url  string
	conn *pgx.Conn // no limits on its statements
}

// setLoad makes the tables of readers and writers, and a trigger between the events and their commit that does what the
// event says: it dawdles, with the position lock held, or refuses all that the transaction has written.
func setLoad(t *testing.T) *load {
	t.Helper()
	l := &load{url: pgtest.New(t)}
	var err error
	l.conn, err = pgx.Connect(t.Context(), l.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.conn.Close(context.Background()) })
	for _, sql := range []string{
		`create table cart.applied (seq bigserial, reader text, process int, position bigint, stream uuid, version bigint)`,
		`create table cart.told (command uuid, stream uuid, version bigint, events int)`,
		`create function cart.ends() returns trigger language plpgsql as $$ begin
			if new.data ->> 'spoiled' is not null then raise 'spoiled'; end if;
			perform pg_sleep((new.data ->> 'late')::float8);
			return null;
		end $$`,
		`create constraint trigger ends after insert on cart.events deferrable initially deferred for each row
			when (new.data ->> 'spoiled' is not null or new.data ->> 'late' is not null) execute function cart.ends()`,
	} {
		_, err := l.conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	return l
}

func (l *load) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, l.conn.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// awaitRead waits until all readers are at the end of the log. They go on while they get on.
func (l *load) awaitRead(t *testing.T) {
	t.Helper()
	for left := -1; left != 0; {
		before := left
		require.Eventually(t, func() bool {
			left = l.count(t, `select coalesce(sum(e.head - coalesce(s.position, 0)), 0)::int from unnest($1::text[]) r(name)
				cross join (select max(position) as head from cart.events) e left join cart.subscriptions s using (name)`, loadReaders)
			return left == 0 || left != before
		}, longPatience, idle, "nobody reads on")
	}
}

// isWhatWritersWereTold: every command that was answered is there, under the version that it was told, and no other.
func (l *load) isWhatWritersWereTold(t *testing.T) {
	t.Helper()
	assert.Equal(t, *eventsToWrite, l.count(t, `select count(*) from cart.events`))
	wrong := l.count(t, `select count(*) from cart.events e full join
		(select command, stream, v from cart.told, generate_series(version - events + 1, version) v) t
			on t.stream = e.stream and t.v = e.version and t.command = (e.meta ->> 'causation')::uuid
		where e.stream is null or t.stream is null`)
	stale := l.count(t, `select count(*) from cart.streams s
		full join (select stream, count(*) as n from cart.events group by stream) e on e.stream = s.id
		where (s.version = e.n and (s.state ->> 'count')::bigint = e.n) is not true`)
	t.Logf("events that are not what their writer was told: %d; streams whose state is not that of their events: %d, of %d",
		wrong, stale, l.count(t, "select count(*) from cart.streams"))
	assert.Zero(t, wrong, "the log is not what writers were told")
	assert.Zero(t, stale, "a state is not what its events make")
}

func (l *load) isWhatReadersApplied(t *testing.T) {
	t.Helper()
	missed := l.count(t, `select count(*) from (select r, position from cart.events, unnest($1::text[]) r
		except select reader, position from cart.applied) m`, loadReaders)
	unordered := l.count(t, `select count(*) from (select version - lag(version) over (partition by reader, stream order by seq)
		as step from cart.applied) s where step < 0`)
	twice := l.count(t, `select coalesce(sum(n - 1), 0) from (select count(*) as n from cart.applied group by reader, position) a`)
	t.Logf("missed: %d, out of order within a stream: %d, applied twice: %d; parked: %d",
		missed, unordered, twice, l.count(t, "select count(*) from cart.parked"))
	assert.Zero(t, missed, "events were missed")
	assert.Zero(t, unordered, "the order of a stream")
	assert.Zero(t, twice, "events were applied twice")
	assert.Zero(t, l.count(t, "select count(*) from cart.parked"))
	assert.Equal(t, len(loadReaders)*loadProcesses, l.count(t, "select count(distinct (reader, process)) from cart.applied"),
		"a reader never was the faster one")
}
