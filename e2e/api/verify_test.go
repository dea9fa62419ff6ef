package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// shop is what happens in a shop: something of everything that ends in its own way.
type mixedShop struct {
	*harness.Site
	db                            *pgx.Conn
	tracked                       string
	stock, holder                 uuid.UUID
	paid, kept, failed, free, won harness.CheckoutView
	waits                         harness.CheckoutView
	refunded, given               harness.CheckoutView // of one a part was refunded, the order of the other cancelled
	refund, cancellation          uuid.UUID
	open                          harness.CartView
	ada                           harness.Shopper
}

func patient(_ testing.TB, c *config.Config) { c.PaymentActionTTL = time.Hour }

func openMixedShop(t *testing.T) *mixedShop {
	s := &mixedShop{Site: harness.Open(t, harness.OneDatabase, harness.Unsealed, patient)}
	plain := s.AddProduct(t, 500)
	s.tracked = s.AddProduct(t, 500)
	s.SetStock(t, s.tracked, 9)
	s.ada = s.Shopper(t)
	buy := func(sku, method string, status int) harness.CheckoutView {
		a := s.ada.CheckOut(t, s.ada.Fill(t, sku), method, harness.Waiting)
		if status == http.StatusPaymentRequired {
			return s.ada.Checkout(t, harness.As[harness.Problem](t, a, status).CheckoutID)
		}
		return harness.As[harness.CheckoutView](t, a, status)
	}
	s.paid, s.kept = buy(plain, "sim_ok", http.StatusCreated), buy(s.tracked, "sim_ok", http.StatusCreated)
	s.failed = buy(plain, "sim_capture_fails", http.StatusPaymentRequired)
	buy(s.tracked, "sim_declined", http.StatusPaymentRequired)
	s.won = buy(s.tracked, "sim_flaky", http.StatusCreated)
	buy(s.tracked, "sim_timeout_applied", http.StatusCreated)
	harness.As[harness.OrderView](t, s.Send(t, http.MethodPost, "/v1/orders/"+s.won.OrderID.String()+"/fulfil", s.Admin, nil, "Idempotency-Key", "f"), http.StatusOK)

	gift := s.ada.Fill(t, plain)
	body := map[string]any{"adjustments": []any{map[string]any{"code": "gift", "label": "Gift", "amount": harness.GBP(-500)}}}
	gift = harness.As[harness.CartView](t, s.Send(t, http.MethodPut, "/v1/carts/"+gift.ID.String()+"/adjustments", s.Admin, body), http.StatusOK)
	s.free = harness.As[harness.CheckoutView](t, s.ada.CheckOut(t, gift, "sim_ok", harness.Waiting), http.StatusCreated)

	s.waits = s.ada.StartCheckout(t, s.ada.Fill(t, plain), "sim_requires_action")
	s.ada.AwaitStatus(t, s.waits.ID, saga.RequiresAction)
	cancelled := s.ada.StartCheckout(t, s.ada.Fill(t, s.tracked), "sim_requires_action")
	s.ada.AwaitStatus(t, cancelled.ID, saga.RequiresAction)
	s.ada.CancelCheckout(t, cancelled.ID)
	s.ada.AwaitStatus(t, cancelled.ID, saga.Cancelled)
	s.open = s.ada.Fill(t, plain, s.tracked)
	s.refunded, s.given = buy(plain, "sim_ok", http.StatusCreated), buy(plain, "sim_ok", http.StatusCreated)
	s.refund = harness.As[harness.RefundView](t, s.Refund(t, s.refunded.OrderID, 200, "Prefer", harness.Waiting), http.StatusCreated).ID
	s.ada.CancelOrder(t, s.given.OrderID)
	becomes(t, s.Site, s.given.OrderID, order.StatusCancelled)
	harness.Until(t, "the cancellation has ended", func() bool {
		found := harness.Get[harness.List[saga.View]](t, s.Site, "/v1/admin/sagas?type=cancellation&status=completed", s.Admin).Data
		if len(found) > 0 {
			s.cancellation = found[0].ID
		}
		return len(found) > 0
	})

	var err error
	s.db, err = pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.db.Close(context.Background())) })
	require.NoError(t, s.db.QueryRow(t.Context(), "select id from orders.streams where kind = 'stock'").Scan(&s.stock))
	require.NoError(t, s.db.QueryRow(t.Context(), "select id from orders.streams where kind = 'holder' limit 1").Scan(&s.holder))
	s.ages(t)
	return s
}

func (s *mixedShop) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if len(args) > 0 {
		sql = fmt.Sprintf(sql, args...)
	}
	_, err := s.db.Exec(t.Context(), sql)
	require.NoError(t, err, sql)
}

