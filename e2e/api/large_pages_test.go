package api

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// TestPagesAreBoundedInBytes: a page of large rows ends early, and its cursor leads through all of them.
func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := harness.OpenUnchecked(t, harness.OneDatabase) // the test plants rows that break promises
	ada := s.Shopper(t)
	const all = 8
	for range all {
		buys(t, ada, 1000, "sim_ok")
	}
	for schema, kind := range map[string]string{"cart": "cart", "orders": "order", "saga": "saga"} {
		s.Exec(t, schema, "update "+schema+".streams set state = (left(state::text, -1) || ',\"planted\":\""+strings.Repeat("x", 900_000)+"\"}')::json "+
			"where kind = '"+kind+"'")
	}
	for path, token := range map[string]string{"/v1/orders": ada.Token, "/v1/admin/orders": s.Admin, "/v1/carts": ada.Token, "/v1/admin/sagas": s.Admin} {
		seen, pages, cursor := map[uuid.UUID]bool{}, 0, ""
		for {
			page := harness.Get[struct {
				Data       []struct{ ID uuid.UUID }
				NextCursor *string `json:"next_cursor"`
			}](t, s, path+"?limit=100"+cursor, token)
			require.LessOrEqual(t, len(page.Data), 3, path)
			for _, row := range page.Data {
				require.False(t, seen[row.ID], "%s lists one twice", path)
				seen[row.ID] = true
			}
			if pages++; page.NextCursor == nil {
				break
			}
			cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
		}
		require.Len(t, seen, all, path)
		require.Equal(t, 3, pages, path)
	}
}
