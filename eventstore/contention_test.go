package eventstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/eventstore"
	"shopping-cart/platform/pgerr"
)

// TestLocksOfOthers: a lock that another session holds delays only the callers whose commands need it.
func TestLocksOfOthers(t *testing.T) {
	t.Parallel()
	row := func(id uuid.UUID) string {
		return "select from orders.streams where id = '" + id.String() + "' for update"
	}
	for name, lock := range map[string]func(id uuid.UUID) string{
		"Row":          row,
		"IndexBuild":   func(uuid.UUID) string { return "lock table orders.streams in share mode" },
		"Outbox":       func(uuid.UUID) string { return "lock table orders.outbox in share mode" },
		"AlteredTable": func(uuid.UUID) string { return "lock table orders.streams in access exclusive mode" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWaiting(t, eventstore.CommitterConfig{Workers: 1, Locked: time.Hour})
			eventstore.Subscribe(w.orders, "nobody", func(context.Context, eventstore.Message[put]) error { return nil })
			w.begin(t)
			held, free := uuid.New(), uuid.New()
			for _, id := range []uuid.UUID{held, free} {
				require.NoError(t, <-w.put(w.orders, id, "first"))
			}
			release := w.lock(t, lock(held))

			waits := w.put(w.orders, held, "second")
			for range 3 {
				require.NoError(t, <-w.put(w.carts, uuid.New(), "beside"), "a command of another schema does not wait")
			}
			if name == "Row" {
				require.NoError(t, <-w.put(w.orders, free, "beside"), "a command to another stream does not wait")
			}
			select {
			case err := <-waits:
				t.Fatalf("answered while the lock was held: %v", err)
			default:
			}
			release()
			require.NoError(t, <-waits)
			require.Eventually(t, func() bool { return w.committer.Waiting() == 0 }, patience, idle)
			require.NoError(t, <-w.put(w.orders, held, "third"))
		})
	}
}

// TestReadsOfALockedTable: a table locked against reads does not hold up those of other tables, though more wait for it than there are connections.
func TestReadsOfALockedTable(t *testing.T) {
	t.Parallel()
	w := newWaiting(t, eventstore.CommitterConfig{})
	w.begin(t)
	held, free := uuid.New(), uuid.New()
	require.NoError(t, <-w.put(w.orders, held, "locked"))
	require.NoError(t, <-w.put(w.carts, free, "beside"))
	release := w.lock(t, "lock table orders.streams in access exclusive mode")
	ctx, stop := context.WithCancel(t.Context())
	refusals := make(chan error, 1)
	var readers errgroup.Group
	for i := range 40 {
		readers.Go(func() error {
			for ctx.Err() == nil {
				var err error
				if i%2 == 0 {
					_, err = jars.Load(ctx, w.orders, held)
				} else {
					err = w.pools.Views.WithContext(ctx).Raw("select count(*) from orders.streams").Scan(new(int)).Error
				}
				select {
				case refusals <- err:
				case <-ctx.Done():
				}
			}
			return nil
		})
	}
	waiting := func() (n int) {
		require.NoError(t, w.pools.Control.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`).Scan(&n))
		return n
	}
	require.True(t, pgerr.Transient(<-refusals), "an answer of 503")
	require.Eventually(t, func() bool { return pgerr.Transient(<-refusals) && waiting() <= 1 }, patience, idle)
	for range 20 {
		_, err := jars.Load(t.Context(), w.carts, free)
		require.NoError(t, err)
		require.LessOrEqual(t, waiting(), 1, "one read looks whether the lock is gone")
		require.True(t, pgerr.Transient(<-refusals))
	}
	release()
	require.Eventually(t, func() bool { return <-refusals == nil }, patience, idle)
	stop()
	require.NoError(t, readers.Wait())
}

// TestLockedForTooLong: a command that waited for a lock for too long is refused, and took no effect.
func TestLockedForTooLong(t *testing.T) {
	t.Parallel()
	w := newWaiting(t, eventstore.CommitterConfig{Locked: time.Millisecond})
	w.begin(t)
	id := uuid.New()
	require.NoError(t, <-w.put(w.orders, id, "first"))
	release := w.lock(t, "select from orders.streams where id = '"+id.String()+"' for update")
	require.ErrorIs(t, <-w.put(w.orders, id, "second"), eventstore.ErrUnavailable)
	release()
	require.NoError(t, <-w.put(w.orders, id, "third"))
	jar, err := jars.Load(t.Context(), w.orders, id)
	require.NoError(t, err)
	require.Equal(t, []string{"first", "third"}, jar.State.Things)
}

// TestLocksWhileStopping: a committer that stops refuses what waits for a lock.
func TestLocksWhileStopping(t *testing.T) {
	t.Parallel()
	w := newWaiting(t, eventstore.CommitterConfig{Locked: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.committer.Run(ctx) }()
	id := uuid.New()
	require.NoError(t, <-w.put(w.orders, id, "first"))
	w.lock(t, "select from orders.streams where id = '"+id.String()+"' for update")
	waits := w.put(w.orders, id, "second")
	require.NoError(t, <-w.put(w.carts, uuid.New(), "beside"))
	cancel()
	require.ErrorIs(t, <-waits, eventstore.ErrUnavailable)
	<-done
}

// put sends a command that puts a thing into a jar.
func (w waiting) put(s *eventstore.Store, id uuid.UUID, thing string) (answer chan error) {
	answer = make(chan error, 1)
	go func() {
		_, err := s.Do(context.Background(), eventstore.Command{
			Streams: []eventstore.Ref{jars.Ref(id)},
			Decide:  func(tx *eventstore.Tx) error { jars.Append(tx, id, put{thing}); return nil },
		})
		answer <- err
	}()
	return answer
}

// lock holds a lock in a session of its own until release is called.
func (w waiting) lock(t *testing.T, sql string) (release func()) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), w.pools.Query.Config().ConnConfig)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), sql)
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback(t.Context())) }
}
