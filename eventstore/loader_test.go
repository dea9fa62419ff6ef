package eventstore_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// loadCounter counts the queries for streams by their id.
type loadCounter struct{ queries atomic.Int32 }

func (c *loadCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, start pgx.TraceQueryStartData) context.Context {
	if strings.Contains(start.SQL, "from cart.streams where id") {
		c.queries.Add(1)
	}
	return ctx
}

func (c *loadCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestLoadsShareQueries: while all connections for reads are taken, many callers load streams. Once they are free, few queries answer all of
// them, each caller with its own stream as it is then.
func TestLoadsShareQueries(t *testing.T) {
	t.Parallel()
	const connections, callers = 3, 100
	var counter loadCounter
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{Query: connections, Tracer: &counter})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	c := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin})
	s := eventstore.Open(databaseOf(pools, c), "cart", jars, tallies)
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() { stop(); run.Wait() })

	ids := make([]uuid.UUID, callers/2)
	for i := range ids {
		ids[i] = uuid.New()
		require.NoError(t, eventstore.Chain(t.Context(), puts(s, ids[i], strconv.Itoa(i)))[0].Err)
	}
	held := make([]*pgxpool.Conn, connections)
	for i := range held {
		held[i], err = pools.Query.Acquire(t.Context())
		require.NoError(t, err)
	}
	missing, found := uuid.New(), make([]eventstore.Stream[jar], callers)
	var loads sync.WaitGroup
	for i := range callers {
		loads.Go(func() {
			id := missing
			if i < callers-2 {
				id = ids[i%len(ids)]
			}
			var err error
			if found[i], err = jars.Load(t.Context(), s, id); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return eventstore.LoadsWaiting(s) == callers-eventstore.LoadQueries }, patience, idle)
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err = jars.Load(gone, s, ids[0])
	require.ErrorIs(t, err, context.Canceled, "a caller that has gone waits for nobody")
	require.NoError(t, eventstore.Chain(t.Context(), puts(s, ids[0], "late"))[0].Err)
	for _, one := range held {
		one.Release()
	}
	loads.Wait()
	for i, st := range found {
		switch {
		case i >= callers-2:
			require.Equal(t, eventstore.Stream[jar]{ID: missing}, st)
		case i%len(ids) == 0:
			require.Equal(t, []string{"0", "late"}, st.State.Things, "the commit was before the query")
		default:
			require.Equal(t, ids[i%len(ids)], st.ID)
			require.Equal(t, []string{strconv.Itoa(i % len(ids))}, st.State.Things)
			require.EqualValues(t, 1, st.Version)
		}
	}
	require.LessOrEqual(t, counter.queries.Load(), int32(eventstore.LoadQueries+3), "two for one caller each, and two for the others")
	other, err := tallies.Load(t.Context(), s, ids[1])
	require.NoError(t, err)
	require.False(t, other.Exists(), "a stream of another kind")
	require.Eventually(t, func() bool { return eventstore.LoadsRunning(s) == 0 }, patience, idle)
}

// TestLoadsThatFailTogether: a query that fails fails all its loads, and the next one is not held up.
func TestLoadsThatFailTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	require.NoError(t, eventstore.Chain(t.Context(), puts(b.store, id, "a"))[0].Err)
	_, err := b.pools.Control.Exec(t.Context(), "alter table cart.streams rename to elsewhere")
	require.NoError(t, err)
	var loads sync.WaitGroup
	for range 50 {
		loads.Go(func() {
			if _, err := jars.Load(t.Context(), b.store, id); err == nil {
				t.Error("read a table that is not there")
			}
		})
	}
	loads.Wait()
	_, err = b.pools.Control.Exec(t.Context(), "alter table cart.elsewhere rename to streams")
	require.NoError(t, err)
	found, err := jars.Load(t.Context(), b.store, id)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, found.State.Things)
}
