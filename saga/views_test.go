package saga

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
	"shopping-cart/platform/web"
)

// TestListsByTimeUseAnIndex explains lists of sagas within a time among many: none reads all of them.
func TestListsByTimeUseAnIndex(t *testing.T) {
	t.Parallel()
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	defer pools.Close()
	for _, sql := range []string{
		`insert into saga.streams (id, version, kind, fold, state, customer, status, created_at, updated_at)
			select gen_random_uuid(), 2, 'saga', 1, '{}', 'c' || n % 500, case when n % 50 = 0 then 'failed' else 'completed' end,
			now() - n * interval '1 minute', now() from generate_series(1, 20000) n`,
		`analyze saga.streams`,
	} {
		_, err := pools.Query.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	day := web.Created{After: time.Now().AddDate(0, 0, -3), Before: time.Now().AddDate(0, 0, -2)}
	for name, c := range map[string]struct {
		search search
		index  string
	}{
		"All":        {search{created: day}, "sagas_newest"},
		"OfOne":      {search{created: day, customer: "c7"}, "sagas_of_customer"},
		"OnesFailed": {search{created: day, status: Failed}, "sagas_unsuccessful"},
	} {
		t.Run(name, func(t *testing.T) {
			var rows []web.Row
			sql := pools.Views.ToSQL(func(db *gorm.DB) *gorm.DB {
				return c.search.rows(db, web.PageRequest{Limit: 20}).Find(&rows)
			})
			found, err := pools.Query.Query(t.Context(), "explain "+sql)
			require.NoError(t, err)
			plan, err := pgx.CollectRows(found, pgx.RowTo[string])
			require.NoError(t, err)
			require.Contains(t, strings.Join(plan, "\n"), " using "+c.index)
			require.Contains(t, strings.Join(plan, "\n"), "Index Cond: ")
		})
	}
}
