package order

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
)

func TestSales(t *testing.T) {
	t.Parallel()

	t.Run("AreTheConfirmedOrders", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		s, replica := openAt(t, url), openAt(t, url)
		s.runLoops()
		replica.runLoops() // two projectors, and each order still counts once
		errs := make([]error, 10)
		together(len(errs), func(i int) {
			p := newPlace(line("mug", int64(i+1)))
			if i >= 8 {
				p.Currency = "EUR"
			}
			errs[i] = s.handle(p)
			if i == 0 {
				errs[i] = errors.Join(errs[i], s.handle(Cancel{OrderID: p.OrderID}))
				return
			}
			errs[i] = errors.Join(errs[i], s.handle(Confirm{OrderID: p.OrderID}), s.handle(Confirm{OrderID: p.OrderID}))
		})
		require.NoError(t, errors.Join(errs...))
		require.Eventually(t, func() bool { return s.confirmedInSales() == 9 }, 30*time.Second, 20*time.Millisecond)
		requireSalesAreConfirmed(t, s)
		_, err := s.Store().Rebuild(t.Context(), "daily_sales", eventstore.IdempotencyKey{})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			var left int
			err := s.pools.Query.QueryRow(t.Context(), "select count(*) from orders.daily_sales where generation = 1").Scan(&left)
			return err == nil && left == 0
		}, 30*time.Second, 20*time.Millisecond, "the old generation is cleared away")
		requireSalesAreConfirmed(t, s)
		require.NotEmpty(t, s.call("root", "GET", "/v1/admin/sales", "").data(), "today's are answered when no days are named")
	})

	t.Run("TheDayIsThatOfTheEventInUTC", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		at := func(text string) eventstore.Recorded {
			moment, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
			return eventstore.Recorded{Type: eventstore.TypeOf(Confirmed{}), Data: []byte(`{"currency":"GBP","total":100}`), At: moment}
		}
		for _, batch := range [][]eventstore.Recorded{
			{at("2026-01-02T01:59:59.999999+02:00"), {Type: eventstore.TypeOf(Placed{}), Data: []byte(`{"total":7}`)}, at("2026-01-02T00:00:00Z")},
			{at("2026-01-01T00:00:00Z"), at("2026-01-01T20:00:00-04:00")},
			{},
		} {
			require.NoError(t, pgx.BeginFunc(t.Context(), s.pools.Query, func(tx pgx.Tx) error {
				return projectSales(t.Context(), tx, 1, batch)
			}))
		}
		total := map[string]any{"amount": 200.0, "currency": "GBP"}
		require.Equal(t, []any{
			map[string]any{"day": "2026-01-02", "orders": 2.0, "total": total},
			map[string]any{"day": "2026-01-01", "orders": 2.0, "total": total},
		}, s.call("root", "GET", "/v1/admin/sales?from=2026-01-01&to=2026-01-03", "").data())
	})

	t.Run("FromDayToDay", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		_, err := s.pools.Query.Exec(t.Context(), `insert into orders.daily_sales values
			(1, '2026-01-01', 'GBP', 1, 100), (1, '2026-01-02', 'GBP', 2, 200), (1, '2026-01-03', 'GBP', 3, 300)`)
		require.NoError(t, err)
		days := func(query string) (found []string) {
			for _, d := range s.call("root", "GET", "/v1/admin/sales?"+query, "").data() {
				found = append(found, d.(map[string]any)["day"].(string)) // a panic fails the test
			}
			return found
		}
		require.Equal(t, []string{"2026-01-03", "2026-01-02"}, days("from=2026-01-02&to=2026-02-01"))
		require.Equal(t, []string{"2026-01-01"}, days("from=2026-01-01&to=2026-01-01"))
		require.Equal(t, []string{"2026-01-03"}, days("to=2026-02-02"), "31 days")
		require.Len(t, days("from=2026-01-01&to=2027-01-01"), 3, "366 days")
		require.Equal(t, http.StatusOK, s.call("root", "GET", "/v1/admin/sales?to=0001-01-01", "").Status, "there is no day before it")
	})

	t.Run("Refusals", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		require.Equal(t, http.StatusUnauthorized, s.call("", "GET", "/v1/admin/sales", "").Status)
		require.Equal(t, http.StatusForbidden, s.call("alice", "GET", "/v1/admin/sales", "").Status)
		for _, query := range []string{
			"from=yesterday", "to=2026-02-30", "to=0000-01-01", "from=2026-01-02&to=2026-01-01", "from=2026-01-01&to=2027-01-02",
		} {
			require.Equal(t, http.StatusUnprocessableEntity, s.call("root", "GET", "/v1/admin/sales?"+query, "").Status, query)
		}
	})
}

// confirmedInSales returns the number of orders in the projection.
func (s *shop) confirmedInSales() (n int64) {
	err := s.pools.Query.QueryRow(s.t.Context(), `select coalesce(sum(orders), 0)::int8 from orders.daily_sales where `+salesNow).Scan(&n)
	require.NoError(s.t, err)
	return n
}

// requireSalesAreConfirmed compares the projection with the orders.
func requireSalesAreConfirmed(t *testing.T, s *shop) {
	t.Helper()
	var off int
	err := s.pools.Query.QueryRow(t.Context(), `
		with confirmed as (
			select state->>'currency' as currency, count(*) as orders, sum((state->>'total')::int8) as total
			from orders.streams where kind = 'order' and status in ('confirmed', 'fulfilled') group by 1),
		projected as (select currency, sum(orders) as orders, sum(total) as total from orders.daily_sales where `+salesNow+` group by 1)
		select count(*) from confirmed c full join projected p using (currency)
		where (c.orders, c.total) is distinct from (p.orders, p.total)`).Scan(&off)
	require.NoError(t, err)
	require.Zero(t, off)
}
