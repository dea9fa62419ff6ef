package gates

import (
	"context"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

// manyProducts are as an older version of the program stored them, without the rows that searches read.
const manyProducts = `insert into cart.streams (id, version, kind, fold, state, key, status, created_at, updated_at)
	select gen_random_uuid(), 1, 'product', 1, json_build_object('sku', 'MANY-' || n, 'name', 'White heart ' || n, 'active', true,
		'price', json_build_object('amount', 450, 'currency', 'GBP'), 'search', 'many-' || n || chr(10) || 'white heart ' || n),
		'MANY-' || n, 'active', now() - n * interval '1 second', now() from generate_series(1, 10000) n`

// TestSearchersStopNobody: a crowd searches a large price book, and everybody else buys on. The searches that run at once are few.
func TestSearchersStopNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a table")
	}
	s := harness.OpenUnchecked(t, harness.OneDatabase) // the products have no events
	shelf := []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
	s.Stop(t)
	s.Exec(t, "cart", manyProducts)
	s.Start(t)
	server, err := pgx.Connect(t.Context(), pgtest.Direct(t, s.Settings.DatabaseURL))
	require.NoError(t, err)
	defer server.Close(context.Background())
	harness.Until(t, "all products are indexed", func() (all bool) {
		require.NoError(t, server.QueryRow(t.Context(), "select count(*) = 10002 from cart.product_search").Scan(&all))
		return all
	})
	texts := []string{"heart", "h", "te%20he", "no%20match", "%C3%BC", "9999"}
	searched, _ := crowd(t, s, 32, "", func(n int) string { return "/v1/products?q=" + texts[n%len(texts)] },
		http.StatusTooManyRequests, http.StatusServiceUnavailable) // a slow machine ends a search after its time
	for range 5 {
		buys(t.Context(), t, s, shelf)
		for range 20 { // their last statement is a search, also while they are idle
			var searching int32
			require.NoError(t, server.QueryRow(t.Context(), `select count(*) from pg_stat_activity
				where datname = current_database() and query like '%strpos%' and pid <> pg_backend_pid()`).Scan(&searching))
			// A search that takes too long ends with its connection, which the server notices a little later.
			require.LessOrEqual(t, searching, 2*s.Settings.SearchConnections)
		}
	}
	require.NotZero(t, searched())
}
