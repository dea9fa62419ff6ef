package config

import (
	"net"
	"strings"
)

// BaseURL returns the URL for clients, without a slash at the end: PUBLIC_URL, or one derived from the listening address.
func (c Config) BaseURL(listening net.Addr) string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	return localURL(listening.String())
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
