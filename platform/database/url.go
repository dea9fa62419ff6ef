package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Parse reads a database URL. The PG* variables, ~/.pgpass and service files complete it, as in every client of PostgreSQL, but
// not a URL of the embedded server. The error never holds a password.
func Parse(text string) (*pgxpool.Config, error) {
	if e, ok := parseEmbedded(text); ok {
		return e.config()
	}
	c, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %s", Reason(err))
	}
	return c, nil
}

// Connect opens one connection to the database at url, read by Parse.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	c, err := Parse(url)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, c.ConnConfig)
}

// Reason returns the text of an error of pgx without the connection string in it.
func Reason(err error) string {
	var parsing *pgconn.ParseConfigError
	if !errors.As(err, &parsing) {
		return err.Error()
	}
	text := parsing.Error()
	_, reason, found := strings.Cut(text, "`: ")
	if !found || strings.Contains(parsing.ConnString, "`") {
		return "it is not a connection string of PostgreSQL"
	}
	return reason
}

// embeddedURL holds the parts of a URL of the embedded server.
type embeddedURL struct {
	user, socketDir, database string
	port                      uint16
}

// String writes a space as %20: clients of PostgreSQL do not decode a plus sign. It writes the empty password, so that no client
// looks for another one.
func (e embeddedURL) String() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(e.user, ""), Path: "/" + e.database}
	query := url.Values{"host": {e.socketDir}, "port": {strconv.Itoa(int(e.port))}, "sslmode": {"disable"}}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

// parseEmbedded reads a URL that String has written. It accepts no URL with missing or further parts.
func parseEmbedded(text string) (embeddedURL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return embeddedURL{}, false
	}
	query := u.Query()
	port, err := strconv.ParseUint(query.Get("port"), 10, 16)
	e := embeddedURL{user: u.User.Username(), socketDir: query.Get("host"), database: strings.TrimPrefix(u.Path, "/"), port: uint16(port)}
	return e, err == nil && e.String() == text
}

// config returns the client's configuration for the embedded server: the defaults of a clean environment and the parts of the
// URL.
func (e embeddedURL) config() (*pgxpool.Config, error) {
	if errClean != nil {
		return nil, errClean
	}
	c := clean.Copy()
	c.ConnConfig.Host = e.socketDir
	c.ConnConfig.Port = e.port
	c.ConnConfig.User = e.user
	c.ConnConfig.Database = e.database
	return c, nil
}

// clean is a configuration without the program's environment. It is made before main runs, while nothing else can read the
// environment: pgx cannot ignore it.
var clean, errClean = parseClean()

func parseClean() (*pgxpool.Config, error) {
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "PG") {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
		defer func() { _ = os.Setenv(name, value) }()
	}
	c, err := pgxpool.ParseConfig("postgres://nobody@localhost/nothing?sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("prepare the client of the embedded PostgreSQL: %w", err)
	}
	c.ConnConfig.Password = "" // from ~/.pgpass
	return c, nil
}

// PlainHost returns the first host to which a URL allows a connection without TLS, or "". Sockets and this machine need none.
func PlainHost(text string) string {
	c, err := Parse(text)
	if text == "" || err != nil {
		return ""
	}
	ways := append([]*pgconn.FallbackConfig{{Host: c.ConnConfig.Host, TLSConfig: c.ConnConfig.TLSConfig}}, c.ConnConfig.Fallbacks...)
	for _, way := range ways {
		if way.TLSConfig == nil && !isHere(way.Host) {
			return way.Host
		}
	}
	return ""
}

// isHere reports whether a host is a socket or this machine.
func isHere(host string) bool {
	network, _ := pgconn.NetworkAddress(host, 0)
	return network == "unix" || IsLoopback(host)
}

// IsLoopback reports whether a host is this machine by its name or address.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
