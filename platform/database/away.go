package database

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Away reports whether the database could not do its work, though the request was in order: another try may succeed.
func Away(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	var server *pgconn.PgError
	switch {
	case errors.As(err, &connect): // whatever the server says to it: it did not even come to the request
		return true
	case errors.As(err, &server):
		return passing(server.Code)
	case errors.As(err, &network), pgconn.SafeToRetry(err), pgconn.Timeout(err):
		return true
	}
	for _, broken := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
		driver.ErrBadConn, // all that a view hears when its connection was cut off
	} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// passing reports whether a SQLSTATE speaks of the server's condition and not of the statement.
func passing(code string) bool {
	switch code {
	case "25006", // a read-only server after a failover
		"40001", "40P01", "55P03", "57014": // serialization, deadlock, lock not available, statement time-out
		return true
	}
	for _, class := range []string{"08", "53", "57P"} { // connection, resources (too many, disk full), shutdown
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
