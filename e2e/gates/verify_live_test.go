package gates

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/reconcile"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

var (
	verifyMinutes = flag.Int("verify-minutes", 0, "how long TestVerifyUnderLoad looks, with replicas that are killed; 0: some seconds, without")
	verifyOrders  = flag.Int("verify-orders", 0, "how many orders TestVerifySpeed checks; 0: none")
)

// TestVerifyGoesOn: an answer that had time for one page only says where to go on, and all of them together say it all.
func TestVerifyGoesOn(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada := s.Shopper(t)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, s.AddProduct(t, 500)), "sim_ok", harness.Waiting), http.StatusCreated)
	conn, err := pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "update simulator.ledger set amount = amount + 1")
	require.NoError(t, err)

	hasty := harness.Auditor(t, s, func(m *reconcile.Module) { m.MinAge, m.TimeBudget = time.Nanosecond, time.Nanosecond })
	first := harness.Get[reconcile.Reconciliation](t, hasty, "/v1/admin/reconciliation", s.Admin)
	require.NotNil(t, first.NextCursor)
	require.Equal(t, []string{"totals_differ:" + done.ID.String()}, harness.FindingIDs(hasty.Reconcile(t, http.MethodGet).Data))
	harness.RequireProblem(t, hasty.Send(t, http.MethodGet, "/v1/admin/reconciliation?cursor=elsewhere:x", s.Admin, nil), http.StatusUnprocessableEntity, "cursor_invalid")
	harness.RequireProblem(t, hasty.Send(t, http.MethodGet, "/v1/admin/reconciliation?cursor=orders:x", s.Admin, nil), http.StatusUnprocessableEntity, "cursor_invalid")

	calm := harness.Auditor(t, s, func(*reconcile.Module) {})
	require.Empty(t, calm.Reconcile(t, http.MethodGet).Data, "it is not a minute old")

	_, err = conn.Exec(t.Context(), "update simulator.ledger set amount = amount - 1")
	require.NoError(t, err)
}

// TestVerifyUnderLoad looks again and again while two replicas are busy, and finds nothing: what is under way is not wrong.
func TestVerifyUnderLoad(t *testing.T) {
	t.Parallel()
	f := harness.NewFleet(t, 2, pgtest.New(t), "PAYMENT_TIMEOUT=300ms")
	s := f.Up(t)
	shelf := []string{s.AddProduct(t, 500), s.AddProduct(t, 700)}
	s.SetStock(t, shelf[0], 1_000_000)
	c := startLoad(t, f, 12, shelf, []string{"sim_ok", "sim_ok", "sim_declined", "sim_capture_fails", "sim_flaky", "sim_requires_action", "sim_timeout_applied"})
	gives := givesBackAll(t, f, s)
	settled, end := 3*time.Second, time.Now().Add(7*time.Second)
	if *verifyMinutes > 0 {
		settled, end = time.Minute, time.Now().Add(time.Duration(*verifyMinutes)*time.Minute)
	}
	a := harness.Auditor(t, s, func(m *reconcile.Module) { m.MinAge = settled })
	looks, checked := 0, 0
	for looks < 4 || time.Now().Before(end) {
		found := a.Reconcile(t, http.MethodGet)
		require.Empty(t, found.Data, "after %d looks", looks)
		looks, checked = looks+1, found.Checked.Checkouts
		if *verifyMinutes > 0 && looks%50 == 0 {
			f.Replicas[looks/50%2].Kill(t)
			f.Replicas[looks/50%2].Start(t)
		}
		c.requireClean(t)
	}
	bought, given := c.finish(t), gives()
	t.Logf("%d looks, the last at %d checkouts, %d orders given back", looks, checked, given)
	require.Positive(t, given)
	s.RequirePromises(t)
	found := harness.Auditor(t, s, func(m *reconcile.Module) { m.MinAge = time.Nanosecond }).Reconcile(t, http.MethodGet)
	require.Empty(t, found.Data)
	require.GreaterOrEqual(t, found.Checked.Checkouts, len(bought))
}

