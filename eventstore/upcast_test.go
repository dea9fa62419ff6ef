package eventstore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
)

// tomorrowsJar is the jar of a newer version of the program: it weighs what goes in, and may have a label.
type tomorrowsJar struct {
	Things []string `json:"things"`
	Closed bool     `json:"closed"`
	Grams  int      `json:"grams"`
	Label  string   `json:"label"`
}

type (
	weighed struct { // jar.put at version 3 of its schema
		Thing string `json:"thing"`
		Grams int    `json:"grams"`
	}
	ounced struct { // jar.put at version 2
		Thing  string `json:"thing"`
		Ounces int    `json:"ounces"`
	}
	labelled struct { // a type that is new
		Label string `json:"label"`
	}
)

var tomorrow = &eventstore.Aggregate[tomorrowsJar, jarEvent]{
	Kind: "jar", StateVersion: 2,
	Upcasts: map[string][]eventstore.Upcaster{"jar.put": {
		eventstore.Upcast(func(old put) ounced { return ounced{old.Thing, 1} }),
		eventstore.Upcast(func(old ounced) weighed { return weighed{old.Thing, 28 * old.Ounces} }),
	}},
	Types: eventstore.Register(map[string]jarEvent{"jar.put": weighed{}, "jar.closed": closed{}, "jar.labelled": labelled{}}),
	Evolve: func(j tomorrowsJar, e jarEvent) tomorrowsJar {
		switch e := e.(type) {
		case weighed:
			j.Things, j.Grams = append(slices.Clone(j.Things), e.Thing), j.Grams+e.Grams
		case closed:
			j.Closed = true
		case labelled:
			j.Label = e.Label
		}
		return j
	},
	Index: func(tomorrowsJar, time.Time) eventstore.Index { return eventstore.Index{} },
}

// does appends events to a stream, as the program whose aggregate it is does.
func does[S any](ctx context.Context, b *bundle, a *eventstore.Aggregate[S, jarEvent], id uuid.UUID, events ...jarEvent) error {
	_, err := b.store.Do(ctx, eventstore.Command{
		Streams: []eventstore.Ref{a.Ref(id)},
		Decide:  func(tx *eventstore.Tx) error { a.Append(tx, id, events...); return nil },
	})
	return err
}

// versions are the program of today and that of tomorrow, side by side on one database.
func versions(t *testing.T, options ...option) (today, next *bundle) {
	url := pgtest.New(t)
	return setupOn(t, url, jars), setupOn(t, url, tomorrow, options...)
}

func TestUpcast(t *testing.T) {
	t.Parallel()
	heard := make(chan weighed, 10)
	today, next := versions(t, func(s *eventstore.Store) {
		eventstore.Subscribe(s, "scales", func(_ context.Context, m eventstore.Message[weighed]) error {
			heard <- m.Event
			return nil
		})
	})
	id, ctx := uuid.New(), t.Context()
	require.NoError(t, does(ctx, today, jars, id, put{"a"}))
	write := func(version int, data string) { // as a program between the two did
		_, err := today.pools.Query.Exec(ctx, `insert into cart.events (position, stream, version, type, data, meta, at)
			select nextval('cart.position'), stream, $2, type, $3::json, (meta::jsonb || '{"schema":2}')::json, at
			from cart.events where stream = $1 and version = 1`, id, version, data)
		require.NoError(t, err)
		_, err = today.pools.Query.Exec(ctx, "update cart.streams set version = $2, fold = 7 where id = $1", id, version)
		require.NoError(t, err)
	}
	write(2, `{"thing":"b","ounces":2}`)
	require.NoError(t, does(ctx, next, tomorrow, id, weighed{"c", 5}))
	require.Equal(t, weighed{"c", 5}, <-heard, "straight from its commit")

	t.Run("TheVersionIsStored", func(t *testing.T) {
		for version, schema := range []string{"", "2", "3"} {
			require.Equal(t, 1, next.count(t, "select count(*) from cart.events where stream = $1 and version = $2 and coalesce(meta->>'schema', '') = $3",
				id, version+1, schema))
		}
	})
	t.Run("TheLogShowsWhatIsStored", func(t *testing.T) {
		events, err := next.store.ReadStream(ctx, id, 0, 10)
		require.NoError(t, err)
		for i, data := range []string{`{"thing":"a"}`, `{"thing":"b","ounces":2}`, `{"thing":"c","grams":5}`} {
			require.JSONEq(t, data, string(events[i].Data))
		}
	})
	t.Run("EveryVersionIsReadAsOfToday", func(t *testing.T) {
		events, err := next.store.ReadStream(ctx, id, 0, 10)
		require.NoError(t, err)
		for i, want := range []weighed{{"a", 28}, {"b", 56}, {"c", 5}} {
			e, err := tomorrow.Event(events[i])
			require.NoError(t, err)
			require.Equal(t, want, e)
			then, err := tomorrow.LoadAt(ctx, next.store, id, int64(i+1))
			require.NoError(t, err)
			require.Len(t, then.State.Things, i+1)
		}
		now, err := tomorrow.Load(ctx, next.store, id)
		require.NoError(t, err)
		require.Equal(t, tomorrowsJar{Things: []string{"a", "b", "c"}, Grams: 89}, now.State)
	})
	t.Run("MessagesToo", func(t *testing.T) {
		_, err := next.pools.Query.Exec(ctx, "insert into cart.outbox (stream, version, due_at) values ($1, 1, now()), ($1, 2, now())", id)
		require.NoError(t, err)
		sweeping(t, next)
		require.ElementsMatch(t, []weighed{{"a", 28}, {"b", 56}}, []weighed{<-heard, <-heard})
	})
	t.Run("WhatCannotBeLiftedIsAnError", func(t *testing.T) {
		_, err := tomorrow.Event(eventstore.Recorded{Type: "jar.put", Data: []byte(`{"thing":7}`)})
		require.ErrorContains(t, err, "upcast jar.put from version 1")
		_, err = tomorrow.Event(eventstore.Recorded{Type: "jar.put", Data: []byte(`{"ounces":"two"}`), Meta: eventstore.Meta{Schema: 2}})
		require.ErrorContains(t, err, "upcast jar.put from version 2")
		require.NotErrorIs(t, err, eventstore.ErrNewerVersion)
	})
}

