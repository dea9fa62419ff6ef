package gates

import (
	"io"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/app"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/config"
)

// TestBackpressure: more than the queue holds is refused at once, and may come again shortly. What waits is answered.
func TestBackpressure(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) { c.QueueSize = 1 })
	ada, sku := s.Shopper(t), s.AddProduct(t, 450)
	c := ada.Fill(t)
	conn, err := pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select from cart.streams where id = $1 for update", c.ID)
	require.NoError(t, err)

	const many = 8
	answers := make(chan harness.Answer, many)
	for range many {
		go func() { answers <- ada.Add(t, c, sku, 1) }()
	}
	refused := <-answers // nobody else is answered while the row is locked
	harness.RequireProblem(t, refused, http.StatusServiceUnavailable, "busy")
	require.Equal(t, "1", refused.Header.Get("Retry-After"))
	require.NoError(t, tx.Rollback(t.Context()))

	added := int64(0)
	for range many - 1 { // what waits is answered
		a := <-answers
		require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, a.StatusCode)
		if a.StatusCode == http.StatusOK {
			added++
		}
	}
	require.NotZero(t, added)
	require.Equal(t, added, ada.Cart(t, c.ID).Items[0].Quantity, "who was refused changed nothing")
}

// TestNotify: the program listens on each database where it is told to, and refuses to where it cannot.
func TestNotify(t *testing.T) {
	t.Parallel()
	notify := func(_ testing.TB, c *config.Config) { c.Notify = true }
	if pgtest.Pooled() {
		c := harness.Settings()
		harness.OneDatabase(t, &c)
		notify(t, &c)
		require.ErrorContains(t, app.Run(t.Context(), c, io.Discard), "NOTIFY must be false: DATABASE_URL")
		return
	}
	s := harness.Open(t, harness.DatabaseEach, notify)
	for _, url := range s.URLs {
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		harness.Until(t, "it listens", func() (listens bool) {
			err := conn.QueryRow(t.Context(), `select exists (select from pg_stat_activity
				where datname = current_database() and query like 'listen %')`).Scan(&listens)
			return err == nil && listens
		})
	}
}

// TestStartNamesTheSetting of a database that it cannot reach.
func TestStartNamesTheSetting(t *testing.T) {
	t.Parallel()
	c := harness.Settings()
	harness.OneDatabase(t, &c)
	c.OrderDatabaseURL = "postgres://app@/shop?host=/nowhere"
	require.ErrorContains(t, app.Run(t.Context(), c, io.Discard), "ORDER_DATABASE_URL: connect to the database")
}
