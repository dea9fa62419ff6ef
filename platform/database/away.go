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

// Away reports whether an error comes from the condition of the database and not from the request: a retry may succeed.
func Away(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	var server *pgconn.PgError
	switch {
	case errors.As(err, &connect): // the request was never sent, whatever the server answered
		return true
	case errors.As(err, &server):
		return passing(server.Code)
	case errors.As(err, &network), pgconn.SafeToRetry(err), pgconn.Timeout(err):
		return true
	}
	for _, broken := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
		driver.ErrBadConn, // all that a view gets when its connection is cut
	} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// passing reports whether a SQLSTATE describes the server's condition and not the statement.
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