// TestNewerVersion: today's program meets what tomorrow's wrote.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	for name, strange := range map[string]jarEvent{"AnUnknownType": labelled{"plums"}, "ALaterVersionOfAType": weighed{"x", 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			today, next := versions(t)
			id, ctx := uuid.New(), t.Context()
			require.NoError(t, does(ctx, today, jars, id, put{"a"}))
			require.NoError(t, does(ctx, next, tomorrow, id, strange))
			row := today.count(t, "select hashtext(state::text || version || fold) from cart.streams where id = $1", id)

			refused := func(err error) {
				require.ErrorIs(t, err, eventstore.ErrNewerVersion)
				f, ok := fault.As(err)
				require.True(t, ok)
				require.Equal(t, fault.Unavailable, f.Kind)
			}
			_, err := jars.Load(ctx, today.store, id)
			refused(err)
			_, err = jars.LoadAt(ctx, today.store, id, 2)
			refused(err)
			refused(does(ctx, today, jars, id, put{"b"}))
			_, err = today.store.Do(ctx, eventstore.Command{Reads: []eventstore.Ref{jars.Ref(id)}, Decide: func(*eventstore.Tx) error { return nil }})
			refused(err)
			require.Equal(t, row, today.count(t, "select hashtext(state::text || version || fold) from cart.streams where id = $1", id))

			before, err := jars.LoadAt(ctx, today.store, id, 1)
			require.NoError(t, err, "what stands before it can be read")
			require.Equal(t, []string{"a"}, before.State.Things)
			require.NoError(t, does(ctx, next, tomorrow, id, closed{}), "tomorrow's program goes on")
		})
	}
}

// TestNewerVersionStopsOneStream: what today's program cannot read harms neither its neighbours in a batch nor a list.
func TestNewerVersionStopsOneStream(t *testing.T) {
	t.Parallel()
	today, next := versions(t)
	ctx, strange := t.Context(), uuid.New()
	require.NoError(t, does(ctx, next, tomorrow, strange, labelled{"plums"}))
	ids := []uuid.UUID{strange}
	for i := range 20 {
		ids = append(ids, uuid.New())
		if i%2 == 0 { // of a later fold, though today's program knows the events
			require.NoError(t, does(ctx, next, tomorrow, ids[i+1], closed{}))
		}
	}
	batches := together(t, today, len(ids), func(i int) error { return does(ctx, today, jars, ids[i], put{"x"}) }, func(i int, err error) {
		if ids[i] == strange {
			require.ErrorIs(t, err, eventstore.ErrNewerVersion)
		} else {
			require.NoError(t, err)
		}
	})
	require.EqualValues(t, 1, batches, "nothing had to be repeated")

	found, err := jars.LoadKnown(ctx, today.store, ids)
	require.NoError(t, err)
	require.Len(t, found, len(ids)-1)
	_, err = jars.LoadAll(ctx, today.store, ids)
	require.ErrorIs(t, err, eventstore.ErrNewerVersion)
}

