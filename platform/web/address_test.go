package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

// TestAddress checks that X-Forwarded-For counts from trusted proxies only, and up to the first address that is not one of them.
func TestAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	for _, one := range []struct {
		name, from, forwarded, is string
		trusted                   []netip.Prefix
	}{
		{name: "NoProxy", from: "192.0.2.7:4711", is: "192.0.2.7"},
		{name: "Forged", from: "192.0.2.7:4711", forwarded: "198.51.100.9", is: "192.0.2.7"},
		{name: "ForgedWhereAProxyIsTrusted", from: "192.0.2.7:4711", forwarded: "198.51.100.9", trusted: proxies, is: "192.0.2.7"},
		{name: "Forwarded", from: "10.1.2.3:4711", forwarded: "198.51.100.9", trusted: proxies, is: "198.51.100.9"},
		{name: "ForgedBeforeTheProxy", from: "10.1.2.3:4711", forwarded: "203.0.113.1, 198.51.100.9", trusted: proxies, is: "198.51.100.9"},
		{name: "TwoProxies", from: "10.1.2.3:4711", forwarded: "198.51.100.9, 10.1.9.9", trusted: proxies, is: "198.51.100.9"},
		{name: "NotAnAddress", from: "10.1.2.3:4711", forwarded: "shop", trusted: proxies, is: "10.1.2.3"},
		{name: "LoopbackIsNoProxyByItself", from: "127.0.0.1:4711", forwarded: "198.51.100.9", trusted: proxies, is: "127.0.0.1"},
		{name: "SixOverFour", from: "[::ffff:192.0.2.7]:4711", is: "192.0.2.7"},
		{name: "Six", from: "[fd00::1]:4711", forwarded: "2001:db8::7", trusted: proxies, is: "2001:db8::7"},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			s := web.New(web.Config{TrustedProxies: one.trusted})
			s.Public.GET("/me", func(c echo.Context) error { return c.String(http.StatusOK, web.CallerOf(c).Address.String()) })
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/me", nil)
			r.RemoteAddr = one.from
			if one.forwarded != "" {
				r.Header.Set("X-Forwarded-For", one.forwarded)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			require.Equal(t, one.is, w.Body.String())
		})
	}
}

func TestAddressKey(t *testing.T) {
	t.Parallel()
	for address, key := range map[string]string{"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64"} {
		require.Equal(t, key, web.AddressKey(netip.MustParseAddr(address)))
	}
}

// TestHashAddress: addresses that limits count as one share a hash, under one key alone.
func TestHashAddress(t *testing.T) {
	t.Parallel()
	hash := func(key, address string) string { return web.HashAddress(key, netip.MustParseAddr(address)) }
	require.Len(t, hash("k", "192.0.2.1"), 32)
	require.Equal(t, hash("k", "2001:db8::1"), hash("k", "2001:db8::ffff:1"))
	require.NotEqual(t, hash("k", "192.0.2.1"), hash("k", "192.0.2.2"))
	require.NotEqual(t, hash("k", "192.0.2.1"), hash("l", "192.0.2.1"))
	require.Empty(t, web.HashAddress("k", netip.Addr{}))
}
