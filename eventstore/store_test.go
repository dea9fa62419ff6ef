package eventstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
)

func TestDo(t *testing.T) {
	t.Parallel()
	b := setup(t)

	t.Run("WritesStateEventsAndReceipt", func(t *testing.T) {
		id, ctx := uuid.New(), t.Context()
		r, err := b.put(ctx, uuid.New(), id, "a")
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Version)
		_, err = b.put(ctx, uuid.New(), id, "b")
		require.NoError(t, err)
		s, err := jars.Load(ctx, b.store, id)
		require.NoError(t, err)
		require.Equal(t, jar{Things: []string{"a", "b"}}, s.State)
		require.EqualValues(t, 2, s.Version)
		events, err := b.store.ReadStream(ctx, id, 0, 10)
		require.NoError(t, err)
		require.Len(t, events, 2)
		require.Equal(t, "jar.put", events[1].Type)
		require.JSONEq(t, `{"thing":"b"}`, string(events[1].Data))
		require.Equal(t, s.UpdatedAt.UTC(), events[1].At)
		require.NotZero(t, events[1].Meta.EventID)
	})

	t.Run("RefusalChangesNothingAndLeavesNoReceipt", func(t *testing.T) {
		id, command := uuid.New(), uuid.New()
		b.close(t, id)
		_, err := b.put(t.Context(), command, id, "a")
		require.ErrorIs(t, err, errClosed)
		require.Equal(t, 1, b.count(t, "select count(*) from cart.events where stream = $1", id))
		require.Zero(t, b.count(t, "select count(*) from cart.receipts where id = $1", command))
	})

	t.Run("TwiceIsOnce", func(t *testing.T) {
		id, command, ctx := uuid.New(), uuid.New(), t.Context()
		_, err := b.put(ctx, command, id, "a")
		require.NoError(t, err)
		_, err = b.put(ctx, uuid.New(), id, "b")
		require.NoError(t, err)
		r, err := b.put(ctx, command, id, "a")
		require.NoError(t, err)
		require.True(t, r.Replayed)
		then, err := jars.Result(ctx, b.store, r)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, then.State.Things, "the answer of then, though the version has moved")
		require.Equal(t, 2, b.count(t, "select count(*) from cart.events where stream = $1", id))
	})

	t.Run("SameIDAnotherRequestIsRefused", func(t *testing.T) {
		id, command := uuid.New(), uuid.New()
		do := func(print string) error {
			_, err := b.store.Do(t.Context(), eventstore.Command{
				ID: command, Fingerprint: []byte(print), Streams: []eventstore.Ref{jars.Ref(id)},
				Decide: func(tx *eventstore.Tx) error { jars.Append(tx, id, put{"a"}); return nil },
			})
			return err
		}
		require.NoError(t, do("one"))
		require.NoError(t, do("one"))
		require.ErrorIs(t, do("other"), eventstore.ErrKeyReused)
	})

	t.Run("StaleVersionIsRefused", func(t *testing.T) {
		id, old := uuid.New(), int64(7)
		_, err := b.store.Do(t.Context(), eventstore.Command{
			Streams: []eventstore.Ref{jars.Ref(id)},
			Decide:  func(tx *eventstore.Tx) error { return tx.ExpectVersion(id, &old) },
		})
		require.ErrorIs(t, err, eventstore.ErrVersionMismatch)
		f, _ := fault.As(err)
		require.EqualValues(t, 0, f.Extra["version"])
	})

	t.Run("ManyStreamsChangeTogetherOrNotAtAll", func(t *testing.T) {
		one, two, ctx := uuid.New(), uuid.New(), t.Context()
		both := func(refuse error) error {
			_, err := b.store.Do(ctx, eventstore.Command{
				Streams: []eventstore.Ref{jars.Ref(one), jars.Ref(two)},
				Decide: func(tx *eventstore.Tx) error {
					jars.Append(tx, one, put{"x"})
					jars.Append(tx, two, put{"y"}, put{"z"})
					return refuse
				},
			})
			return err
		}
		require.ErrorIs(t, both(errClosed), errClosed)
		require.Zero(t, b.count(t, "select count(*) from cart.events where stream in ($1, $2)", one, two))
		require.NoError(t, both(nil))
		require.Equal(t, 3, b.count(t, "select count(*) from cart.events where stream in ($1, $2)", one, two))
	})

	t.Run("APanicFailsItsCommandAlone", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				id := uuid.New()
				_, err := b.store.Do(t.Context(), eventstore.Command{
					Streams: []eventstore.Ref{jars.Ref(id)},
					Decide: func(tx *eventstore.Tx) error {
						jars.Append(tx, id, put{"x"})
						if i%2 == 0 {
							panic("boom")
						}
						return nil
					},
				})
				if i%2 == 0 {
					require.ErrorContains(t, err, "boom")
				} else {
					require.NoError(t, err)
				}
			})
		}
		wg.Wait()
	})

	t.Run("AStatementThatFailsHarmsNoNeighbour", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				id := uuid.New()
				_, err := b.store.Do(t.Context(), eventstore.Command{
					Streams: []eventstore.Ref{jars.Ref(id)},
					Decide: func(tx *eventstore.Tx) error {
						jars.Append(tx, id, put{"x"})
						if i == 7 {
							tx.Exec("select 1 / $1::int", 0)
						}
						return nil
					},
				})
				if i == 7 {
					require.ErrorContains(t, err, "division by zero")
				} else {
					require.NoError(t, err)
				}
			})
		}
		wg.Wait()
	})

	t.Run("AnotherKindOfStreamIsOutOfReach", func(t *testing.T) {
		id := uuid.New()
		_, err := b.pools.Query.Exec(t.Context(), `insert into cart.streams (id, version, kind, fold, state, created_at, updated_at)
			values ($1, 1, 'box', 1, '{}', now(), now())`, id)
		require.NoError(t, err)
		_, err = b.put(t.Context(), uuid.New(), id, "a")
		require.Error(t, err)
		s, err := jars.Load(t.Context(), b.store, id)
		require.NoError(t, err)
		require.False(t, s.Exists())
	})
}