// together sends n commands in one batch, and says in how many transactions they were decided.
func together(t *testing.T, b *bundle, n int, send func(i int) error, answered func(i int, err error)) int64 {
	t.Helper()
	begun, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	var holding sync.Once
	all.Go(func() { // holds the committer while the others queue up
		id := uuid.New()
		_, err := b.store.Do(t.Context(), eventstore.Command{Streams: []eventstore.Ref{jars.Ref(id)}, Decide: func(*eventstore.Tx) error {
			holding.Do(func() { close(begun) }) // a decision may be made again
			<-release
			return nil
		}})
		require.NoError(t, err)
	})
	<-begun
	before := b.committer.Counts().Batches
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { errs[i] = send(i) })
	}
	require.Eventually(t, func() bool { return b.committer.Waiting() == n }, patience, idle)
	close(release)
	all.Wait()
	for i, err := range errs {
		answered(i, err)
	}
	return b.committer.Counts().Batches - before - 1 // that which was held
}

// TestRefold raises the fold over streams that lie in the database.
func TestRefold(t *testing.T) {
	t.Parallel()
	const streams, length = 150, 4
	today, next := versions(t)
	ctx, ids, wg := t.Context(), make([]uuid.UUID, streams), sync.WaitGroup{}
	for i := range ids {
		ids[i] = uuid.New()
		wg.Go(func() {
			for n := range length {
				if err := does(ctx, today, jars, ids[i], put{fmt.Sprintf("%d/%d", i, n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	whole := func(i int, s eventstore.Stream[tomorrowsJar], extra int) {
		require.Equal(t, ids[i], s.ID)
		require.EqualValues(t, length+extra, s.Version)
		require.Equal(t, fmt.Sprintf("%d/0", i), s.State.Things[0])
		require.Len(t, s.State.Things, length+extra)
		require.Equal(t, 28*length+extra, s.State.Grams)
	}
	t.Run("Lists", func(t *testing.T) {
		found, err := tomorrow.LoadAll(ctx, next.store, append([]uuid.UUID{uuid.New()}, ids...))
		require.NoError(t, err)
		require.Len(t, found, streams)
		for i, s := range found {
			whole(i, s, 0)
		}
		require.Zero(t, next.count(t, "select count(*) from cart.streams where fold <> 1"), "reading writes nothing")
	})
	t.Run("InOneBatch", func(t *testing.T) {
		fresh := uuid.New()
		send := func(i int) error {
			if i == 100 {
				return does(ctx, next, tomorrow, fresh, labelled{"new"})
			}
			return does(ctx, next, tomorrow, ids[i], weighed{"more", 1})
		}
		require.EqualValues(t, 1, together(t, next, 101, send, func(_ int, err error) { require.NoError(t, err) }))
		require.Equal(t, 101, next.count(t, "select count(*) from cart.streams where fold = 2"))
		for i := range 100 {
			s, err := tomorrow.Load(ctx, next.store, ids[i])
			require.NoError(t, err)
			whole(i, s, 1)
		}
	})
	t.Run("AStreamThatLostAnEventIsNotGuessed", func(t *testing.T) {
		_, err := next.pools.Query.Exec(ctx, "delete from cart.events where stream = $1 and version = $2", ids[120], length)
		require.NoError(t, err)
		_, err = tomorrow.Load(ctx, next.store, ids[120])
		require.ErrorContains(t, err, "its events end at version 3, and it stands at 4")
		require.ErrorContains(t, does(ctx, next, tomorrow, ids[120], closed{}), "its events end at version 3")
		require.NoError(t, does(ctx, next, tomorrow, ids[121], closed{}))
	})
}

// TestSideBySide: two versions of the program write to the same streams in turns, as while a new one is rolled out. Both
// know all events; the new one makes more of them. What the old one writes back loses nothing of that.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	labels := *tomorrow // it keeps the events as they are: no version of them is new
	labels.Upcasts = nil
	today, next := setupOn(t, url, jars), setupOn(t, url, &labels)
	ctx, ids := t.Context(), []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	const rounds = 10
	for n := range rounds {
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() {
				var err error
				if (n+i)%2 == 0 {
					err = does(ctx, today, jars, id, put{fmt.Sprint(n)})
				} else {
					err = does(ctx, next, &labels, id, weighed{fmt.Sprint(n), 10})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			old, err := jars.Load(ctx, today.store, id)
			require.NoError(t, err)
			current, err := labels.Load(ctx, next.store, id)
			require.NoError(t, err)
			require.Equal(t, old.State.Things, current.State.Things)
			require.Len(t, old.State.Things, n+1)
			require.Equal(t, old.Version, current.Version)
		}
	}
	for i, id := range ids {
		s, err := labels.Load(ctx, next.store, id)
		require.NoError(t, err)
		require.Equal(t, 10*rounds/2, s.State.Grams, "of stream %d: what the old version does not know is still there", i)
	}
}

// sweeping sweeps the outbox until the test ends.
func sweeping(t *testing.T, b *bundle) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	b.store.OnFailure(func(err error) { t.Error(err) })
	go func() { done <- b.store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}
