package main

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
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/pgtest"
)

var freezes = flag.Int("freezes", 0, "how often TestFrozen freezes a replica, each time until its leases have run out; two short ones when 0")

// TestFrozen freezes one of three replicas in the middle of check-outs, and thaws it when the others have brought all of
// them to an end: often another one than it had in mind, since many are cancelled meanwhile. It goes on where it stood,
// with calls to the provider, with the steps in its queue, in a transaction that Postgres may have ended by then. None of
// that may take effect.
//
//	go test -run TestFrozen -timeout 30m -freezes 20 -v .
func TestFrozen(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts three replicas, and waits for others to take over")
	}
	pgtest.NeedsSessions(t, "it asks who waits for which server process")
	luck, url := rand.New(rand.NewPCG(seedOf(t), 0)), pgtest.New(t)
	f := newFleet(t, 3, url, "PAYMENT_TIMEOUT=35s", "SIMULATOR_LATENCY=150ms") // a call outlives the freeze, and comes late
	shelf := []string{f.up(t).sells(t, 450), f.up(t).sells(t, 1999)}
	f.up(t).stocks(t, shelf[0], 1_000_000)
	w, in := newWarden(t, f, url, shelf[1]), f.reads(t)
	c := f.shop(t, 16, shelf, []string{
		"sim_ok", "sim_slow", "sim_flaky", "sim_ok", "sim_requires_action", "sim_ok", "sim_capture_fails", "sim_declined",
	})
	rounds := *freezes
	if w.leases = rounds > 0; !w.leases {
		rounds = 2
	}
	for n := range rounds {
		f.awaitAnswers(t, 40+luck.Int64N(100))
		w.round(t, luck, n%2 == 0)
		c.isContent(t)
	}
	f.awaitAnswers(t, 50)
	bought := c.goes(t)
	f.up(t).keepsPromises(t)
	for _, h := range f.replicas { // what still comes, comes before they have stopped
		h.stop(t)
	}
	wrong, err := breaches(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, wrong, "something came late")
	b, err := readBooks(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, lost(b, bought))
	w.report(t, c)
}

// warden freezes replicas.
type warden struct {
	*fleet
	db     *pgxpool.Pool
	leases bool // wait until those of the frozen replica have run out, or else move them up
	anglers
	rounds []freeze
}

// anglers hold up a replica: they edit a cart whose row is locked.
type anglers struct {
	bait  cartView
	sku   string
	token string
	gone  sync.WaitGroup
}

// freeze is one of them, as it was.
type freeze struct {
	replica   int
	queued    bool // it had a transaction open, and steps in its queue
	lasted    time.Duration
	cancelled int
	payments  []uuid.UUID // of the checkouts that were under way
	calls     int         // to the provider about these, when all of these were over: each further one is late
}

func newWarden(t *testing.T, f *fleet, url, sku string) *warden {
	t.Helper()
	db, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	ada := f.up(t).shopper(t)
	w := &warden{fleet: f, db: db, anglers: anglers{bait: ada.fills(t), sku: sku, token: ada.token}}
	t.Cleanup(w.gone.Wait)
	return w
}

// round freezes a replica, has the others finish all that was under way, and thaws it.
func (w *warden) round(t *testing.T, luck *rand.Rand, queued bool) {
	t.Helper()
	r := freeze{replica: luck.IntN(len(w.replicas)), queued: queued}
	victim, others := w.replicas[r.replica], &fleet{limit: w.limit}
	for _, h := range w.replicas {
		if h != victim {
			others.replicas = append(others.replicas, h)
		}
	}
	release := func() {}
	if queued {
		release = w.holdUp(t, victim)
	}
	victim.freeze(t)
	release()
	began := time.Now()
	begun := w.unfinished(t)
	for id, customer := range begun {
		if luck.IntN(2) == 0 {
			r.cancelled++
			_, err := others.insists(t.Context(), http.MethodPost, "/v1/checkouts/"+id.String()+"/cancel", mint(t, settings(), customer), nil,
				"Idempotency-Key", "freeze")
			require.NoError(t, err)
		}
	}
	w.awaitEnds(t, begun)
	r.lasted = time.Since(began)
	r.payments = w.paymentsOf(t, begun)
	r.calls = w.calls(t, r.payments)
	w.rounds = append(w.rounds, r)
	victim.thaw(t)
	until(t, "the thawed replica serves again", func() bool { return victim.writes(t) })
}

