package gates

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

var migrationRows = flag.Int("migration-rows", 200_000, "how many rows the table has on which TestMigrationUnderLoad has an index built, such as 4000000")

// TestMigrationUnderLoad: while a new replica builds an index on a large table, an old one goes on to write to it.
func TestMigrationUnderLoad(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("fills a large table")
	}
	url := pgtest.New(t)
	b := &indexBuild{url: pgtest.Direct(t, url), now: "no build", seen: map[string]phase{}}
	var replicas []*harness.Host
	for range 2 {
		replicas = append(replicas, harness.NewHost(t, []string{"DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator"}))
	}
	replicas[0].Start(t)
	b.exec(t, b.connect(t), `drop index orders.streams_stock_newest; delete from orders.schema_migrations where version_id = 4`) // the version before
	b.exec(t, b.connect(t), fmt.Sprintf(`insert into orders.streams (id, version, kind, fold, state, created_at, updated_at)
		select gen_random_uuid(), 1, 'stock', 1, '{}', now() - n * interval '1 ms', now() from generate_series(1, %d) n`, *migrationRows))
	writer, snapshot := b.connect(t), b.connect(t)
	b.exec(t, writer, `begin; insert into orders.streams (id, version, kind, fold, state, created_at, updated_at)
		select gen_random_uuid(), 1, 'stock', 1, '{}', now(), now()`)
	b.exec(t, snapshot, "begin isolation level repeatable read; select from orders.streams limit 1")

	writing, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		sku := replicas[0].Up(t).AddProduct(t, 450)
		replicas[0].Up(t).SetStock(t, sku, 1)
		s := replicas[0].Up(t)
		all.Go(func() {
			defer stop() // a write that fails ends the test
			b.write(writing, t, s, sku)
		})
	}
	// The build cannot go on before writes got through: it waits for these two transactions.
	all.Go(func() {
		b.watch(writing, t, map[string]func(){
			"waiting for writers before build": func() { b.exec(t, writer, "commit") },
			"waiting for old snapshots":        func() { b.exec(t, snapshot, "commit") },
		})
	})
	began := time.Now()
	replicas[1].Start(t)
	took := time.Since(began)
	stop()
	all.Wait()

	var valid bool
	require.NoError(t, b.connect(t).QueryRow(t.Context(), "select indisvalid from pg_index where indexrelid = 'orders.streams_stock_newest'::regclass").Scan(&valid))
	require.True(t, valid)
	for name, p := range b.seen {
		t.Logf("%-70s %6d writes, the longest %s", name, p.writes, p.longest.Round(time.Millisecond))
	}
	t.Logf("%d rows: the new replica served after %s", *migrationRows, took.Round(time.Millisecond))
	require.GreaterOrEqual(t, b.seen["waiting for writers before build"].writes, enoughWrites)
	require.GreaterOrEqual(t, b.seen["waiting for old snapshots"].writes, enoughWrites)
	if *migrationRows >= 1_000_000 {
		require.Positive(t, b.seen["building index: scanning table"].writes)
	}
}

// indexBuild is an index that is being built while others write.
type indexBuild struct {
	url string

	mu   sync.Mutex
	now  string // the phase that the server is in
	seen map[string]phase
}

// phase holds the writes that began and were answered in a phase of the build.
type phase struct {
	writes  int
	longest time.Duration
}

// enoughWrites is how many writes must be answered while the build waits.
const enoughWrites = 50

func (b *indexBuild) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *indexBuild) exec(t *testing.T, conn *pgx.Conn, sql string) {
	_, err := conn.Exec(t.Context(), sql)
	assert.NoError(t, err)
}

// write counts stock until ctx is done.
func (b *indexBuild) write(ctx context.Context, t *testing.T, s *harness.Site, sku string) {
	for n := 1; ; n++ {
		in, began := b.phase(), time.Now()
		a, err := s.Ask(ctx, http.MethodPut, "/v1/stock/"+harness.Escape(sku), s.Admin, map[string]any{"on_hand": n})
		if ctx.Err() != nil {
			return
		}
		if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, a.StatusCode, "%s", a.Text) {
			return
		}
		b.mu.Lock()
		p := b.seen[in]
		b.seen[in] = phase{p.writes + 1, max(p.longest, time.Since(began))}
		b.mu.Unlock()
	}
}

func (b *indexBuild) phase() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// watch follows the build until ctx is done. In each phase that after names it calls the function, once enough writes were answered.
// In the end it calls those that are left, or the build would wait for ever.
func (b *indexBuild) watch(ctx context.Context, t *testing.T, after map[string]func()) {
	defer func() {
		for _, release := range after {
			release()
		}
	}()
	conn, err := pgx.Connect(ctx, b.url)
	if !assert.NoError(t, err) {
		return
	}
	defer conn.Close(context.Background())
	harness.Eventually(ctx, func() bool {
		var now string
		err := conn.QueryRow(ctx, "select coalesce(max(phase), 'no build') from pg_stat_progress_create_index where datname = current_database()").Scan(&now)
		if ctx.Err() != nil || !assert.NoError(t, err) {
			return true
		}
		b.mu.Lock()
		b.now = now
		enough := b.seen[now].writes >= enoughWrites
		b.mu.Unlock()
		if release := after[now]; release != nil && enough {
			release()
			delete(after, now)
		}
		return false
	})
}
