package order

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"shopping-cart/platform/web"
)

// requireList waits until a list of orders has these, newest first. The projection of refunded orders follows the log.
func (s *shop) requireList(bearer, path string, want ...string) {
	s.t.Helper()
	var have []string
	require.Eventually(s.t, func() bool {
		have = s.call(bearer, "GET", path, "").numbersOf()
		return len(have) == len(want)
	}, time.Minute, 10*time.Millisecond, path)
	require.Equal(s.t, append([]string{}, want...), have, path)
}

func (s *shop) refund(p Place, amount int64) {
	s.t.Helper()
	s.must(RecordRefund{OrderID: p.OrderID, RefundID: newID(), Amount: amount})
}

func TestListsByRefund(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.runLoops()
	whole := s.confirmedOrder("alice", line("mug", 2))
	part := s.confirmedOrder("alice", line("mug", 2))
	bobs := s.confirmedOrder("bob", line("mug", 2))
	kept := s.confirmedOrder("alice", line("mug", 2))
	declined := s.placeOrder("alice", line("mug", 1))
	s.must(Cancel{OrderID: declined.OrderID, Reason: "payment_declined"})
	s.refund(whole, 200)
	s.refund(whole, 300)
	s.refund(part, 100)
	s.refund(bobs, 500)
	n := s.numberOf

	s.requireList("root", "/v1/admin/orders?refunded=full", n(bobs), n(whole))
	s.requireList("root", "/v1/admin/orders?refunded=part", n(part))
	s.requireList("root", "/v1/admin/orders?refunded=none", n(declined), n(kept))
	s.requireList("root", "/v1/admin/orders?refunded=full&status=fulfilled")
	s.requireList("root", "/v1/admin/orders?refunded=full&number="+n(whole), n(whole))
	s.requireList("alice", "/v1/orders?refunded=full", n(whole))
	s.requireList("alice", "/v1/orders?refunded=none", n(kept))

	first := s.call("root", "GET", "/v1/admin/orders?refunded=full&limit=1", "")
	next, _ := first.Body["next_cursor"].(string)
	s.requireList("root", "/v1/admin/orders?refunded=full&limit=1&cursor="+next, n(whole))

	s.cancelSale(kept, ByOperator)
	s.must(EndCancellation{kept.OrderID})
	s.requireList("root", "/v1/admin/orders?refunded=full", n(kept), n(bobs), n(whole))

	for _, path := range []string{"/v1/orders", "/v1/admin/orders"} {
		a := s.call("root", "GET", path+"?refunded=some", "")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
		require.Equal(t, "refunded", a.field())
	}
}

// cancelSale asks that a sale be cancelled.
func (s *shop) cancelSale(p Place, by Canceller) View {
	s.t.Helper()
	v, _, err := s.RequestCancellation(s.t.Context(), web.Write{}, RequestCancellation{OrderID: p.OrderID, Reason: "Ordered twice.", By: by})
	require.NoError(s.t, err)
	return v
}

// field is the first field that a refusal names.
func (a answer) field() any {
	fields, _ := a.Body["errors"].([]any)
	if len(fields) == 0 {
		return nil
	}
	return fields[0].(map[string]any)["field"] // a panic fails the test
}

func TestOrdersThatWereNeverConfirmed(t *testing.T) {
	t.Parallel()
	s := open(t)
	sold := s.confirmedOrder("alice", line("mug", 1))
	declined := s.placeOrder("alice", line("mug", 1))
	s.must(Cancel{OrderID: declined.OrderID, Reason: "payment_declined"})
	returned := s.confirmedOrder("alice", line("mug", 1))
	require.Equal(t, "cancelled_by_customer", *s.cancelSale(returned, ByCustomer).Reason)
	s.must(EndCancellation{returned.OrderID})
	pending := s.placeOrder("alice", line("mug", 1))
	n := s.numberOf

	t.Run("AreListedWhenAskedFor", func(t *testing.T) {
		s.requireList("alice", "/v1/orders", n(returned), n(sold))
		s.requireList("alice", "/v1/orders?include=unconfirmed", n(pending), n(returned), n(declined), n(sold))
		s.requireList("root", "/v1/admin/orders", n(returned), n(declined), n(sold))
		a := s.call("alice", "GET", "/v1/orders?include=everything", "")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
		require.Equal(t, "include", a.field())
	})

	t.Run("SayWhy", func(t *testing.T) {
		byOperator := s.confirmedOrder("alice", line("mug", 1))
		s.cancelSale(byOperator, ByOperator)
		for id, want := range map[uuid.UUID]any{
			sold.OrderID: nil, pending.OrderID: nil, declined.OrderID: "payment_declined",
			returned.OrderID: "cancelled_by_customer", byOperator.OrderID: "cancelled_by_operator",
		} {
			a := s.call("root", "GET", "/v1/orders/"+id.String(), "")
			require.Contains(t, a.Body, "reason")
			require.Equal(t, want, a.Body["reason"])
		}
	})

	t.Run("AnEarlierVersionDidNotSayWhoCancelled", func(t *testing.T) {
		require.Equal(t, "cancelled", given(aPlaced, confirmed, CancellationRequested{CancellationID: newID(), Reason: "x"}).reasonCode())
	})
}

