package pgerr_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/pgerr"
)

func server(code string) error { return fmt.Errorf("write: %w", &pgconn.PgError{Code: code}) }

func TestClasses(t *testing.T) {
	t.Parallel()
	lost, transient := true, true
	for _, c := range []struct {
		err             error
		lost, transient bool
	}{
		{nil, false, false},
		{errors.New("something else"), false, false},
		{context.Canceled, false, false},
		{io.ErrUnexpectedEOF, lost, transient},
		{driver.ErrBadConn, lost, transient},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, lost, transient},
		{server("08006"), lost, transient},
		{server("25006"), lost, transient},
		{server("25P03"), lost, transient},
		{server("53300"), lost, transient},
		{server("57014"), lost, transient},
		{server("57P01"), lost, transient},
		{server("58030"), lost, transient},
		{server("40001"), false, transient},
		{server("40P01"), false, transient},
		{server("55P03"), false, transient},
		{server("23505"), false, false},
		{server("42P01"), false, false},
	} {
		require.Equal(t, c.lost, pgerr.ConnectionLost(c.err), c.err)
		require.Equal(t, c.transient, pgerr.Transient(c.err), c.err)
	}
	_, err := pgconn.Connect(t.Context(), "host=127.0.0.1 port=1 user=nobody dbname=none connect_timeout=2")
	require.True(t, pgerr.ConnectionLost(err), err)
}

func TestConflict(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"23505", "40001", "40P01"} {
		require.True(t, pgerr.Conflict(server(code)), code)
	}
	require.False(t, pgerr.Conflict(server("23503")))
	taken := &pgconn.PgError{Code: "23505", ConstraintName: "streams_key"}
	require.True(t, pgerr.Violates(taken, "events_pkey", "streams_key"))
	require.False(t, pgerr.Violates(taken, "events_pkey"))
	require.False(t, pgerr.Violates(&pgconn.PgError{Code: "23503", ConstraintName: "streams_key"}, "streams_key"))
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	require.True(t, pgerr.Timeout(server("57014")))
	require.True(t, pgerr.Timeout(fmt.Errorf("read: %w", context.DeadlineExceeded)))
	require.False(t, pgerr.Timeout(server("55P03")))
	require.True(t, pgerr.LockTimeout(server("55P03")))
}