// ages makes everything an hour older: what is younger than a minute is not judged.
func (s *mixedShop) ages(t testing.TB) {
	t.Helper()
	harness.Until(t, "no reaction is owed", func() (none bool) { // or it would have been for an hour
		const owed = `select not exists (select from cart.outbox) and not exists (select from payment.outbox) and not exists (select from orders.outbox)`
		require.NoError(t, s.db.QueryRow(t.Context(), owed).Scan(&none))
		return none
	})
	for _, schema := range []string{"cart", "orders", "payment", "saga"} {
		s.exec(t, strings.ReplaceAll(`update @.streams set updated_at = updated_at - interval '1 hour';
			update @.events set at = at - interval '1 hour'; update @.receipts set at = at - interval '1 hour'`, "@", schema))
	}
	s.exec(t, `update simulator.payments set at = at - interval '1 hour'; update simulator.ledger set at = at - interval '1 hour'`)
}

var kept = []string{"cart", "orders", "payment", "saga", "simulator"}

// keeps remembers all tables; restores brings them back.
func (s *mixedShop) keeps(t testing.TB) (restores func()) {
	t.Helper()
	rows, err := s.db.Query(t.Context(), `select schemaname || '.' || tablename from pg_tables
		where schemaname = any($1) and tablename in ('streams', 'events', 'outbox', 'receipts', 'parked', 'payments', 'calls', 'ledger', 'refunds_elsewhere', 'contacts') order by 1`, kept)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Len(t, tables, 4*5+1+4)
	s.exec(t, "create schema saved")
	for _, table := range tables {
		s.exec(t, "create table saved.%s as table %s", strings.ReplaceAll(table, ".", "_"), table)
	}
	return func() {
		var sql strings.Builder
		fmt.Fprintf(&sql, "begin; truncate %s;", strings.Join(tables, ", "))
		for _, table := range tables {
			fmt.Fprintf(&sql, "insert into %s overriding system value select * from saved.%s;", table, strings.ReplaceAll(table, ".", "_"))
		}
		s.exec(t, sql.String()+"commit")
	}
}

// forges adds an event as a command would have, with a state of no fold: whoever reads it folds it anew.
func (s *mixedShop) forges(t testing.TB, schema string, stream uuid.UUID, kind, data, status string) {
	t.Helper()
	s.exec(t, strings.ReplaceAll(fmt.Sprintf(`update @.streams set version = version + 1, fold = 0, status = '%[4]s', wake_at = null where id = '%[1]s';
		insert into @.events (position, stream, version, type, data, meta, at)
			select nextval('@.position'), id, version, '%[2]s', '%[3]s', '{}', updated_at from @.streams where id = '%[1]s'`,
		stream, kind, data, status), "@", schema))
}

// forgets takes the last event of a stream away, as if its command had never come.
func (s *mixedShop) forgets(t testing.TB, schema string, stream uuid.UUID, status string) {
	t.Helper()
	s.exec(t, strings.ReplaceAll(fmt.Sprintf(`delete from @.events e using @.streams s where s.id = '%[1]s' and e.stream = s.id and e.version = s.version;
		delete from @.receipts r using @.streams s where s.id = '%[1]s' and r.stream = s.id and r.version = s.version;
		update @.streams set version = version - 1, fold = 0, status = '%[2]s' where id = '%[1]s'`, stream, status), "@", schema))
}

// loses takes a stream away and all that is known of it.
func (s *mixedShop) loses(t testing.TB, schema string, stream uuid.UUID) {
	t.Helper()
	s.exec(t, strings.ReplaceAll(fmt.Sprintf(`delete from @.streams where id = '%[1]s'; delete from @.events where stream = '%[1]s';
		delete from @.receipts where stream = '%[1]s'`, stream), "@", schema))
}

// damage is something that was broken on purpose, and what is found of it.
type damage struct {
	name   string
	breaks func(t *testing.T)
	finds  []string
	heals  bool // then there is nothing left to find
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s := openMixedShop(t)
	whole := s.Reconcile(t, http.MethodGet)
	require.Empty(t, whole.Data, "a healthy shop")
	require.Equal(t, 13, whole.Checked.Checkouts)
	require.Greater(t, whole.Checked.Streams, 30)
	require.Greater(t, whole.Checked.Receipts, 30)
	require.Equal(t, 1, whole.Checked.Stocks)
	restores := s.keeps(t)
	for _, d := range slices.Concat(s.damageToCheckouts(), s.damageToWhatWasGivenBack(), s.damageToStores()) {
		t.Run(d.name, func(t *testing.T) {
			defer restores()
			d.breaks(t)
			found := s.Reconcile(t, http.MethodGet).Data
			require.ElementsMatch(t, d.finds, harness.FindingIDs(found), "%+v", found)
			for _, f := range found {
				require.Equal(t, d.heals, f.Healable, f.ID)
				require.NotEmpty(t, f.Detail)
				require.NotEmpty(t, f.Remedy)
			}
			if !d.heals {
				return
			}
			for _, f := range s.Reconcile(t, http.MethodPost).Data {
				require.NotNil(t, f.Healed, f.ID)
				require.True(t, *f.Healed, f.ID)
				require.NotEmpty(t, f.Done, f.ID)
			}
			s.ages(t)
			require.Empty(t, s.Reconcile(t, http.MethodGet).Data, "after it was mended")
		})
	}
	harness.As[map[string]any](t, s.AnswerAtBank(t, *s.waits.PaymentID, "approve"), http.StatusOK)
}
