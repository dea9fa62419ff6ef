package gates

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

var freezes = flag.Int("freezes", 0, "how often TestProcessFreeze freezes a replica, each time until its leases have run out; when 0, once in every way and shorter")

// TestProcessFreeze freezes one of three replicas in the middle of check-outs, and thaws it when the others have brought all of
// them to an end: often another one than it had in mind, since many are cancelled meanwhile. It goes on where it stood,
// with calls to the provider, with the steps in its queue, in a transaction that Postgres may have ended by then. None of
// that may take effect.
//
//	go test ./e2e/gates -run TestProcessFreeze -timeout 30m -freezes 20 -v
func TestProcessFreeze(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts three replicas, and waits for others to take over")
	}
	pgtest.NeedsSessions(t, "it asks who waits for which server process")
	luck, url := rand.New(rand.NewPCG(harness.SeedOf(t), 0)), pgtest.New(t)
	f := harness.NewFleet(t, 3, url, "PAYMENT_TIMEOUT=35s", "SIMULATOR_LATENCY=150ms") // a call outlives the freeze, and comes late
	shelf := []string{f.Up(t).AddProduct(t, 450), f.Up(t).AddProduct(t, 1999)}
	f.Up(t).SetStock(t, shelf[0], 1_000_000)
	w, in := newFreezer(t, f, url, shelf[1]), databasesOf(t, f)
	c := startLoad(t, f, 16, shelf, []string{
		"sim_ok", "sim_slow", "sim_flaky", "sim_ok", "sim_requires_action", "sim_ok", "sim_capture_fails", "sim_declined",
	}, func(c *load) { c.freezes = true })
	rounds := *freezes
	if w.leases = rounds > 0; !w.leases {
		rounds = len(moments)
	}
	for n := range rounds {
		f.AwaitAnswers(t, 40+luck.Int64N(100))
		w.round(t, luck, moments[n%len(moments)])
		c.requireClean(t)
	}
	f.AwaitAnswers(t, 50)
	bought := c.finish(t)
	f.Up(t).RequirePromises(t)
	for _, h := range f.Replicas { // what still comes, comes before they have stopped
		h.Stop(t)
	}
	wrong, err := harness.Breaches(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, wrong, "something came late")
	b, err := harness.ReadBooks(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, acknowledgedLoss(b, bought))
	w.report(t, c)
}

// freezer freezes replicas.
type freezer struct {
	*harness.Fleet
	db     *pgxpool.Pool
	leases bool // wait until those of the frozen replica have run out, or else move them up
	anglers
	rounds []freeze
}

// anglers keep a replica busy, and hold it up: with an edit of a cart whose row is locked. Nobody answers them in time.
type anglers struct {
	harness.Shopper
	bait harness.CartView
	sku  string
	gone sync.WaitGroup
}

// moment is where a replica freezes.
type moment string

const (
	anywhere   moment = "anywhere"
	heldUp     moment = "held up"    // a transaction of its waits for a row, and its steps wait behind in the queue
	committing moment = "committing" // orders are placed while it stands, and it sends their charges when it goes on
)

var moments = []moment{committing, anywhere, heldUp}

// freeze is one of them, as it was.
type freeze struct {
	replica   int
	moment    moment
	lasted    time.Duration
	begun     int // checkouts that were under way
	cancelled int
	payments  []uuid.UUID // of those that were over at the thaw
	calls     int         // to the provider about these until then: each further one is late
}

func newFreezer(t *testing.T, f *harness.Fleet, url, sku string) *freezer {
	t.Helper()
	db, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	ada := f.Up(t).Shopper(t)
	w := &freezer{Fleet: f, db: db, anglers: anglers{Shopper: ada, bait: ada.Fill(t), sku: sku}}
	t.Cleanup(w.gone.Wait)
	return w
}

// round freezes a replica, has the others finish all that was under way, and thaws it.
func (w *freezer) round(t *testing.T, luck *rand.Rand, m moment) {
	t.Helper()
	r := freeze{replica: luck.IntN(len(w.Replicas)), moment: m}
	victim, others := w.Replicas[r.replica], &harness.Fleet{Limit: w.Limit}
	for _, h := range w.Replicas {
		if h != victim {
			others.Replicas = append(others.Replicas, h)
		}
	}
	release := w.stall(t, victim, others, m, luck)
	victim.Freeze(t)
	release()
	began := time.Now()
	harness.Until(t, "the transactions that waited go on", func() bool { return !w.anyWaiting(t) })
	begun := w.unfinished(t)
	var cancels errgroup.Group
	for id, customer := range begun {
		if luck.IntN(2) == 0 {
			r.cancelled++
			token := harness.Mint(t, harness.Settings(), customer)
			cancels.Go(func() error {
				_, err := others.Retry(t.Context(), http.MethodPost, "/v1/checkouts/"+id.String()+"/cancel", token, nil, "Idempotency-Key", "freeze")
				return err
			})
		}
	}
	w.awaitEnds(t, begun)
	require.NoError(t, cancels.Wait())
	if w.leases {
		pause(t.Context(), time.Until(began.Add(leased)))
	}
	r.lasted, r.begun = time.Since(began), len(begun)
	r.payments = w.paymentsOf(t, begun)
	r.calls = w.calls(t, r.payments)
	w.rounds = append(w.rounds, r)
	victim.Thaw()
	harness.Until(t, "the thawed replica serves again", func() bool { return writes(t, victim, time.Second) })
}

