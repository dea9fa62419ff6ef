package order

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/web"
)

func (s *shop) adjustStock(sku string, delta int, headers ...string) answer {
	s.t.Helper()
	return s.call("root", "POST", "/v1/stock/"+sku+"/adjustments", fmt.Sprintf(`{"delta":%d,"reason":"Broken."}`, delta),
		append([]string{"Idempotency-Key", uuid.NewString()}, headers...)...)
}

func TestStockPreconditions(t *testing.T) {
	t.Parallel()
	s := open(t)
	put := func(onHand int, headers ...string) answer {
		return s.call("root", "PUT", "/v1/stock/mug", fmt.Sprintf(`{"on_hand":%d}`, onHand), headers...)
	}
	a := put(5, "If-Match", "*")
	require.Equal(t, http.StatusPreconditionFailed, a.Status)
	require.Equal(t, "It does not exist.", a.Body["detail"])
	require.Equal(t, "It does not exist.", put(5, "If-Match", `"5"`).Body["detail"])
	require.Equal(t, "It does not exist.", s.adjustStock("mug", 1, "If-Match", `"5"`).Body["detail"])
	require.Equal(t, http.StatusOK, put(5, "If-None-Match", "*").Status)
	a = put(6, "If-None-Match", "*")
	require.Equal(t, http.StatusPreconditionFailed, a.Status)
	require.Equal(t, "version_mismatch", a.code())
	require.Equal(t, "It exists already.", a.Body["detail"])
	require.Equal(t, "malformed_if_none_match", put(6, "If-None-Match", `"1"`).code())
	require.EqualValues(t, 5, s.stock("mug").OnHand)
	require.Equal(t, "version_mismatch", s.adjustStock("mug", 1, "If-None-Match", "*").code())
	require.Equal(t, http.StatusOK, put(7, "If-Match", "*").Status)
}

// TestStockOfSKUsThatNoBrowserCanAddress changes stock that an older version counted under such a SKU, and refuses a new count
// under one.
func TestStockOfSKUsThatNoBrowserCanAddress(t *testing.T) {
	t.Parallel()
	s := open(t)
	for raw, sku := range map[string]string{"%2E%2E": "..", "MUG%20": "MUG "} {
		a := s.call("root", "PUT", "/v1/stock/"+raw, `{"on_hand":5}`)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
		require.Equal(t, "sku", a.field())
		require.Equal(t, http.StatusNotFound, s.call("root", "GET", "/v1/stock/"+raw, "").Status)

		_, err := s.store.Do(t.Context(), eventstore.Command{
			ID: uuid.New(), Fingerprint: make([]byte, 16), Streams: []eventstore.Ref{stocks.Ref(stockID(sku))},
			Decide: func(tx *eventstore.Tx) error {
				stocks.Append(tx, stockID(sku), StockCounted{SKU: sku, OnHand: 5})
				return nil
			},
		})
		require.NoError(t, err)
		require.EqualValues(t, 4, s.adjustStock(raw, -1).Body["on_hand"])
		require.EqualValues(t, 0, s.call("root", "PUT", "/v1/stock/"+raw, `{"on_hand":0}`).Body["on_hand"])
		require.Equal(t, http.StatusOK, s.call("root", "GET", "/v1/stock/"+raw, "").Status)
	}
}

