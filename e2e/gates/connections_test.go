package gates

import (
	"context"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// A role that may have fewer connections than the pools would take: the program starts, and sells while reads come in crowds.
func TestFewConnections(t *testing.T) {
	s := harness.OpenUnchecked(t, func(t testing.TB, c *config.Config) { c.DatabaseURL = pgtest.NewLimited(t, 8) }) // two more than the least
	reads, _ := crowd(t, s, 24, s.Admin, func(int) string { return "/v1/products" }, http.StatusServiceUnavailable)
	sellsOn(t, s)
	require.NotZero(t, reads())
}

// Others, such as more replicas, take all connections of the role but a few, and the program loses its own: it comes to sell
// again, since reads give way.
func TestOthersTakeTheConnections(t *testing.T) {
	const allowed, left = 20, 6
	s := harness.OpenUnchecked(t, func(t testing.TB, c *config.Config) { c.DatabaseURL = pgtest.NewLimited(t, allowed) })
	shelf := []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
	reads, _ := crowd(t, s, 24, s.Admin, func(int) string { return "/v1/products" }, http.StatusServiceUnavailable)
	server, err := pgx.Connect(t.Context(), pgtest.Direct(t, s.Settings.DatabaseURL))
	require.NoError(t, err)
	defer server.Close(context.Background())
	for others := 0; others < allowed-left; {
		conn, err := pgx.Connect(t.Context(), s.Settings.DatabaseURL)
		if err == nil {
			defer conn.Close(context.Background())
			others++
			continue
		}
		require.ErrorContains(t, err, "53300")
		_, err = server.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and application_name = 'shopping-cart'`)
		require.NoError(t, err)
	}
	read := reads()
	harness.Until(t, "it is ready", func() bool { return s.Send(t, http.MethodGet, "/readyz", "", nil).StatusCode == http.StatusOK })
	ctx, cancel := context.WithTimeout(t.Context(), 3*harness.Patience)
	defer cancel()
	for range 5 {
		buys(ctx, t, s, shelf)
		require.Equal(t, http.StatusOK, s.Send(t, http.MethodGet, "/readyz", "", nil).StatusCode)
	}
	require.Greater(t, reads(), read, "reads are answered too")
}

// Somebody locks the table of orders and stock: who asks for these is refused, and a crowd of them does not hold up a cart.
func TestLockedTable(t *testing.T) {
	s := harness.OpenUnchecked(t, func(t testing.TB, c *config.Config) { c.DatabaseURL = pgtest.New(t) }) // one for all modules
	ada, sku := s.Shopper(t), s.AddProduct(t, 450)
	filled := ada.Fill(t, sku)
	somebody, err := pgx.Connect(t.Context(), pgtest.Direct(t, s.Settings.DatabaseURL))
	require.NoError(t, err)
	defer somebody.Close(context.Background())
	_, err = somebody.Exec(t.Context(), "begin; lock table orders.streams in access exclusive mode")
	require.NoError(t, err)
	refused := make(chan harness.Answer)
	ctx, stop := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	for range 40 {
		crowd.Go(func() {
			for ctx.Err() == nil {
				a, err := s.Ask(ctx, http.MethodGet, "/v1/stock", s.Admin, nil)
				if err != nil {
					continue
				}
				select {
				case refused <- a:
				case <-ctx.Done():
				}
			}
		})
	}
	for range 20 {
		a := <-refused
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, string(a.Text))
		require.NotEmpty(t, a.Header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, s.Send(t, http.MethodGet, "/v1/carts/"+filled.ID.String(), ada.Token, nil).StatusCode)
		require.Equal(t, http.StatusServiceUnavailable, s.Send(t, http.MethodGet, "/v1/products/"+sku, "", nil).StatusCode)
	}
	var waiting int
	require.NoError(t, somebody.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database()
		and wait_event_type = 'Lock' and query like 'select%'`).Scan(&waiting))
	require.LessOrEqual(t, waiting, 3, "reads of the same tables; there are eight connections")
	_, err = somebody.Exec(t.Context(), "rollback")
	require.NoError(t, err)
	harness.Until(t, "stock is shown again", func() bool { return (<-refused).StatusCode == http.StatusOK })
	stop()
	crowd.Wait()
}

// The embedded server has room for as many reads as the settings ask for.
func TestEmbeddedTakesManyReads(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	t.Parallel()
	s := harness.OpenUnchecked(t, func(t testing.TB, c *config.Config) {
		dir, err := os.MkdirTemp("", "many") // short, and the user that the embedded database runs as may enter it
		require.NoError(t, err)
		require.NoError(t, os.Chmod(dir, 0o711))
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		c.DataDir, c.QueryConnections, c.Limits = dir, 400, "auto"
	})
	sessions := web.ClassLimitsView{Class: web.Sessions, Address: &web.RateView{PerSecond: 200, Burst: 2000}}
	require.Contains(t, harness.Get[web.LimitsView](t, s, "/v1/admin/limits", s.Admin).Classes, sessions, "limits exist without a named database")
	sellsOn(t, s)
	require.Regexp(t, `shopping_cart_pool_connections_max\{pool="\w+",purpose="query"\} 400\n`, string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text))
}

// sellsOn checks that the program is ready and sells.
func sellsOn(t *testing.T, s *harness.Site) {
	t.Helper()
	for range 5 {
		require.Equal(t, "ready", harness.Get[harness.ReadyAnswer](t, s, "/readyz", "").Status)
		ada, sku := s.Shopper(t), s.AddProduct(t, 450)
		c := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated, http.StatusAccepted)
		ada.AwaitStatus(t, c.ID, saga.Completed) // on a busy machine some end a moment later
	}
}
