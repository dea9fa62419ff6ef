package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestPagesAreBoundedInBytes: a page of large rows ends early, and its cursor leads through all of them.
func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := opens(t, oneDatabase) // what is planted breaks promises
	ada := s.shopper(t)
	const all = 8
	for range all {
		ada.buys(t, 1000, "sim_ok")
	}
	for schema, kind := range map[string]string{"cart": "cart", "orders": "order", "saga": "saga"} {
		s.exec(t, schema, "update "+schema+".streams set state = (left(state::text, -1) || ',\"planted\":\""+strings.Repeat("x", 900_000)+"\"}')::json "+
			"where kind = '"+kind+"'")
	}
	for path, token := range map[string]string{"/v1/orders": ada.token, "/v1/admin/orders": s.admin, "/v1/carts": ada.token, "/v1/admin/sagas": s.admin} {
		seen, pages, cursor := map[uuid.UUID]bool{}, 0, ""
		for {
			page := get[struct {
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
