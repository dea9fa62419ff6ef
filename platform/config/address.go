package config

import (
	"net"
	"net/netip"
	"strings"
)

// BaseURL returns the URL for clients, without a slash at the end: PUBLIC_URL, or one derived from the listening address.
func (c Config) BaseURL(listening net.Addr) string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	return localURL(listening.String())
}

// Proxies returns the networks of TRUSTED_PROXIES. An address is a network of one.
func (c Config) Proxies() ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, len(c.TrustedProxies))
	for i, text := range c.TrustedProxies {
		address, err := netip.ParseAddr(text)
		networks[i] = netip.PrefixFrom(address, address.BitLen())
		if err != nil {
			networks[i], err = netip.ParsePrefix(text)
		}
		if err != nil {
			return nil, err
		}
	}
	return networks, nil
}

// LocalURL returns the URL for a tool on this machine, derived from HTTP_ADDR alone. PUBLIC_URL may lead through a proxy that is
// not up yet, or not reachable from here.
func (c Config) LocalURL() string { return localURL(c.HTTPAddr) }

func localURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
