package api

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// withNUL adds a member to every JSON object of a column that no text of PostgreSQL can hold, as an older version of the
// program let through.
func withNUL(table, column string) string {
	return "update " + table + " set " + column + " = (left(" + column + "::text, -1) || ',\"planted\":\"a\\u0000b\"}')::json " +
		"where " + column + "::text like '{%_}'"
}

// TestOneRowFailsNoReader: what stands in one row, however wrong, takes no list, search, overview, erasure or sign-in along.
func TestOneRowFailsNoReader(t *testing.T) {
	t.Parallel()
	s := harness.OpenUnchecked(t, harness.OneDatabase) // the test plants rows that break promises
	ada, eve := s.Shopper(t), s.Shopper(t)
	bad, sku := buys(t, ada, 1250, "sim_ok")
	good, _ := buys(t, eve, 1250, "sim_ok")
	harness.As[harness.RefundView](t, s.Refund(t, good.OrderID, 0, "Prefer", harness.Waiting), http.StatusCreated)
	things := harness.CreateOwned(t, s, ada, s.Shopper(t))
	things["{customer}"] = ada.ID.String()
	broken, _ := buys(t, ada, 1250, "sim_ok")
	for _, schema := range []string{"cart", "orders", "payment", "saga"} {
		s.Exec(t, schema, withNUL(schema+".streams", "state"))
		s.Exec(t, schema, withNUL(schema+".events", "data"))
	}
	s.Exec(t, "orders", `update orders.streams set state = '"nothing"' where id = '`+broken.OrderID.String()+`'`)
	s.Exec(t, "orders", `update orders.contacts set shipping_address = '{"a":"b\u0000c"}'`)

	t.Run("EveryRouteAnswers", func(t *testing.T) {
		tokens := map[string]string{"public": "", "customer": ada.Token, "admin": s.Admin}
		for _, r := range routes {
			if r.method != http.MethodGet || strings.HasSuffix(r.path, "/stream") {
				continue
			}
			path := r.path
			for name, thing := range things {
				path = strings.ReplaceAll(path, name, harness.Escape(thing))
			}
			if path == "/v1/admin/events" {
				path += "?module=order"
			}
			a := s.Send(t, http.MethodGet, path, tokens[r.who], nil)
			require.Less(t, a.StatusCode, http.StatusInternalServerError, "%s: %s", path, a.Text)
		}
	})
	t.Run("ListsLeaveOutWhatCannotBeRead", func(t *testing.T) {
		for _, path := range []string{"/v1/admin/orders", "/v1/admin/orders?email=ada@example.com", "/v1/admin/orders?refunded=full"} {
			ids := map[uuid.UUID]bool{}
			for _, o := range harness.Get[harness.List[harness.OrderView]](t, s, path, s.Admin).Data {
				ids[o.ID] = true
			}
			require.True(t, ids[good.OrderID], path)
			require.False(t, ids[broken.OrderID], path)
			require.Equal(t, !strings.Contains(path, "refunded"), ids[bad.OrderID], path)
		}
		require.NotEmpty(t, harness.Get[harness.List[struct{ SKU string }]](t, s, "/v1/products?q="+harness.Escape(sku), "").Data)
		require.NotEmpty(t, harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders?include=unconfirmed", ada.Token).Data)
	})
	t.Run("Erasure", func(t *testing.T) {
		path := "/v1/customers/" + ada.ID.String() + "/contacts"
		require.Equal(t, http.StatusNoContent, s.Send(t, http.MethodDelete, path, s.Admin, nil).StatusCode)
	})
	t.Run("Console", func(t *testing.T) {
		o := s.Operator(t)
		require.Equal(t, http.StatusOK, o.SignIn(t, s.Admin, "/console").StatusCode)
		for _, page := range []string{"/console", "/console/sagas", "/console/sagas/" + bad.ID.String(), "/console/orders/" + bad.OrderID.String(),
			"/console/webhooks", "/console/parked", "/console/readers", "/console/streams?q=ada@example.com",
			"/console/streams/order/" + bad.OrderID.String(), "/console/reconciliation?look=1"} {
			require.Less(t, o.Do(t, "GET", page, nil).StatusCode, http.StatusBadRequest, page)
		}
	})
}

// TestQueriesTakeTextFromJSONInOnePlace: a bare operator fails for all rows where one holds what text cannot.
func TestQueriesTakeTextFromJSONInOnePlace(t *testing.T) {
	t.Parallel()
	bare := regexp.MustCompile(`->>?'|#>>?'|jsonb_|json_extract|::jsonb`)
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sources := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".sql")
		if !sources || path == filepath.Join("eventstore", "json.go") || strings.HasPrefix(path, filepath.Join("internal", "bench")) || strings.HasPrefix(path, "e2e") {
			return nil
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.False(t, bare.Match(text), "%s takes text from JSON by itself: use eventstore.TextOf", path)
		return nil
	}))
}
