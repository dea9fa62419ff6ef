package gates

import (
	"context"
	"flag"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/eventstore"
	"shopping-cart/internal/bench"
	"shopping-cart/internal/pgtest"
)

var snapshotMinutes = flag.Float64("snapshot-minutes", 0, "how long TestLongSnapshot drives each load; 0: a moment")

const (
	snapshotCallers = 16
	snapshotParts   = 10 // the first is held against the last
	cartEdits       = 18 // of a cart, after it was opened and filled
	payingCarts     = 8  // one of so many is checked out

	snapshotKeep = 20 * time.Second // receipts, so that their retention is at work all the time
)

// TestLongSnapshot holds a snapshot open in another session, as a long report or a forgotten psql does: nothing that is
// deleted or replaced meanwhile can be cleaned up. What looks for work by time must not slow down with it. An hour of that
// is added halfway: no look may walk over it.
func TestLongSnapshot(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL of its own")
	}
	t.Parallel()
	length, products, hour := time.Duration(*snapshotMinutes*float64(time.Minute)), 500, int64(200_000) // of check-outs: 55 a second
	if *snapshotMinutes == 0 {
		length, products, hour = 2*time.Second, 20, 20_000
	}
	opened, err := bench.OpenShop(t.Context(), pgtest.Durable(t), products, 0)
	require.NoError(t, err)
	s := &snapshotShop{opened}
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	held := holdSnapshot(t, s.URL)
	s.retains(t)

	var before map[string]looks
	spread := s.parts(t, length, s.shops, func() {
		bury(t, s.URL, hour)
		before = s.byTime(t)
	})
	hot := s.parts(t, length, func(ctx context.Context, _ int64) error { return s.buys(ctx, s.SKUs[0], 0, true) }, func() {})
	held()
	s.requireShallow(t, before, hour)

	t.Logf("commands a second, part by part, of carts edited and some bought: %.0f; last to first %.2f", spread, ratio(spread))
	t.Logf("commands a second, part by part, of carts with one hot SKU, all bought: %.0f; last to first %.2f", hot, ratio(hot))
	require.Positive(t, slices.Max(spread))
	require.Positive(t, slices.Max(hot))
	if *snapshotMinutes > 0 {
		require.GreaterOrEqual(t, ratio(spread), 0.9, "a pinned snapshot slows the store down")
		var gone int64
		row := s.Databases[s.URL].Query.QueryRow(t.Context(),
			"select n_tup_del from pg_stat_user_tables where relid = 'cart.receipts'::regclass")
		require.NoError(t, row.Scan(&gone))
		require.Greater(t, gone, hour, "no receipt was past its time")
	}
}

// snapshotShop is the shop of the benchmark, with measurements of this test.
type snapshotShop struct{ *bench.Shop }