func TestAdjustments(t *testing.T) {
	t.Parallel()
	s := open(t)

	t.Run("AddAndTake", func(t *testing.T) {
		s.setOnHand("mug", 5)
		a := s.adjustStock("mug", 4)
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, map[string]any{"sku": "mug", "on_hand": 9.0, "reserved": 0.0, "available": 9.0, "short": 0.0}, a.Body)
		require.Equal(t, `"2"`, a.Header.Get("ETag"))
		require.EqualValues(t, 7, s.adjustStock("mug", -2, "If-Match", `"2"`).Body["on_hand"])
		require.Equal(t, "version_mismatch", s.adjustStock("mug", -2, "If-Match", `"2"`).code())
	})

	t.Run("UnderAKeyOnce", func(t *testing.T) {
		s.setOnHand("key", 5)
		first := s.adjustStock("key", -1, "Idempotency-Key", "once")
		again := s.adjustStock("key", -1, "Idempotency-Key", "once")
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
		require.Equal(t, first.Body, again.Body)
		require.EqualValues(t, 4, s.stock("key").OnHand)
		require.Equal(t, "idempotency_key_reused", s.adjustStock("key", -2, "Idempotency-Key", "once").code())
	})

	t.Run("NeverBelowZero", func(t *testing.T) {
		s.setOnHand("few", 2)
		a := s.adjustStock("few", -3)
		require.Equal(t, http.StatusConflict, a.Status)
		require.Equal(t, "below_zero", a.code())
		require.Equal(t, 2.0, a.Body["on_hand"])
		require.Equal(t, http.StatusOK, s.adjustStock("few", -2).Status)
		require.Equal(t, http.StatusOK, s.adjustStock("few", 9007199254740991).Status)
		require.Equal(t, "above_maximum", s.adjustStock("few", 1).code())
	})

	t.Run("Refusals", func(t *testing.T) {
		for _, c := range []struct {
			bearer, sku, body string
			want              int
			field             any
		}{
			{"", "mug", `{"delta":1,"reason":"r"}`, http.StatusUnauthorized, nil},
			{"alice", "mug", `{"delta":1,"reason":"r"}`, http.StatusForbidden, nil},
			{"root", "nobody-counted", `{"delta":1,"reason":"r"}`, http.StatusNotFound, nil},
			{"root", "mug", `{"delta":0,"reason":"r"}`, http.StatusUnprocessableEntity, "delta"},
			{"root", "mug", `{"reason":"r"}`, http.StatusUnprocessableEntity, "delta"},
			{"root", "mug", `{"delta":1}`, http.StatusUnprocessableEntity, "reason"},
			{"root", "mug", `{"delta":1.5,"reason":"r"}`, http.StatusUnprocessableEntity, "delta"},
		} {
			a := s.call(c.bearer, "POST", "/v1/stock/"+c.sku+"/adjustments", c.body, "Idempotency-Key", uuid.NewString())
			require.Equal(t, c.want, a.Status, "%+v", c)
			require.Equal(t, c.field, a.field(), "%+v", c)
		}
		require.Equal(t, "idempotency_key_required", s.call("root", "POST", "/v1/stock/mug/adjustments", `{"delta":1,"reason":"r"}`).code())
	})
}

func TestAdjustmentsOfTwoSystemsBothCount(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processes := []*shop{openAt(t, url), openAt(t, url)}
	processes[0].setOnHand("mug", 100)
	const each = 20
	statuses := make([]int, 2*each)
	together(len(statuses), func(i int) {
		statuses[i] = processes[i%2].adjustStock("mug", 1-3*(i%2)).Status
	})
	for _, status := range statuses {
		require.Equal(t, http.StatusOK, status)
	}
	require.EqualValues(t, 100+each-2*each, processes[0].stock("mug").OnHand)
}

