package gates

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
)

var rebuilds = flag.Int("rebuilds", 1, "how often TestRebuildUnderLoad rebuilds the sales per day while shoppers check out")

const (
	oldSales    = 30_000 // in the log before anybody comes: a rebuild takes some batches
	salesBuyers = 6
	projection  = "daily_sales"
)

// TestRebuildUnderLoad is gate 7: the sales per day are rebuilt again and again at two replicas, while shoppers check out and
// cancel. Replicas are killed in the middle of a rebuild, with a transaction of it under way. Whoever reads the sales
// meanwhile always has an answer, and no sum in it ever goes down. What is live, and what is being made, is at every look
// what the log says up to its position; and in the end the rows made anew are the rows that were live.
//
//	go test ./e2e/gates -run 'TestRebuildUnderLoad$' -rebuilds 20 -v
func TestRebuildUnderLoad(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts two replicas, and kills some")
	}
	pgtest.NeedsSessions(t, "it asks who waits for which server process")
	luck, g := rand.New(rand.NewPCG(harness.SeedOf(t), 7)), newRebuilding(t)
	for i := range g.Replicas {
		g.watches(t, i)
	}
	g.comeIn(t)
	for n := range *rebuilds {
		g.AwaitAnswers(t, 20+luck.Int64N(60))
		g.begins(t)
		if n%2 == 0 || luck.IntN(2) == 0 {
			g.interrupts(t, luck.IntN(len(g.Replicas)))
		}
		g.exchanged(t)
	}
	g.AwaitAnswers(t, 50)
	g.leave()
	w := &freezer{Fleet: g.Fleet, db: g.db}
	w.awaitEnds(t, w.unfinished(t)) // some went before their checkout was over
	harness.Until(t, "the reader has come to the end of the log", func() bool {
		return g.is(t, "select position = (select max(position) from orders.events) from orders.subscriptions where name = $1", projection)
	})
	live := g.rows(t)
	g.begins(t)
	g.exchanged(t)
	require.Equal(t, live, g.rows(t), "made anew they are the same")
	g.sums.read(t.Context(), g.Up(t), g.admin)
	for i := range g.Replicas {
		g.lookers[i].away()
	}
	g.sums.isContent(t, live)
	require.Positive(t, g.kills, "no rebuild was caught in the middle")
	t.Logf("%d rebuilds of up to %d sales, a replica killed in the middle of %d; %d bought and %d cancelled meanwhile; "+
		"%d reads, none failed, no sum went down; %d looks at the rows, all as the log says",
		g.generation-1, g.count(t), g.kills, g.bought, g.cancelled, g.sums.reads, g.looks)
	g.Up(t).Exec(t, "orders", "delete from orders.events e where not exists (select from orders.streams where id = e.stream)")
	g.Up(t).RequirePromises(t)
}

// rebuilding is what goes on at once.
type rebuilding struct {
	*harness.Fleet
	db         *pgxpool.Pool
	admin      string
	generation int // the live one
	kills      int
	looks      int
	sums       *sums
	lookers    []looker // by replica

	shelf []string
	leave func() // no shopper begins anything more, and all have ended

	mu                sync.Mutex
	bought, cancelled int
}

// looker reads the sales at a replica.
type looker struct {
	stop context.CancelFunc
	done *sync.WaitGroup
}

func newRebuilding(t *testing.T) *rebuilding {
	t.Helper()
	url := pgtest.New(t)
	db, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	f := harness.NewFleet(t, 2, url, "PAYMENT_TIMEOUT=500ms")
	s := f.Up(t)
	// A month of sales in three currencies.
	s.Exec(t, "orders", fmt.Sprintf(`select pg_advisory_xact_lock(hashtext('orders.position'));
		insert into orders.events (position, stream, version, type, data, meta, at)
			select nextval('orders.position'), gen_random_uuid(), 1, 'order.confirmed', json_build_object(
				'currency', (array['GBP', 'EUR', 'USD'])[n %% 3 + 1], 'total', n %% 5000), '{}', now() - n %% 29 * interval '1 day'
			from generate_series(1, %d) n`, oldSales))
	g := &rebuilding{Fleet: f, db: db, admin: s.Admin, generation: 1, sums: newSums(), lookers: make([]looker, len(f.Replicas))}
	g.shelf = []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
	harness.Until(t, "what is old is read", func() bool { return g.count(t) == oldSales })
	// From now on whoever writes sales takes a moment, drawn by chance.
	s.Exec(t, "orders", `
		create function orders.dawdle() returns trigger language plpgsql as
			$$ begin perform pg_sleep(random() * 0.1); return null; end $$;
		create trigger dawdle after insert on orders.daily_sales for each statement execute function orders.dawdle()`)
	return g
}