// givesBackAll has orders refunded and cancelled without an end, until it is told to stop. It says of how many.
func givesBackAll(t *testing.T, f *harness.Fleet, s *harness.Site) (stop func() int) {
	t.Helper()
	shelf := []string{s.AddProduct(t, 4500), s.AddProduct(t, 9000)}
	s.SetStock(t, shelf[0], 1_000_000)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	var all sync.WaitGroup
	var given atomic.Int64
	seed := harness.SeedOf(t)
	for i := range 1 + min(*verifyMinutes, 2) {
		luck := rand.New(rand.NewPCG(seed, uint64(i)))
		all.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				if _, err := harness.BuyAndReturn(context.WithoutCancel(ctx), f, s.Admin, shelf, harness.ReturnMethods[n%len(harness.ReturnMethods)], luck); err != nil {
					t.Errorf("who gives back: %v", err)
					return
				}
				given.Add(1)
			}
		})
	}
	return func() int {
		cancel()
		all.Wait()
		return int(given.Load())
	}
}

// clone makes many checkouts of one, each with ids of its own.
const clone = `create table public.clones as select n, gen_random_uuid() cart, gen_random_uuid() orders, gen_random_uuid() payment, gen_random_uuid() saga
		from generate_series(1, %[1]d) n;
	create function public.cloned(t text, c public.clones) returns text language sql immutable as $$
		select replace(replace(replace(replace(replace(t, '%[2]s', c.cart::text), '%[3]s', c.orders::text), '%[4]s', c.payment::text),
			'%[5]s', c.saga::text), '"%[6]s"', '"9' || c.n || '"') $$;
	insert into simulator.payments select c.payment::text, token, amount, currency, status, code, answered, captured, refunded, at
		from simulator.payments, public.clones c;
	insert into simulator.ledger (reference, operation, amount, currency, at) select c.payment::text, operation, amount, currency, at
		from (select * from simulator.ledger) l, public.clones c`

const cloneStore = `insert into @.streams select c.@, version, kind, fold, public.cloned(state::text, c)::json, customer, status,
			case when key is not null then '9' || c.n end, wake_at, created_at, updated_at from @.streams s, public.clones c where s.id = '%[1]s';
	insert into @.events select nextval('@.position'), c.@, version, type, public.cloned(data::text, c)::json, meta, at
		from public.clones c, (select * from @.events where stream = '%[1]s') e order by c.n, version;
	insert into @.receipts select gen_random_uuid(), null, c.@, r.version, 0, r.at
		from (select * from @.receipts where stream = '%[1]s') r, public.clones c`

// TestVerifySpeed says how long it takes to check many orders.
func TestVerifySpeed(t *testing.T) {
	if *verifyOrders == 0 {
		t.Skip("-verify-orders says how many")
	}
	s := harness.Open(t, harness.OneDatabase)
	ada := s.Shopper(t)
	one := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, s.AddProduct(t, 500)), "sim_ok", harness.Waiting), http.StatusCreated)
	number := harness.Get[harness.OrderView](t, s, "/v1/orders/"+one.OrderID.String(), s.Admin).Number
	conn, err := pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	defer conn.Close(t.Context())
	sql := []string{fmt.Sprintf(clone, *verifyOrders, one.CartID, one.OrderID, *one.PaymentID, one.ID, number)}
	for schema, id := range map[string]string{"cart": one.CartID.String(), "orders": one.OrderID.String(), "payment": one.PaymentID.String(), "saga": one.ID.String()} {
		sql = append(sql, strings.ReplaceAll(fmt.Sprintf(cloneStore, id), "@", schema))
	}
	for _, statements := range append(sql, "drop function public.cloned; drop table public.clones", "vacuum analyze") {
		_, err := conn.Exec(t.Context(), statements)
		require.NoError(t, err, statements)
	}
	a := harness.Auditor(t, s, func(m *reconcile.Module) { m.MinAge = time.Nanosecond })
	began, answers, checked := time.Now(), 0, reconcile.Checked{}
	for path := "/v1/admin/reconciliation"; path != ""; answers++ {
		part := harness.Get[reconcile.Reconciliation](t, a, path, s.Admin)
		require.Empty(t, part.Data)
		checked.Streams, checked.Checkouts, checked.Receipts = checked.Streams+part.Checked.Streams, checked.Checkouts+part.Checked.Checkouts, checked.Receipts+part.Checked.Receipts
		if path = ""; part.NextCursor != nil {
			path = "/v1/admin/reconciliation?cursor=" + *part.NextCursor
		}
	}
	require.Equal(t, *verifyOrders+1, checked.Checkouts)
	t.Logf("%d checkouts, %d streams, %d receipts checked in %s, %d answers", checked.Checkouts, checked.Streams, checked.Receipts,
		time.Since(began).Round(time.Millisecond), answers)
}