func TestStockThatIsShort(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.setOnHand("mug", 6)
	s.setOnHand("tea", 6)
	gone := s.placeOrder("ann", line("mug", 1))
	s.must(Cancel{OrderID: gone.OrderID})
	first := s.confirmedOrder("ann", line("mug", 3))
	second := s.confirmedOrder("ben", line("mug", 2), line("tea", 1))
	n := s.numberOf
	read := func() map[string]any { return s.call("root", "GET", "/v1/stock/mug", "").Body }

	a := s.adjustStock("mug", -4)
	require.Equal(t, http.StatusOK, a.Status)
	require.Equal(t, map[string]any{"sku": "mug", "on_hand": 2.0, "reserved": 5.0, "available": 0.0, "short": 3.0}, a.Body)

	t.Run("NamesTheOrdersThatHoldIt", func(t *testing.T) {
		require.Equal(t, []any{
			map[string]any{"id": second.OrderID.String(), "number": n(second), "quantity": 2.0},
			map[string]any{"id": first.OrderID.String(), "number": n(first), "quantity": 3.0},
		}, read()["orders"])
		require.Equal(t, true, read()["orders_complete"])
	})

	t.Run("IsListed", func(t *testing.T) {
		skus := func(query string) (found []any) {
			for _, v := range s.call("root", "GET", "/v1/stock"+query, "").data() {
				found = append(found, v.(map[string]any)["sku"]) // a panic fails the test
			}
			return found
		}
		require.Equal(t, []any{"tea", "mug"}, skus(""))
		require.Equal(t, []any{"mug"}, skus("?short=true"))
		one := s.call("root", "GET", "/v1/stock?limit=1", "")
		next, _ := one.Body["next_cursor"].(string)
		require.Equal(t, []any{"mug"}, skus("?limit=1&cursor="+next))
		require.Equal(t, http.StatusUnprocessableEntity, s.call("root", "GET", "/v1/stock?short=perhaps", "").Status)
		require.Equal(t, http.StatusForbidden, s.call("ann", "GET", "/v1/stock", "").Status)
	})

	t.Run("SellsNothing", func(t *testing.T) {
		err := s.handle(newPlace(line("mug", 1)))
		f := requireFault(t, err, errOutOfStock)
		require.Equal(t, []shortage{{SKU: "mug", Requested: 1, Available: 0}}, f.Extra["lines"])
		available, err := s.Available(t.Context(), []string{"mug"})
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"mug": 0}, available)
	})

	t.Run("IsNoOverselling", func(t *testing.T) {
		require.NoError(t, s.StockLevels(t.Context(), func(h StockLevel) {
			require.Equal(t, h.Reserved, h.Held)
			require.Equal(t, h.SKU == "mug", h.Short == 3)
		}))
	})

	t.Run("FulfilsNoMoreThanThereIs", func(t *testing.T) {
		fulfil := func(p Place) answer {
			return s.call("root", "POST", "/v1/orders/"+p.OrderID.String()+"/fulfil", "", "Idempotency-Key", uuid.NewString())
		}
		a := fulfil(first)
		require.Equal(t, http.StatusConflict, a.Status)
		require.Equal(t, "stock_short", a.code())
		require.Equal(t, []any{map[string]any{"sku": "mug", "requested": 3.0, "available": 2.0}}, a.Body["lines"])
		require.Equal(t, http.StatusOK, fulfil(second).Status)
		require.Equal(t, Stock{SKU: "mug", OnHand: 0, Reserved: 3, Short: 3}, s.stock("mug"))
	})

	t.Run("IsNotCountedAwayFurther", func(t *testing.T) {
		require.EqualValues(t, 2, s.call("root", "PUT", "/v1/stock/mug", `{"on_hand":1}`).Body["short"])
		require.Equal(t, "below_reserved", s.call("root", "PUT", "/v1/stock/mug", `{"on_hand":0}`).code())
	})

	t.Run("EndsWhenTheGoodsAreFound", func(t *testing.T) {
		require.EqualValues(t, 0, s.adjustStock("mug", 2).Body["short"])
		require.Equal(t, []any{}, read()["orders"])
		require.Empty(t, s.call("root", "GET", "/v1/stock?short=true", "").data())
	})
}

func TestStockListsUseAnIndex(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, sql := range []string{
		`insert into orders.streams (id, version, kind, fold, state, customer, status, key, created_at, updated_at)
			select gen_random_uuid(), 2, 'order', 3, '{}', 'c' || n % 500, 'confirmed', 'k' || n, now(), now() from generate_series(1, 20000) n`,
		`insert into orders.streams (id, version, kind, fold, state, created_at, updated_at, wake_at)
			select gen_random_uuid(), 2, 'stock', 2, '{}', now(), now(), case when n % 500 = 0 then now() end from generate_series(1, 2000) n`,
		`analyze orders.streams`,
	} {
		_, err := s.pools.Query.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	for short, index := range map[bool]string{false: "streams_stock_newest", true: "streams_wake_at"} {
		var rows []web.Row
		sql := s.Views.ToSQL(func(db *gorm.DB) *gorm.DB { return stockRows(db, short, web.PageRequest{Limit: 20}).Find(&rows) })
		found, err := s.pools.Query.Query(t.Context(), "explain "+sql)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(found, pgx.RowTo[string])
		require.NoError(t, err)
		require.Contains(t, strings.Join(plan, "\n"), index)
	}
}
