package config

import (
	"net"
	"strings"
)

// BaseURL is how clients reach the program, without a slash at the end: PUBLIC_URL, or else what follows from the
// address that it listens on.
func (c Config) BaseURL(listening net.Addr) string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	return localURL(listening.String())
}

// LocalURL is where a tool on this machine finds the program. That follows from HTTP_ADDR alone: the way by PUBLIC_URL may
// lead through what is not up yet, or not reachable from here.
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