// is asks the database what is so or not.
func (g *rebuilding) is(t *testing.T, sql string, args ...any) (so bool) {
	t.Helper()
	require.NoError(t, g.db.QueryRow(t.Context(), sql, args...).Scan(&so))
	return so
}

// comeIn has shoppers check out, at all replicas, until leave: one in four changes their mind at the bank.
func (g *rebuilding) comeIn(t *testing.T) {
	shopping, giveUp := context.WithCancel(t.Context())
	closing, closes := context.WithCancel(shopping)
	var all sync.WaitGroup
	for i := range salesBuyers {
		all.Go(func() {
			for n := i; closing.Err() == nil; n++ {
				err := g.buys(shopping, []string{"sim_ok", "sim_requires_action", "sim_ok", "sim_capture_fails"}[n%4])
				if err != nil && shopping.Err() == nil {
					t.Errorf("buyer %d: %v", i, err)
					return
				}
			}
		})
	}
	g.leave = func() { closes(); all.Wait() }
	t.Cleanup(func() { giveUp(); all.Wait() })
}

func (g *rebuilding) buys(ctx context.Context, method string) error {
	p, err := harness.Buy(ctx, g, g.shelf, method)
	if err == nil && p.Status == http.StatusAccepted {
		path := "/v1/checkouts/" + p.Checkout.String() + "/cancel"
		var a harness.Answer
		a, err = g.Retry(ctx, http.MethodPost, path, p.Shopper.Token, nil, "Idempotency-Key", "mind")
		if err == nil && a.StatusCode > http.StatusAccepted && a.StatusCode != http.StatusConflict { // it may be too late
			err = fmt.Errorf("%s: %s", a.Status, a.Text)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch p.Status {
	case http.StatusCreated:
		g.bought++
	case http.StatusAccepted:
		g.cancelled++
	}
	return err
}

func (g *rebuilding) begins(t *testing.T) {
	t.Helper()
	const path = "/v1/admin/projections/" + projection + "/rebuild"
	v, err := harness.RetryAs[admin.SubscriptionView](t.Context(), g, http.MethodPost, path, g.admin, nil, "Idempotency-Key", uuid.NewString())
	require.NoError(t, err)
	require.Equal(t, g.generation+1, v.Generation)
}

// exchanged waits for the rebuild to take the place of the live rows, and looks at both meanwhile.
func (g *rebuilding) exchanged(t *testing.T) {
	t.Helper()
	g.generation++
	harness.Until(t, "it takes the place of the live one", func() bool {
		g.requireAsLogged(t)
		return g.is(t, `select generation = $1 and not exists (select from orders.subscriptions where name like 'daily_sales@%')
			from orders.subscriptions where name = 'daily_sales'`, g.generation)
	})
	g.requireAsLogged(t)
	require.False(t, g.is(t, "select exists (select from orders.parked)"))
}

// salesOff are the rows, of the live generation and of the one being made, that are not what the log says up to the position of
// the subscription: one statement sees one moment.
const salesOff = `
	with subs as (select generation, position from orders.subscriptions where split_part(name, '@', 1) = 'daily_sales'),
	logged as (
		select s.generation, (e.at at time zone 'utc')::date as day, e.data ->> 'currency' as currency,
			count(*) as orders, sum((e.data ->> 'total')::int8) as total
		from subs s join orders.events e on e.position <= s.position where e.type = 'order.confirmed' group by 1, 2, 3),
	sold as (select d.* from orders.daily_sales d join subs using (generation))
	select format('generation %s, %s %s: %s of %s orders, %s of %s', generation, day, currency, s.orders, l.orders, s.total, l.total)
	from logged l full join sold s using (generation, day, currency) where (s.orders, s.total) is distinct from (l.orders, l.total)`

func (g *rebuilding) requireAsLogged(t *testing.T) {
	t.Helper()
	rows, err := g.db.Query(t.Context(), salesOff)
	require.NoError(t, err)
	off, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, off, "rows are not what the log says")
	g.looks++
}

// interrupts kills a replica while a rebuild has a transaction under way, if it comes in time, and starts it again.
func (g *rebuilding) interrupts(t *testing.T, victim int) {
	t.Helper()
	name := fmt.Sprint(projection, "@", g.generation+1)
	const underWay = "select exists (select from orders.subscriptions where name = $1 and position > 0)"
	harness.Until(t, "the rebuild is under way", func() bool {
		return g.is(t, underWay, name) || g.is(t, "select generation > $1 from orders.subscriptions where name = $2", g.generation, projection)
	})
	l := (&freezer{db: g.db}).lock(t, "lock table orders.daily_sales in share mode") // who reads may, who writes waits
	if !g.is(t, underWay, name) {
		l.release()
		return
	}
	l.await(t)
	g.requireAsLogged(t)
	g.lookers[victim].away()
	g.Replicas[victim].Kill(t)
	l.release()
	g.Replicas[victim].Start(t)
	g.watches(t, victim)
	g.kills++
}

// watches has two clients read the sales at a replica, all the time, until they look away.
func (g *rebuilding) watches(t *testing.T, replica int) {
	base := g.Replicas[replica].Base()
	ctx, stop := context.WithCancel(t.Context())
	l := looker{stop, new(sync.WaitGroup)}
	for range 2 {
		l.done.Go(func() {
			for ctx.Err() == nil {
				g.sums.read(ctx, &harness.Site{Base: base}, g.admin)
				pause(ctx, 5*time.Millisecond)
			}
		})
	}
	g.lookers[replica] = l
	t.Cleanup(l.away)
}

func (l looker) away() {
	l.stop()
	l.done.Wait()
}

// rows are the sales of the live generation.
func (g *rebuilding) rows(t *testing.T) map[sumOf]salesSum {
	t.Helper()
	rows, err := g.db.Query(t.Context(), `select day::text, currency, orders, total from orders.daily_sales
		where generation = (select generation from orders.subscriptions where name = 'daily_sales')`)
	require.NoError(t, err)
	all, of, sum := map[sumOf]salesSum{}, sumOf{}, salesSum{}
	_, err = pgx.ForEachRow(rows, []any{&of.day, &of.currency, &sum.orders, &sum.total}, func() error {
		all[of] = sum
		return nil
	})
	require.NoError(t, err)
	return all
}

// count is how many sales there are in the live generation.
func (g *rebuilding) count(t *testing.T) (n int64) {
	for _, sum := range g.rows(t) {
		n += sum.orders
	}
	return n
}

// sums are those that readers of the sales were told: the highest of each day and currency.
type sums struct {
	path string

	mu      sync.Mutex
	highest map[sumOf]salesSum
	reads   int
	wrong   []string
}

type (
	sumOf    struct{ day, currency string }
	salesSum struct{ orders, total int64 }
)

func newSums() *sums {
	now := time.Now().UTC()
	first, last := now.AddDate(0, 0, -40).Format(time.DateOnly), now.AddDate(0, 0, 2).Format(time.DateOnly)
	return &sums{path: "/v1/admin/sales?from=" + first + "&to=" + last, highest: map[sumOf]salesSum{}}
}

// read asks a replica for the sales, and holds its answer against all that were heard before it asked.
func (r *sums) read(ctx context.Context, s *harness.Site, token string) {
	r.mu.Lock()
	before := maps.Clone(r.highest)
	r.mu.Unlock()
	a, err := s.Try(ctx, http.MethodGet, r.path, token, nil)
	if ctx.Err() != nil {
		return
	}
	var answer struct{ Data []order.SalesOfDay }
	if err == nil {
		err = a.Decode(&answer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	if err != nil || a.StatusCode != http.StatusOK {
		r.wrong = append(r.wrong, fmt.Sprintf("%v %s", err, a.Text))
		return
	}
	for _, d := range answer.Data {
		of, sum := sumOf{d.Day, d.Total.Currency}, salesSum{d.Orders, d.Total.Amount}
		if was := before[of]; sum.orders < was.orders || sum.total < was.total {
			r.wrong = append(r.wrong, fmt.Sprintf("%v was %v and is %v", of, was, sum))
		}
		delete(before, of)
		r.highest[of] = salesSum{max(r.highest[of].orders, sum.orders), max(r.highest[of].total, sum.total)}
	}
	if len(before) > 0 {
		r.wrong = append(r.wrong, fmt.Sprintf("%d of %d days are not there", len(before), len(before)+len(answer.Data)))
	}
}

// isContent: no read failed, no sum went down, and the last answer was the live rows.
func (r *sums) isContent(t *testing.T, live map[sumOf]salesSum) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Empty(t, r.wrong[:min(len(r.wrong), 5)], "%d of %d reads", len(r.wrong), r.reads)
	require.Equal(t, live, r.highest)
}
