package database_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
	"shopping-cart/platform/pgerr"
)

// Other clients take connections that writes have lost: reads release some of theirs, idle or not.
func TestReadsGiveWayToWrites(t *testing.T) {
	t.Parallel()
	for name, busy := range map[string]bool{"Idle": false, "Busy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := pgtest.NewLimited(t, 16)
			p, said, err := openSaying(t, one, database.Options{})
			require.NoError(t, err)
			defer p.Close()
			crowd(t, one, 1) // the spare one
			takeAll(t, p.Query, func(*pgx.Conn) {})
			takeAll(t, p.Control, func(*pgx.Conn) {})
			takeAll(t, p.Write, func(conn *pgx.Conn) {
				require.NoError(t, conn.Close(t.Context()))
				crowd(t, one, 1)
			})
			ctx, stop := context.WithCancel(t.Context())
			var reads errgroup.Group
			for range 16 {
				reads.Go(func() error {
					for busy && ctx.Err() == nil {
						if _, err := p.Query.Exec(ctx, "select"); err != nil && ctx.Err() == nil && !pgerr.Transient(err) {
							return err
						}
					}
					return nil
				})
			}

			require.Eventually(t, func() bool {
				return p.Write.Ping(t.Context()) == nil && p.Write.Stat().TotalConns() == 3 && p.Write.Stat().ConstructingConns() == 0
			}, patience, 10*time.Millisecond)

			stop()
			require.NoError(t, reads.Wait())
			require.NotZero(t, p.Query.Stat().TotalConns(), "no more than writes need")
			require.NoError(t, p.Control.Ping(t.Context()))
			require.NotZero(t, said.count("the database has no free connection: reads yield to writes"))
			require.Zero(t, said.count("not reachable"))
		})
	}
}

// Reads keep one connection, since a write reads first.
func TestReadsKeepAConnection(t *testing.T) {
	t.Parallel()
	one := pgtest.NewLimited(t, 16)
	p, said, err := openSaying(t, one, database.Options{Query: 1})
	require.NoError(t, err)
	defer p.Close()
	require.EqualValues(t, 1, p.Query.Stat().TotalConns(), "opened at the start")
	crowd(t, one, int(16-3-settled(t, p.Control)-1))
	held, err := p.Write.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, held.Conn().Close(t.Context()))
	crowd(t, one, 1)
	held.Release()
	require.Eventually(t, func() bool { return said.count("pool=write") > 0 }, patience, 10*time.Millisecond) // is refused one

	for range 3 {
		require.NoError(t, p.Query.Ping(t.Context()))
	}
	require.EqualValues(t, 1, p.Query.Stat().NewConnsCount())
}

// While others hold the connections, reads share the remaining ones. Further reads are refused as by an unreachable database, and the
// server does not get a burst of attempts.
func TestReadsShareWhatThereIs(t *testing.T) {
	t.Parallel()
	one := pgtest.NewLimited(t, 16)
	p, said, err := openSaying(t, one, database.Options{})
	require.NoError(t, err)
	defer p.Close()
	two, err := p.Query.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.Query.Ping(t.Context()))
	two.Release()
	control, reads := settled(t, p.Control), settled(t, p.Query)
	crowd(t, one, int(16-3-control-reads))
	for range control {
		held, err := p.Control.Acquire(t.Context())
		require.NoError(t, err)
		defer held.Release()
	}
	_, err = p.Control.Acquire(t.Context())
	require.True(t, pgerr.Transient(err), err)
	require.Equal(t, reads, p.Query.Stat().IdleConns(), "control has what it keeps, and takes none of those of reads")

	made := p.Query.Stat().NewConnsCount()
	var answered atomic.Int64
	var all errgroup.Group
	for range 16 {
		all.Go(func() error {
			for answered.Load() < 5000 {
				_, err := p.Query.Exec(t.Context(), "select")
				if err == nil {
					answered.Add(1)
				} else if !pgerr.Transient(err) {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, all.Wait())
	require.NoError(t, p.Write.Ping(t.Context()))
	require.Less(t, p.Query.Stat().NewConnsCount()-made, int64(500), "attempts for 5000 reads")
	require.Equal(t, 2, said.count("no free connection"), "of control, and of reads")
	require.Zero(t, said.count("not reachable"))
}

// settled returns the number of connections of a pool once it opens no more.
func settled(t *testing.T, pool *pgxpool.Pool) int32 {
	t.Helper()
	require.Eventually(t, func() bool { return pool.Stat().ConstructingConns() == 0 }, patience, 10*time.Millisecond)
	return pool.Stat().TotalConns()
}

// takeAll acquires all connections of a pool, and calls do with each before it releases any.
func takeAll(t *testing.T, pool *pgxpool.Pool, do func(*pgx.Conn)) {
	t.Helper()
	for range pool.Config().MaxConns {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		do(conn.Conn())
		defer conn.Release()
	}
}

// crowd takes a number of a role's connections until the test ends. A closed one may not have ended yet.
func crowd(t *testing.T, one string, connections int) {
	t.Helper()
	for range connections {
		var conn *pgx.Conn
		require.Eventually(t, func() bool {
			var err error
			conn, err = pgx.Connect(t.Context(), one)
			return err == nil
		}, patience, 10*time.Millisecond)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
}