// holdUp locks the bait and returns when the replica waits for it, with more and more to do behind.
func (w *warden) holdUp(t *testing.T, victim *host) (release func()) {
	t.Helper()
	tx, err := w.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select from cart.streams where id = $1 for update", w.bait.ID)
	require.NoError(t, err)
	base, _ := victim.where()
	w.gone.Go(func() {
		_, _ = (&site{base: base}).ask(t.Context(), http.MethodPost, "/v1/carts/"+w.bait.ID.String()+"/items", w.token,
			map[string]any{"sku": w.sku, "quantity": 1})
	})
	until(t, "the replica waits", func() (waits bool) {
		err := w.db.QueryRow(t.Context(), "select exists (select from pg_stat_activity where $1 = any (pg_blocking_pids(pid)))",
			tx.Conn().PgConn().PID()).Scan(&waits)
		return err == nil && waits
	})
	w.awaitAnswers(t, 25) // of the others
	return func() { require.NoError(t, tx.Rollback(t.Context())) }
}

// unfinished are the checkouts under way, with their customers.
func (w *warden) unfinished(t *testing.T) map[uuid.UUID]string {
	t.Helper()
	rows, err := w.db.Query(t.Context(), "select id, customer from saga.streams where wake_at is not null")
	require.NoError(t, err)
	found, id, customer := map[uuid.UUID]string{}, uuid.UUID{}, ""
	_, err = pgx.ForEachRow(rows, []any{&id, &customer}, func() error {
		found[id] = customer
		return nil
	})
	require.NoError(t, err)
	return found
}

// awaitEnds returns when checkouts have ended.
func (w *warden) awaitEnds(t *testing.T, begun map[uuid.UUID]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	open := 0
	require.True(t, eventually(ctx, func() bool {
		if !w.leases { // as if their time had come: a lease only saves work
			_, err := w.db.Exec(ctx, `update saga.streams set wake_at = now() where id in
				(select id from saga.streams where id = any ($1) and wake_at > now() and status <> 'requires_action' for update skip locked)`, ids(begun))
			require.NoError(t, err)
		}
		err := w.db.QueryRow(ctx, "select count(*) from saga.streams where id = any ($1) and wake_at is not null", ids(begun)).Scan(&open)
		return err == nil && open == 0
	}), "the others do not end %d of %d checkouts", open, len(begun))
}

func ids(of map[uuid.UUID]string) []uuid.UUID { return slices.Collect(maps.Keys(of)) }

func (w *warden) paymentsOf(t *testing.T, checkouts map[uuid.UUID]string) []uuid.UUID {
	t.Helper()
	rows, err := w.db.Query(t.Context(), "select (state -> 'checkout' ->> 'payment_id')::uuid from saga.streams where id = any ($1)", ids(checkouts))
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	return found
}

// calls are those that the provider has received about payments, repetitions too.
func (w *warden) calls(t *testing.T, payments []uuid.UUID) (n int) {
	t.Helper()
	require.NoError(t, w.db.QueryRow(t.Context(), "select coalesce(sum(attempts), 0) from simulator.calls where reference = any ($1::text[])",
		payments).Scan(&n))
	return n
}

func (w *warden) report(t *testing.T, c *crowd) {
	t.Helper()
	var lines strings.Builder
	all := 0
	for _, r := range w.rounds {
		how := "anywhere"
		if r.queued {
			how = "held up "
		}
		came := w.calls(t, r.payments) - r.calls
		all += came
		fmt.Fprintf(&lines, "replica %d, %s, frozen for %5d ms: %2d checkouts under way, %2d cancelled meanwhile, %2d calls came late\n",
			r.replica, how, r.lasted.Milliseconds(), len(r.payments), r.cancelled, came)
	}
	t.Logf("%d freezes, %d checkouts, refused on the way: %v\n%s", len(w.rounds), len(c.bought), c.refusals, lines.String())
	require.NotZero(t, all, "the provider heard nothing late: no freeze ever bit")
}

// writes reports whether the replica does.
func (h *host) writes(t *testing.T) bool {
	t.Helper()
	base, _ := h.where()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	a, err := (&site{base: base}).ask(ctx, http.MethodPost, "/v1/carts", mint(t, settings(), "prober"), map[string]any{"currency": "GBP"})
	return err == nil && a.StatusCode == http.StatusCreated
}

// stop asks the process to stop, and returns when it has.
func (h *host) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, h.process.Process.Signal(syscall.SIGTERM))
	require.NoError(t, h.process.Wait(), "a program that is asked to stop stops well")
	h.process = nil
	h.set("")
}
