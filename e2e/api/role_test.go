package api

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/platform/config"
	"shopping-cart/platform/pgerr"
)

// rightsOf returns the statements of the guide for a role that cannot change history.
func rightsOf(t testing.TB, role string) string {
	t.Helper()
	text, err := os.ReadFile("docs/guides/deploy.md")
	require.NoError(t, err)
	sql := regexp.MustCompile("(?s)```sql\n(grant usage .*?)```").FindSubmatch(text)
	require.NotNil(t, sql, "the guide has the statements")
	return regexp.MustCompile(`\bapp;`).ReplaceAllString(string(sql[1]), role+";")
}

// historyKept gives the program a role of the guide: the owner of the database migrated it.
func historyKept(t testing.TB, c *config.Config) {
	t.Helper()
	pgtest.NeedsSessions(t, "the role is unknown to the pooler")
	harness.OneDatabase(t, c)
	owner, role := c.DatabaseURL, "app_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	run := func(ctx context.Context, sql string) {
		conn, err := pgx.Connect(ctx, owner)
		require.NoError(t, err)
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
		require.NoError(t, err, sql)
	}
	run(t.Context(), "create role "+role+" login password 'p'; "+rightsOf(t, role))
	t.Cleanup(func() { run(context.Background(), "drop owned by "+role+"; drop role "+role) })
	u, err := url.Parse(owner)
	require.NoError(t, err)
	u.User = url.UserPassword(role, "p")
	c.DatabaseURL = u.String()
}

// TestRoleCannotChangeHistory runs the program as a role without the right to change or delete events and seals.
func TestRoleCannotChangeHistory(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, historyKept)
	t.Run("ChecksOut", func(t *testing.T) { everyPaymentMethod(t, s) })
	t.Run("Refunds", func(t *testing.T) { refundedInParts(t, s) })
	t.Run("Cancels", func(t *testing.T) { cancelledByEveryMethod(t, s) })
	t.Run("Rebuilds", func(t *testing.T) {
		a := s.Send(t, http.MethodPost, "/v1/admin/projections/daily_sales/rebuild", s.Admin, nil)
		require.Equal(t, http.StatusAccepted, a.StatusCode, string(a.Text))
	})
	t.Run("Erases", func(t *testing.T) {
		ada := s.Shopper(t)
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, s.AddProduct(t, 500)), "sim_ok", harness.Waiting), http.StatusCreated)
		require.Equal(t, http.StatusNoContent, s.Send(t, http.MethodDelete, "/v1/customers/"+ada.ID.String()+"/contacts", s.Admin, nil).StatusCode)
	})
	t.Run("SealsAndVerifies", func(t *testing.T) {
		awaitSealed(t, s)
		found := s.Reconcile(t, http.MethodPost)
		require.Empty(t, found.Data)
		require.Greater(t, found.Checked.Events, 100)
	})
	conn, err := pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for _, schema := range migrations.StoreSchemas {
		for _, table := range []string{"events", "seals"} {
			for _, sql := range []string{"update @ set at = now()", "delete from @", "truncate @", "drop table @", "alter table @ disable trigger all"} {
				_, err := conn.Exec(t.Context(), strings.ReplaceAll(sql, "@", schema+"."+table))
				require.Equal(t, pgerr.InsufficientPrivilege, pgerr.Code(err), "%s: %v", sql, err)
			}
		}
	}
}
