package main

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
	s := opens(t, oneDatabase) // what is planted breaks promises
	ada, eve := s.shopper(t), s.shopper(t)
	bad, sku := ada.buys(t, 1250, "sim_ok")
	good, _ := eve.buys(t, 1250, "sim_ok")
	as[refundView](t, s.refunds(t, good.OrderID, 0, "Prefer", waiting), http.StatusCreated)
	things := owned(t, s, ada, s.shopper(t))
	things["{customer}"] = ada.id.String()
	broken, _ := ada.buys(t, 1250, "sim_ok")
	for _, schema := range []string{"cart", "orders", "payment", "saga"} {
		s.exec(t, schema, withNUL(schema+".streams", "state"))
		s.exec(t, schema, withNUL(schema+".events", "data"))
	}
	s.exec(t, "orders", `update orders.streams set state = '"nothing"' where id = '`+broken.OrderID.String()+`'`)
	s.exec(t, "orders", `update orders.contacts set shipping_address = '{"a":"b\u0000c"}'`)

	t.Run("EveryRouteAnswers", func(t *testing.T) {
		tokens := map[string]string{"public": "", "customer": ada.token, "admin": s.admin}
		for _, r := range routes {
			if r.method != http.MethodGet || strings.HasSuffix(r.path, "/stream") {
				continue
			}
			path := r.path
			for name, thing := range things {
				path = strings.ReplaceAll(path, name, escape(thing))
			}
			if path == "/v1/admin/events" {
				path += "?module=order"
			}
			a := s.send(t, http.MethodGet, path, tokens[r.who], nil)
			require.Less(t, a.StatusCode, http.StatusInternalServerError, "%s: %s", path, a.body)
		}
	})
	t.Run("ListsLeaveOutWhatCannotBeRead", func(t *testing.T) {
		for _, path := range []string{"/v1/admin/orders", "/v1/admin/orders?email=ada@example.com", "/v1/admin/orders?refunded=full"} {
			ids := map[uuid.UUID]bool{}
			for _, o := range get[list[orderView]](t, s, path, s.admin).Data {
				ids[o.ID] = true
			}
			require.True(t, ids[good.OrderID], path)
			require.False(t, ids[broken.OrderID], path)
			require.Equal(t, !strings.Contains(path, "refunded"), ids[bad.OrderID], path)
		}
		require.NotEmpty(t, get[list[struct{ SKU string }]](t, s, "/v1/products?q="+escape(sku), "").Data)
		require.NotEmpty(t, get[list[orderView]](t, s, "/v1/orders?include=unconfirmed", ada.token).Data)
	})
	t.Run("Erasure", func(t *testing.T) {
		path := "/v1/customers/" + ada.id.String() + "/contacts"
		require.Equal(t, http.StatusNoContent, s.send(t, http.MethodDelete, path, s.admin, nil).StatusCode)
	})
	t.Run("Console", func(t *testing.T) {
		o := s.operator(t)
		require.Equal(t, http.StatusOK, o.signsIn(t, s.admin, "/console").StatusCode)
		for _, page := range []string{"/console", "/console/sagas", "/console/sagas/" + bad.ID.String(), "/console/orders/" + bad.OrderID.String(),
			"/console/webhooks", "/console/parked", "/console/readers", "/console/streams?q=ada@example.com",
			"/console/streams/order/" + bad.OrderID.String(), "/console/reconciliation?look=1"} {
			require.Less(t, o.does(t, "GET", page, nil).StatusCode, http.StatusBadRequest, page)
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
		if !sources || path == filepath.Join("eventstore", "json.go") || strings.HasPrefix(path, filepath.Join("internal", "bench")) {
			return nil
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.False(t, bare.Match(text), "%s takes text from JSON by itself: use eventstore.TextOf", path)
		return nil
	}))
}