// bury leaves what so many check-outs leave within an hour: rows that are gone, and cannot be cleaned up. Nobody sees them;
// whoever looks at all times meets their entries in the indexes.
func bury(t *testing.T, url string, n int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for into, values := range map[string]string{
		"cart.outbox (due_at, stream, version)":                                          "1",
		"saga.streams (wake_at, id, version, kind, fold, state, created_at, updated_at)": "1, 'saga', 1, '{}', now(), now()",
		"cart.receipts (at, id, version, stream, status)":                                "1, gen_random_uuid(), 0",
	} {
		table, columns, _ := strings.Cut(into, " ")
		at, _, _ := strings.Cut(columns[1:], ",")
		err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into `+into+` select now() - interval '1 hour' + n * (interval '50 minutes' / $1::int8),
				md5(n::text)::uuid, `+values+` from generate_series(1, $1) n`, n)
			if err == nil {
				_, err = tx.Exec(t.Context(), "delete from "+table+" where "+at+" < now() - interval '9 minutes'")
			}
			return err
		})
		require.NoError(t, err)
	}
}

// retains has receipts deleted soon, until the test ends.
func (s *snapshotShop) retains(t *testing.T) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, schema := range []string{"cart", "orders", "payment", "saga"} {
		r := eventstore.Retention{
			Table: schema + ".receipts", Old: "at < now() - $3::interval", After: snapshotKeep, Pool: s.Databases[s.URL].Control,
		}
		all.Go(func() { r.Run(ctx, func(err error) { t.Error(err) }) })
	}
	t.Cleanup(all.Wait)
	t.Cleanup(end)
}

// looks are those at an index: how many, and the entries that they met.
type looks struct{ n, met int64 }

// byTime are the indexes in which what is due is found again and again.
func (s *snapshotShop) byTime(t *testing.T) map[string]looks {
	t.Helper()
	rows, err := s.Databases[s.URL].Query.Query(t.Context(), `select schemaname || '.' || indexrelname, idx_scan, idx_tup_read
		from pg_stat_user_indexes where (schemaname, indexrelname) in (('cart', 'outbox_due'), ('saga', 'streams_wake_at'))`)
	require.NoError(t, err)
	all := map[string]looks{}
	var index string
	var l looks
	_, err = pgx.ForEachRow(rows, []any{&index, &l.n, &l.met}, func() error {
		all[index] = l
		return nil
	})
	require.NoError(t, err)
	require.Len(t, all, 2)
	return all
}

// requireShallow holds the looks since then against so many dead entries: but for one from the beginning now and then, they
// met few of them.
func (s *snapshotShop) requireShallow(t *testing.T, since map[string]looks, dead int64) {
	t.Helper()
	for index, then := range since {
		var now looks
		harness.Until(t, "there were some looks at "+index, func() bool {
			now = s.byTime(t)[index]
			return now.n >= then.n+4
		})
		met := (now.met - then.met) / (now.n - then.n)
		t.Logf("a look at %s met %d entries, and %d dead ones lay there", index, met, dead)
		require.Less(t, met, dead/3, index)
	}
}

// holdSnapshot pins a snapshot until the test ends; held makes sure that it is the old one still.
func holdSnapshot(t *testing.T, url string) (held func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), "begin isolation level repeatable read")
	require.NoError(t, err)
	events := func() (n int64) {
		require.NoError(t, conn.QueryRow(t.Context(), "select coalesce(max(position), 0) from cart.events").Scan(&n))
		return n
	}
	before := events()
	return func() { require.Equal(t, before, events(), "the snapshot was lost") }
}

// parts drives a load for a while and gives the commands a second that were committed in each part of it.
func (s *snapshotShop) parts(t *testing.T, length time.Duration, do func(ctx context.Context, n int64) error, halfway func()) []float64 {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var turn atomic.Int64
	for range snapshotCallers {
		callers.Go(func() {
			for ctx.Err() == nil {
				if err := do(ctx, turn.Add(1)); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer callers.Wait()
	defer end()
	part := time.NewTicker(length / snapshotParts)
	defer part.Stop()
	<-part.C // caches and plans warm up
	began, before := time.Now(), s.Databases[s.URL].Committer.Counts().Commands
	rates := make([]float64, snapshotParts)
	for i := range rates {
		if i == len(rates)/2 {
			halfway()
			part.Reset(length / snapshotParts)
			began, before = time.Now(), s.Databases[s.URL].Committer.Counts().Commands
		}
		now, count := <-part.C, s.Databases[s.URL].Committer.Counts().Commands
		rates[i] = float64(count-before) / now.Sub(began).Seconds()
		began, before = now, count
	}
	return rates
}

func ratio(rates []float64) float64 { return rates[len(rates)-1] / rates[0] }

// shops is what most carts go through: opened, filled, edited again and again, and some of them bought.
func (s *snapshotShop) shops(ctx context.Context, n int64) error {
	return s.buys(ctx, s.SKUs[int(n)%len(s.SKUs)], cartEdits, n%payingCarts == 0)
}

func (s *snapshotShop) buys(ctx context.Context, sku string, edits int, paid bool) error {
	cart, err := s.OpenCart(ctx, sku, 1)
	if err != nil {
		return err
	}
	for i := range edits {
		if _, err := s.App.Carts.SetQuantity(ctx, s.Caller, s.Write(nil), cart, sku, int64(2+i)); err != nil {
			return err
		}
	}
	if !paid {
		return nil
	}
	_, err = s.CheckOutCart(ctx, cart, int64(bench.ShopCartVersion+edits))
	return err
}
