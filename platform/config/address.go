package config

import (
	"cmp"
	"net"
	"net/netip"
	"strings"
)

// BaseURL returns the URL for clients, without a slash at the end: PUBLIC_URL, or one derived from the listening address.
func (c Config) BaseURL(listening net.Addr) string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	return c.localURL(listening.String())
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

// AdminBaseURL returns the URL for operators, without a slash at the end: ADMIN_URL, or one derived from the address of the listener
// for operators. Without ADMIN_ADDR it is the URL for clients.
func (c Config) AdminBaseURL(listening net.Addr) string {
	switch {
	case c.AdminAddr == "":
		return c.BaseURL(listening)
	case c.AdminURL != "":
		return strings.TrimSuffix(c.AdminURL, "/")
	}
	return c.localURL(listening.String())
}

// OperatorsURL returns the URL of the console as operators enter it, or "" when any address may lead there.
func (c Config) OperatorsURL() string {
	if c.AdminAddr == "" {
		return c.PublicURL
	}
	return c.AdminURL
}

// OperatorsHTTPS reports whether operators come by HTTPS.
func (c Config) OperatorsHTTPS() bool {
	return c.TLSCert != "" || strings.HasPrefix(c.OperatorsURL(), "https:")
}

// LocalURL returns the URL for a tool on this machine, derived from ADMIN_ADDR or HTTP_ADDR alone. The other URLs may lead through a
// proxy that is not up yet, or not reachable from here.
func (c Config) LocalURL() string { return c.localURL(cmp.Or(c.AdminAddr, c.HTTPAddr)) }

// Scheme returns the scheme of the listeners.
func (c Config) Scheme() string {
	if c.TLSCert != "" {
		return "https"
	}
	return "http"
}

// HTTPS reports whether clients come by HTTPS: this program or a proxy before it ends TLS.
func (c Config) HTTPS() bool { return c.TLSCert != "" || strings.HasPrefix(c.PublicURL, "https:") }

func (c Config) localURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return c.Scheme() + "://" + address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return c.Scheme() + "://" + net.JoinHostPort(host, port)
}