func TestListsByTime(t *testing.T) {
	t.Parallel()
	s := open(t)
	var all []Place
	var at []string
	for range 3 {
		p := s.confirmedOrder("alice", line("mug", 1))
		all = append(all, p)
		at = append(at, s.order(p.OrderID).CreatedAt.UTC().Format(time.RFC3339Nano))
	}
	n := func(i int) string { return s.numberOf(all[i]) }
	for bearer, path := range map[string]string{"alice": "/v1/orders", "root": "/v1/admin/orders"} {
		s.requireList(bearer, path+"?created_after="+at[0], n(2), n(1))
		s.requireList(bearer, path+"?created_before="+at[2], n(1), n(0))
		s.requireList(bearer, path+"?created_after="+at[0]+"&created_before="+at[2], n(1))
		for _, wrong := range []string{"created_after=yesterday", "created_before=2026-01-31", "created_before=0000-01-01T00:00:00Z"} {
			a := s.call(bearer, "GET", path+"?"+wrong, "")
			require.Equal(t, http.StatusUnprocessableEntity, a.Status, wrong)
			require.Contains(t, wrong, a.field())
		}
	}
}

// TestListsUseAnIndex explains the lists among many orders. None reads all of them.
func TestListsUseAnIndex(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, sql := range []string{
		`insert into orders.streams (id, version, kind, fold, state, customer, status, key, created_at, updated_at)
			select gen_random_uuid(), 2, 'order', 3, '{}', 'c' || n % 500, 'confirmed', 'k' || n, now() - n * interval '1 minute', now()
			from generate_series(1, 20000) n`,
		`insert into orders.subscriptions (name, position) values ('refunded_orders', 0)`,
		`insert into orders.refunded_orders select 1, id, created_at, key like '%000' from orders.streams where key like '%00'`,
		`analyze orders.streams, orders.refunded_orders`,
	} {
		_, err := s.pools.Query.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	month := web.Created{After: time.Now().AddDate(0, -1, 0), Before: time.Now().AddDate(0, 0, -1)}
	for name, c := range map[string]struct {
		query query
		index string
	}{
		"Times":         {query{created: month, lacking: pending}, "streams_order_newest"},
		"TimesOfOne":    {query{created: month, customer: "c7", lacking: unconfirmed}, "streams_order_customer"},
		"FullyRefunded": {query{refunded: refundedFully}, "refunded_orders"},
		"PartlyOfOne":   {query{refunded: refundedPartly, customer: "c7"}, "streams_order_customer"},
		"NoneRefunded":  {query{refunded: refundedNone}, "streams_order_newest"},
	} {
		t.Run(name, func(t *testing.T) {
			var rows []web.Row
			sql := s.Views.ToSQL(func(db *gorm.DB) *gorm.DB { return c.query.rows(db, web.PageRequest{Limit: 20}).Find(&rows) })
			var plan []string
			found, err := s.pools.Query.Query(t.Context(), "explain "+sql)
			require.NoError(t, err)
			plan, err = pgx.CollectRows(found, pgx.RowTo[string])
			require.NoError(t, err)
			text := strings.Join(plan, "\n")
			require.Contains(t, text, c.index, text)
			require.NotContains(t, text, "Seq Scan on streams", text)
		})
	}
}
