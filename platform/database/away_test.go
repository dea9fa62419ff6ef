package database_test

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// While the server is away all callers get an error at once, and few connection attempts are made. The log has one line for the start
// and one for the end.
func TestNoStormMeetsAServerThatIsAway(t *testing.T) {
	t.Parallel()
	line := pgtest.NewProxy(t, pgtest.NewEmpty(t))
	said := &lines{}
	p, err := database.Open(t.Context(), line.URL(), database.Options{Log: slog.New(slog.NewTextHandler(said, nil))})
	require.NoError(t, err)
	defer p.Close()
	line.Cut()
	before := line.Dialed()
	var failed atomic.Int64
	var all sync.WaitGroup
	for _, pool := range []*pgxpool.Pool{p.Write, p.Query, p.Control} {
		for range 10 {
			all.Go(func() {
				for failed.Load() < 5000 {
					if pool.Ping(t.Context()) != nil {
						failed.Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	require.Less(t, int64(line.Dialed()-before), failed.Load()/25, "connects for %d calls", failed.Load()) // it was 1 in 140 to 160
	require.ErrorContains(t, p.Query.Ping(t.Context()), "not reachable")
	require.Equal(t, 1, said.count("is not reachable"))

	line.Restore()
	for _, pool := range []*pgxpool.Pool{p.Write, p.Query, p.Control} {
		require.Eventually(t, func() bool { return pool.Ping(t.Context()) == nil }, patience, 10*time.Millisecond)
	}
	require.Equal(t, 1, said.count("reachable again"))
	require.Equal(t, 2, said.count("\n"))
}

// A server that accepts connections and stays silent blocks nobody forever, even without a deadline.
func TestEveryCallEnds(t *testing.T) {
	t.Parallel()
	line := pgtest.NewProxy(t, pgtest.NewEmpty(t))
	p, err := database.Open(t.Context(), line.URL(), database.Options{}.Limited(200*time.Millisecond))
	require.NoError(t, err)
	defer p.Close()
	conn, err := p.Write.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	defer line.Cut() // otherwise closing waits for answers
	line.Blackhole()
	ended := make(chan error)
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := p.Query.Exec(ctx, "select 1"); return err },
		func(ctx context.Context) error { return p.Views.WithContext(ctx).Exec("select 1").Error },
		func(ctx context.Context) error { return conn.SendBatch(ctx, batchOf("select 1", "select 2")).Close() },
		func(ctx context.Context) error {
			return pgx.BeginFunc(ctx, p.Control, func(pgx.Tx) error { return nil })
		},
	} {
		go func() { ended <- call(context.Background()) }()
		select {
		case err := <-ended:
			require.Error(t, err)
		case <-time.After(patience):
			require.Fail(t, "a call never ends")
		}
	}
}

// One of two servers accepts writes. After they change roles, no connection stays with the read-only one.
func TestFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two servers")
	}
	t.Parallel()
	one, other := pgtest.NewServer(t), pgtest.NewServer(t)
	turn(t, other, "on")
	p := openPools(t, either(t, one.URL(), other.URL()))
	where := func(pool *pgxpool.Pool) (dir string) {
		_ = pool.QueryRow(t.Context(), "select current_setting('data_directory')").Scan(&dir)
		return dir
	}
	was := where(p.Write)
	require.Equal(t, was, where(p.Query))

	turn(t, one, "on")
	turn(t, other, "off")

	for _, pool := range []*pgxpool.Pool{p.Write, p.Query, p.Control} {
		require.Eventually(t, func() bool {
			now := where(pool)
			return now != "" && now != was
		}, patience, 10*time.Millisecond)
	}
	_, err := p.Write.Exec(t.Context(), "create table written (n int)")
	require.NoError(t, err)
}

// turn makes a server read-only or writable, also for existing sessions.
func turn(t *testing.T, s *pgtest.Server, readOnly string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "alter system set default_transaction_read_only = "+readOnly)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "select pg_reload_conf()")
	require.NoError(t, err)
}

// either returns a URL of two servers that selects the writable one.
func either(t *testing.T, one, other string) string {
	t.Helper()
	a, err := url.Parse(one)
	require.NoError(t, err)
	b, err := url.Parse(other)
	require.NoError(t, err)
	q := a.Query()
	q.Set("host", q.Get("host")+","+b.Query().Get("host"))
	q.Set("target_session_attrs", "read-write")
	a.RawQuery = q.Encode()
	return a.String()
}

func batchOf(statements ...string) *pgx.Batch {
	var b pgx.Batch
	for _, sql := range statements {
		b.Queue(sql)
	}
	return &b
}

// lines is a log whose lines can be counted.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}
