package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/labstack/echo/v4"
)

// addressFrom returns a function that finds the client's address: the address of the connection, or the last entry of
// X-Forwarded-For that no trusted proxy wrote of itself.
func addressFrom(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		p = p.Masked()
		options = append(options, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

type addressKey struct{}

// WrapPages is echo.WrapHandler for pages that call the API in process: those calls count as coming from the address of their request.
func WrapPages(pages http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		pages.ServeHTTP(c.Response(), r.WithContext(context.WithValue(r.Context(), addressKey{}, CallerOf(c).Address)))
		return nil
	}
}

// addressOf returns the client's address, or the zero Addr when the connection has none.
func addressOf(c echo.Context) netip.Addr {
	if address, inProcess := c.Request().Context().Value(addressKey{}).(netip.Addr); inProcess {
		return address
	}
	address, _ := netip.ParseAddr(c.RealIP())
	return address.Unmap().WithZone("")
}

// isProxy reports whether an address is a trusted proxy's, which many clients share.
func (s *Server) isProxy(address netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// clientNetwork is the size of the IPv6 network that one client has.
const clientNetwork = 64

// HashAddress returns a keyed hash of AddressKey, for events: 32 hexadecimal digits that equal addresses share. It returns "" for no address.
func HashAddress(key string, address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(AddressKey(address)))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// AddressKey returns the key under which limits count an address: an IPv4 address, or the network of an IPv6 address, since a
// client can use every address of its network.
func AddressKey(address netip.Addr) string {
	if address.Is6() {
		return netip.PrefixFrom(address, clientNetwork).Masked().String()
	}
	return address.String()
}