// leased is longer than a replica that drives a saga is left alone.
const leased = 16 * time.Second

// stall has a replica stand where it is to be frozen, with checkouts at every stage, and says what then lets its
// transaction go on.
func (w *freezer) stall(t *testing.T, victim *harness.Host, others *harness.Fleet, m moment, luck *rand.Rand) (release func()) {
	t.Helper()
	carts := w.fillMany(t, others)
	switch m {
	case anywhere:
		w.rush(t, victim, carts)
		pause(t.Context(), time.Duration(luck.Int64N(int64(400*time.Millisecond)))) // from the seal well into the provider's hands
	case heldUp:
		w.rush(t, victim, carts)
		pause(t.Context(), time.Duration(luck.Int64N(int64(100*time.Millisecond))))
		l := w.lock(t, "select from cart.streams where id = $1 for update", w.bait.ID)
		w.send(t, victim, 0, "/v1/carts/"+w.bait.ID.String()+"/items", map[string]any{"sku": w.sku, "quantity": 1})
		l.await(t)
		w.AwaitAnswers(t, 10) // of the others
		return l.release
	case committing: // everybody waits
		w.rush(t, victim, carts)
		pause(t.Context(), time.Duration(luck.Int64N(int64(40*time.Millisecond))))
		l := w.lock(t, "select pg_advisory_xact_lock(hashtext('orders.position'))")
		l.await(t)
		harness.Until(t, "the replica waits too", func() bool { return !writes(t, victim, 300*time.Millisecond) })
		return l.release
	}
	return func() {}
}

// lock holds up whoever needs it too.
type lock struct {
	tx   pgx.Tx
	pool *pgxpool.Pool
}

func (w *freezer) lock(t *testing.T, sql string, args ...any) lock {
	t.Helper()
	tx, err := w.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	l := lock{tx, w.db}
	t.Cleanup(l.release) // where the test fails first
	return l
}

// await returns when a session waits.
func (l lock) await(t *testing.T) {
	t.Helper()
	harness.Until(t, "somebody waits", func() (waits bool) {
		err := l.pool.QueryRow(t.Context(), "select exists (select from pg_stat_activity where $1 = any (pg_blocking_pids(pid)))",
			l.tx.Conn().PgConn().PID()).Scan(&waits)
		return err == nil && waits
	})
}

func (l lock) release() { _ = l.tx.Rollback(context.Background()) } // in vain, the transaction is over all the same

// anyWaiting reports whether a position is waited for: whoever stands in that line is about to commit.
func (w *freezer) anyWaiting(t *testing.T) (waits bool) {
	t.Helper()
	require.NoError(t, w.db.QueryRow(t.Context(), `select exists (select from pg_locks where locktype = 'advisory' and not granted
		and database = (select oid from pg_database where datname = current_database()))`).Scan(&waits))
	return waits
}

// fillMany fills carts, away from the replica that is to be frozen.
func (w *freezer) fillMany(t *testing.T, at *harness.Fleet) []harness.CartView {
	t.Helper()
	carts := make([]harness.CartView, 16)
	for i := range carts {
		c, err := harness.RetryAs[harness.CartView](t.Context(), at, http.MethodPost, "/v1/carts", w.Token, map[string]any{"currency": "GBP"}, "Idempotency-Key", uuid.NewString())
		require.NoError(t, err)
		carts[i], err = harness.RetryAs[harness.CartView](t.Context(), at, http.MethodPost, "/v1/carts/"+c.ID.String()+"/items", w.Token,
			map[string]any{"sku": w.sku, "quantity": 1}, "Idempotency-Key", uuid.NewString())
		require.NoError(t, err)
	}
	return carts
}

// rush checks carts out at a replica, one soon after the other.
func (w *freezer) rush(t *testing.T, victim *harness.Host, carts []harness.CartView) {
	t.Helper()
	for i, c := range carts {
		w.send(t, victim, time.Duration(i)*5*time.Millisecond, harness.CheckoutPath(c), harness.Paying("sim_ok"),
			"Idempotency-Key", c.ID.String(), "If-Match", harness.Tag(c.Version))
	}
}

