package eventstore_test

import (
	"runtime"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// grow gives a stream of one event many more.
func (b *bundle) grow(t *testing.T, stream uuid.UUID, versions int) {
	t.Helper()
	_, err := b.pools.Control.Exec(t.Context(), `insert into cart.events (position, stream, version, type, data, meta, at)
		select nextval('cart.position'), $1, n, 'jar.closed', '{}', '{}', now() from generate_series(2, $2) n`, stream, versions)
	require.NoError(t, err)
	_, err = b.pools.Control.Exec(t.Context(), `update cart.streams set version = $2 where id = $1`, stream, versions)
	require.NoError(t, err)
}

// TestRebuilds: few long streams are rebuilt at once. What reads no events, or few, does not wait for them.
func TestRebuilds(t *testing.T) {
	t.Parallel()
	b, stream, command := setup(t), uuid.New(), uuid.New()
	_, err := b.put(t.Context(), command, stream, "spoon")
	require.NoError(t, err)
	b.grow(t, stream, 300)
	st, err := jars.LoadAt(t.Context(), b.store, stream, 299)
	require.NoError(t, err)
	require.EqualValues(t, 299, st.Version)

	for range max(1, runtime.GOMAXPROCS(0)/2) {
		leave, err := b.store.EnterRebuild(t.Context())
		require.NoError(t, err)
		defer leave()
	}
	_, err = jars.LoadAt(t.Context(), b.store, stream, 299)
	require.ErrorIs(t, err, eventstore.ErrTooManyRebuilds)
	_, err = b.store.History(t.Context(), stream, 250, 20)
	require.ErrorIs(t, err, eventstore.ErrTooManyRebuilds)
	_, err = b.pools.Control.Exec(t.Context(), `update cart.streams set fold = 7 where id = $1`, stream)
	require.NoError(t, err)
	_, err = jars.Load(t.Context(), b.store, stream)
	require.ErrorIs(t, err, eventstore.ErrTooManyRebuilds, "a state of another version of the program")
	st, err = jars.LoadAt(t.Context(), b.store, stream, 100)
	require.NoError(t, err)
	require.EqualValues(t, 100, st.Version)
	_, err = b.store.ReadStream(t.Context(), stream, 0, 1000)
	require.NoError(t, err)
	_, err = b.put(t.Context(), uuid.New(), stream, "fork")
	require.ErrorIs(t, err, errClosed, "commands do not wait")
}

// TestResultOfARepeatedCommand reads no log while the stream stands as the command left it.
func TestResultOfARepeatedCommand(t *testing.T) {
	t.Parallel()
	b, stream, command := setup(t), uuid.New(), uuid.New()
	for _, want := range []bool{false, true} {
		receipt, err := b.put(t.Context(), command, stream, "spoon")
		require.NoError(t, err)
		require.Equal(t, want, receipt.Replayed)
		if want {
			_, err := b.pools.Control.Exec(t.Context(), `update cart.streams set state = '{"things":["from the row"]}' where id = $1`, stream)
			require.NoError(t, err)
		}
		st, err := jars.Result(t.Context(), b.store, receipt)
		require.NoError(t, err)
		require.Equal(t, map[bool]string{false: "spoon", true: "from the row"}[want], st.State.Things[0])
	}
}

// TestHistoryOfALongStream shows the last events of a stream that is too long to rebuild, without its states.
func TestHistoryOfALongStream(t *testing.T) {
	t.Parallel()
	b, stream := setup(t), uuid.New()
	_, err := b.put(t.Context(), uuid.New(), stream, "spoon")
	require.NoError(t, err)
	b.grow(t, stream, eventstore.MaxRebuilt+50)
	versions, err := b.store.History(t.Context(), stream, eventstore.MaxRebuilt-20, 20)
	require.NoError(t, err)
	require.Len(t, versions, 20)
	require.NotEmpty(t, versions[19].State)
	versions, err = b.store.History(t.Context(), stream, eventstore.MaxRebuilt, 100)
	require.NoError(t, err)
	require.Len(t, versions, 50)
	require.EqualValues(t, eventstore.MaxRebuilt+1, versions[0].Version)
	require.Empty(t, versions[0].State)
}
