package eventstore_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// waiting is a committer with stores on several schemas that has not begun: what is sent to it makes one batch.
type waiting struct {
	committer *eventstore.Committer
	pools     *database.Pools
	carts     *eventstore.Store
	orders    *eventstore.Store
}

func newWaiting(t *testing.T, config eventstore.CommitterConfig) waiting {
	t.Helper()
	return newWaitingOn(t, pgtest.New(t), config)
}

func newWaitingOn(t *testing.T, url string, config eventstore.CommitterConfig) waiting {
	t.Helper()
	pools := openPools(t, url)
	config.Begin = pools.Begin
	c := eventstore.NewCommitter(pools.Write, config)
	db := databaseOf(pools, c)
	return waiting{c, pools, eventstore.Open(db, "cart", jars), eventstore.Open(db, "orders", jars)}
}

func openPools(t *testing.T, url string) *database.Pools {
	t.Helper()
	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	return pools
}

// begin runs it until the test ends.
func (w waiting) begin(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.committer.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// send sends a command that puts a thing into a new jar, and returns when it waits in the queue.
func (w waiting) send(t *testing.T, s *eventstore.Store, also ...string) (answer chan error) {
	t.Helper()
	answer = make(chan error, 1)
	before, id := w.committer.Waiting(), uuid.New()
	go func() {
		_, err := s.Do(context.Background(), eventstore.Command{
			Streams: []eventstore.Ref{jars.Ref(id)},
			Decide: func(tx *eventstore.Tx) error {
				for _, sql := range also {
					tx.Exec(sql)
				}
				jars.Append(tx, id, put{"x"})
				return nil
			},
		})
		answer <- err
	}()
	require.Eventually(t, func() bool { return w.committer.Waiting() == before+1 }, patience, idle)
	return answer
}

func TestAFullQueueRefuses(t *testing.T) {
	t.Parallel()
	w := newWaiting(t, eventstore.CommitterConfig{Queue: 2})
	first, second := w.send(t, w.carts), w.send(t, w.orders)
	_, err := w.carts.Do(t.Context(), eventstore.Command{Decide: func(*eventstore.Tx) error { return nil }})
	require.ErrorIs(t, err, eventstore.ErrBusy)
	w.begin(t)
	require.NoError(t, <-first)
	require.NoError(t, <-second, "those that wait are answered")
}

func TestAPoisonedCommandHarmsNoStoreBesideIt(t *testing.T) {
	t.Parallel()
	var sizes []int
	w := newWaiting(t, eventstore.CommitterConfig{Workers: 1, Failed: func(commands int, _ error) { sizes = append(sizes, commands) }})
	neighbours := []chan error{w.send(t, w.carts), w.send(t, w.orders)}
	poisoned := w.send(t, w.orders, "select 1 / 0")
	neighbours = append(neighbours, w.send(t, w.orders), w.send(t, w.carts))
	w.begin(t)
	require.ErrorContains(t, <-poisoned, "division by zero")
	for _, n := range neighbours {
		require.NoError(t, <-n)
	}
	require.Equal(t, []int{5, 1}, sizes, "all of them, then the culprit alone")
	for schema, want := range map[string]int{"cart": 2, "orders": 2} {
		var n int
		require.NoError(t, w.pools.Query.QueryRow(t.Context(), "select count(*) from "+schema+".events").Scan(&n))
		require.Equal(t, want, n, schema)
	}
}

// Who gives up waiting does not know what happened; the receipt does.
func TestACancelledCommandIsSettledByItsReceipt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, command := uuid.New(), uuid.New()
	_, err := b.put(t.Context(), uuid.New(), id, "a")
	require.NoError(t, err)
	tx, err := b.pools.Control.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select from cart.streams where id = $1 for update", id)
	require.NoError(t, err)
	ctx, giveUp := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		_, err := b.put(ctx, command, id, "b")
		answer <- err
	}()
	require.Eventually(t, func() bool {
		return b.count(t, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0
	}, patience, idle)
	giveUp()
	require.ErrorIs(t, <-answer, context.Canceled)
	require.NoError(t, tx.Rollback(t.Context()))

	r, err := b.put(t.Context(), command, id, "b")
	require.NoError(t, err)
	require.True(t, r.Replayed, "it had taken effect")
	require.Equal(t, 1, b.count(t, "select count(*) from cart.events where data->>'thing' = 'b'"))
}

// The server has committed, and nobody is told: once with the server at hand, so that the batch is repeated, and once with
// it away, so that the caller asks again.
func TestALostAcknowledgementIsSettledByTheReceipt(t *testing.T) {
	t.Parallel()
	// A batch ends with COMMIT; a command to one stream may go alone, as one statement.
	for tag, streams := range map[string]int{"COMMIT": 2, "INSERT 0 1": 1} {
		t.Run(tag, func(t *testing.T) {
			if streams == 1 {
				pgtest.NeedsSessions(t, "elsewhere nothing goes alone")
			}
			url := pgtest.New(t)
			direct, line := openPools(t, url), pgtest.NewProxy(t, url)
			b := setupOn(t, line.URL(), jars)
			for _, away := range []bool{false, true} {
				cmd := eventstore.Command{ID: uuid.New()}
				for range streams {
					cmd.Streams = append(cmd.Streams, jars.Ref(uuid.New()))
				}
				first := cmd.Streams[0].ID
				cmd.Decide = func(tx *eventstore.Tx) error { jars.Append(tx, first, put{"x"}); return nil }
				line.DropResponse(tag, map[bool]func(){true: line.Cut}[away])

				r, err := b.store.Do(t.Context(), cmd)

				require.True(t, line.Dropped(), "the test must have done its worst")
				if away {
					require.ErrorIs(t, err, eventstore.ErrUnavailable)
					line.Restore()
					require.Eventually(t, func() bool {
						r, err = b.store.Do(t.Context(), cmd)
						return err == nil
					}, patience, idle)
				}
				require.NoError(t, err)
				require.True(t, r.Replayed, "the receipt answers")
				require.EqualValues(t, 1, r.Version)
				var events int
				row := direct.Query.QueryRow(t.Context(), "select count(*) from cart.events where stream = $1", first)
				require.NoError(t, row.Scan(&events))
				require.Equal(t, 1, events)
			}
		})
	}
}