// send makes a request in a while, and waits for no answer.
func (w *freezer) send(t *testing.T, victim *harness.Host, in time.Duration, path string, body any, headers ...string) {
	base := victim.Base()
	w.gone.Go(func() {
		pause(t.Context(), in)
		_, _ = (&harness.Site{Base: base}).Ask(t.Context(), http.MethodPost, path, w.Token, body, headers...)
	})
}

// unfinished are the checkouts under way, with their customers. One that waits for its shopper is nobody's business.
func (w *freezer) unfinished(t *testing.T) map[uuid.UUID]string {
	t.Helper()
	rows, err := w.db.Query(t.Context(), "select id, customer from saga.streams where wake_at is not null and status <> 'requires_action'")
	require.NoError(t, err)
	found, id, customer := map[uuid.UUID]string{}, uuid.UUID{}, ""
	_, err = pgx.ForEachRow(rows, []any{&id, &customer}, func() error {
		found[id] = customer
		return nil
	})
	require.NoError(t, err)
	return found
}

// awaitEnds returns when checkouts have ended, or wait for their shopper.
func (w *freezer) awaitEnds(t *testing.T, begun map[uuid.UUID]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Patience)
	defer cancel()
	open := 0
	require.True(t, harness.Eventually(ctx, func() bool {
		if !w.leases {
			w.expireLeases(t, ctx, begun)
		}
		err := w.db.QueryRow(ctx, "select count(*) from saga.streams where id = any ($1) and wake_at is not null and status <> 'requires_action'",
			ids(begun)).Scan(&open)
		return err == nil && open == 0
	}), "the others do not end %d of %d checkouts", open, len(begun))
}

// expireLeases has the leases of checkouts end at once, and the time of a session that sits on its locks. Neither is more than
// a convenience: anybody may drive a saga at any time.
func (w *freezer) expireLeases(t *testing.T, ctx context.Context, begun map[uuid.UUID]string) {
	t.Helper()
	for _, sql := range []string{
		`update saga.streams set wake_at = now() where id in
			(select id from saga.streams where id = any ($1) and wake_at > now() and status <> 'requires_action' for update skip locked)`,
		`select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and state = 'idle in transaction' and now() - state_change > interval '1 s'
			and pid in (select unnest(pg_blocking_pids(pid)) from pg_stat_activity) and cardinality($1::uuid[]) > 0`,
	} {
		_, err := w.db.Exec(ctx, sql, ids(begun))
		require.NoError(t, err)
	}
}

func ids(of map[uuid.UUID]string) []uuid.UUID { return slices.Collect(maps.Keys(of)) }

// paymentsOf are those of the checkouts that have ended: nobody has a reason to call the provider about them.
func (w *freezer) paymentsOf(t *testing.T, checkouts map[uuid.UUID]string) []uuid.UUID {
	t.Helper()
	rows, err := w.db.Query(t.Context(), "select (state -> 'checkout' ->> 'payment_id')::uuid from saga.streams where id = any ($1) and wake_at is null",
		ids(checkouts))
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	return found
}

// calls are those that the provider has received about payments, repetitions too.
func (w *freezer) calls(t *testing.T, payments []uuid.UUID) (n int) {
	t.Helper()
	require.NoError(t, w.db.QueryRow(t.Context(), "select coalesce(sum(attempts), 0) from simulator.calls where reference = any ($1::text[])",
		payments).Scan(&n))
	return n
}

func (w *freezer) report(t *testing.T, c *load) {
	t.Helper()
	var lines strings.Builder
	all := 0
	for _, r := range w.rounds {
		came := w.calls(t, r.payments) - r.calls
		all += came
		fmt.Fprintf(&lines, "replica %d, %-10s, frozen for %5d ms: %2d checkouts under way, %2d cancelled meanwhile, %2d calls came late\n",
			r.replica, r.moment, r.lasted.Milliseconds(), r.begun, r.cancelled, came)
	}
	t.Logf("%d freezes, %d checkouts, refused on the way: %v\n%s", len(w.rounds), len(c.bought), c.refusals, lines.String())
	require.NotZero(t, all, "the provider heard nothing late: no freeze ever bit")
}

// writes reports whether the replica does, in time.
func writes(t *testing.T, h *harness.Host, limit time.Duration) bool {
	t.Helper()
	base := h.Base()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	a, err := (&harness.Site{Base: base}).Ask(ctx, http.MethodPost, "/v1/carts", harness.Mint(t, harness.Settings(), "prober"), map[string]any{"currency": "GBP"})
	return err == nil && a.StatusCode == http.StatusCreated
}