func TestWhatIsOnlyReadIsNotChanged(t *testing.T) {
	t.Parallel()
	b, id, other := setup(t), uuid.New(), uuid.New()
	var wg sync.WaitGroup
	for range 50 { // neighbours in its batches may change the stream, and lock it
		wg.Go(func() {
			_, err := b.put(context.Background(), uuid.New(), id, "mine")
			require.NoError(t, err)
		})
		wg.Go(func() {
			_, err := b.store.Do(context.Background(), eventstore.Command{
				Streams: []eventstore.Ref{jars.Ref(other)}, Reads: []eventstore.Ref{jars.Ref(id)},
				Decide: func(tx *eventstore.Tx) error { jars.Append(tx, id, put{"not mine"}); return nil },
			})
			require.ErrorContains(t, err, "may not change")
		})
	}
	wg.Wait()
	s, err := jars.Load(t.Context(), b.store, id)
	require.NoError(t, err)
	require.NotContains(t, s.State.Things, "not mine")
}

func TestHotStream(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			_, err := b.put(context.Background(), uuid.New(), id, fmt.Sprint(i))
			require.NoError(t, err)
		})
	}
	wg.Wait()
	s, err := jars.Load(t.Context(), b.store, id)
	require.NoError(t, err)
	require.Len(t, s.State.Things, 200)
	require.EqualValues(t, 200, s.Version)
	folded, err := jars.LoadAt(t.Context(), b.store, id, 200)
	require.NoError(t, err)
	require.Equal(t, s.State, folded.State, "the stored state is the fold of the events")
	early, err := jars.LoadAt(t.Context(), b.store, id, 3)
	require.NoError(t, err)
	require.Len(t, early.State.Things, 3)
}

func TestTwinsInOneBatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, command := uuid.New(), uuid.New()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := b.put(context.Background(), command, id, "once")
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, 1, b.count(t, "select count(*) from cart.events where stream = $1", id))
}

func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processes := []*bundle{setupOn(t, url, jars), setupOn(t, url, jars)}
	streams := make([]uuid.UUID, 5)
	for i := range streams {
		streams[i] = uuid.New()
	}
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() { // new streams, hot streams, and every command sent to both
			command := uuid.New()
			for _, b := range processes {
				_, err := b.put(context.Background(), command, streams[i%5], fmt.Sprint(i))
				require.NoError(t, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 400, processes[0].count(t, "select count(*) from cart.events"))
	for _, id := range streams {
		s, err := jars.Load(t.Context(), processes[1].store, id)
		require.NoError(t, err)
		require.Len(t, s.State.Things, 80)
	}
}

func TestAnotherFoldIsRefolded(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	old, id := setupOn(t, url, jars), uuid.New()
	_, err := old.put(t.Context(), uuid.New(), id, "a")
	require.NoError(t, err)
	_, err = old.pools.Query.Exec(t.Context(), `update cart.streams set state = '{"things":["wrong"]}'`)
	require.NoError(t, err)

	jars2 := jarsOf(2)
	fresh := setupOn(t, url, jars2)
	s, err := jars2.Load(t.Context(), fresh.store, id)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, s.State.Things)
	_, err = fresh.store.Do(t.Context(), eventstore.Command{
		Streams: []eventstore.Ref{jars2.Ref(id)},
		Decide: func(tx *eventstore.Tx) error {
			require.Equal(t, []string{"a"}, jars2.Get(tx, id).State.Things)
			jars2.Append(tx, id, put{"b"})
			return nil
		},
	})
	require.NoError(t, err)
	require.Equal(t, 1, fresh.count(t, `select count(*) from cart.streams where fold = 2 and state::text = '{"things":["a","b"],"closed":false}'`))
}

func TestLoadAllKeepsTheOrderAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := make([]uuid.UUID, 6)
	for i := range ids {
		ids[i] = uuid.New()
		_, err := b.put(t.Context(), uuid.New(), ids[i], "a")
		require.NoError(t, err)
	}
	_, err := b.pools.Query.Exec(t.Context(), "update cart.streams set fold = 9 where id = any($1)", ids[2:4])
	require.NoError(t, err, "some are to be refolded, which comes later")
	found, err := jars.LoadAll(t.Context(), b.store, append([]uuid.UUID{uuid.New()}, ids...))
	require.NoError(t, err)
	loaded := make([]uuid.UUID, len(found))
	for i, s := range found {
		loaded[i] = s.ID
		require.Equal(t, []string{"a"}, s.State.Things)
	}
	require.Equal(t, ids, loaded, "what does not exist is left out")
}

func TestStopAnswersEverybody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	kept := 0
	for range 300 {
		wg.Go(func() {
			_, err := b.put(context.Background(), uuid.New(), uuid.New(), "x")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kept++
			} else {
				require.ErrorIs(t, err, eventstore.ErrUnavailable)
			}
		})
	}
	b.stop()
	wg.Wait()
	require.Equal(t, kept, b.count(t, "select count(*) from cart.events"))
}
