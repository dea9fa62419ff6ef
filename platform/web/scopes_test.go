package web_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func TestRefundLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scopes  []string
		refunds bool
		limit   int64
	}{
		{nil, false, 0},
		{[]string{"refunds:write"}, true, 0},
		{[]string{"admin"}, true, 0},
		{[]string{"refunds:write:5000"}, true, 5000},
		{[]string{"refunds:write:5000", "refunds:write:7000"}, true, 7000},
		{[]string{"refunds:write:5000", "refunds:write"}, true, 0},
		{[]string{"refunds:write:9999999999999999"}, true, 9_999_999_999_999_999},
		{[]string{"refunds:write:0"}, false, 0},
		{[]string{"refunds:write:-1"}, false, 0},
		{[]string{"refunds:write:99999999999999999999"}, false, 0},
		{[]string{"refunds:write:", "refunds:writer", "orders:read"}, false, 0},
	} {
		caller := web.Caller{Scopes: c.scopes}
		require.Equal(t, c.refunds, caller.Is(web.ScopeRefundsWrite), c.scopes)
		require.Equal(t, c.limit, caller.RefundLimit(), c.scopes)
	}
	require.True(t, web.IsScope("refunds:write:1"))
	require.False(t, web.IsScope("stock:write:1"))
}
