// Package pgerr classifies the errors of PostgreSQL, and of connections to it.
package pgerr

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that the program handles one by one.
const (
	UniqueViolation       = "23505"
	ReadOnly              = "25006" // a standby, such as the old primary after a failover
	UnknownDatabase       = "3D000"
	UnknownSchema         = "3F000"
	SerializationFailure  = "40001"
	DeadlockDetected      = "40P01"
	InsufficientPrivilege = "42501"
	UndefinedObject       = "42704"
	UndefinedTable        = "42P01"
	DuplicateTable        = "42P07"
	DiskFull              = "53100"
	TooManyConnections    = "53300"
	LockNotAvailable      = "55P03" // lock_timeout
	QueryCanceled         = "57014" // statement_timeout
	CannotConnectNow      = "57P03" // the server is starting or stopping
)

// unavailable lists the SQLSTATEs, and the classes of two characters, of a server that cannot work or ended the session.
var unavailable = []string{
	"08", // connection
	"53", // resources
	"57", // operator intervention, and statement_timeout
	"58", // system errors, such as of input and output
	ReadOnly,
	"25P03", // idle_in_transaction_session_timeout
}

// Code returns the SQLSTATE of an error, or "" if it did not come from the server.
func Code(err error) string {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return ""
	}
	return server.Code
}

// Is reports whether the error has one of the SQLSTATEs.
func Is(err error, codes ...string) bool { return slices.Contains(codes, Code(err)) }

// Violates reports whether the error is a violation of one of the unique constraints.
func Violates(err error, constraints ...string) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == UniqueViolation && slices.Contains(constraints, server.ConstraintName)
}

// Conflict reports whether another transaction was first: a unique violation, a deadlock or a serialization failure.
func Conflict(err error) bool {
	return Is(err, UniqueViolation, DeadlockDetected, SerializationFailure)
}

// LockTimeout reports whether a statement gave up waiting for a lock.
func LockTimeout(err error) bool { return Is(err, LockNotAvailable) }

// Timeout reports whether a statement or its context ran out of time.
func Timeout(err error) bool {
	return Is(err, QueryCanceled) || errors.Is(err, context.DeadlineExceeded)
}

// Transient reports whether the same statement may succeed later: the server was unavailable, or another transaction was
// in the way.
func Transient(err error) bool {
	return ConnectionLost(err) || LockTimeout(err) || strings.HasPrefix(Code(err), "40")
}

// ConnectionLost reports whether the connection failed or the server was unavailable. The effect of the statement, such as
// a commit, is unknown.
func ConnectionLost(err error) bool {
	if errors.As(err, new(*pgconn.ConnectError)) { // no statement was sent
		return true
	}
	if code := Code(err); code != "" {
		return slices.ContainsFunc(unavailable, func(prefix string) bool { return strings.HasPrefix(code, prefix) })
	}
	if errors.As(err, new(*net.OpError)) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) {
		return true
	}
	return slices.ContainsFunc([]error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
		driver.ErrBadConn, // from database/sql, which GORM uses
	}, func(broken error) bool { return errors.Is(err, broken) })
}
