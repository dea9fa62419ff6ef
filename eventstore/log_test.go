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
)

// TestNothingIsMissed reads "after position N" while several processes commit at their own, random, pace. Without the
// position lock a transaction that drew its position early and commits late is skipped.
func TestNothingIsMissed(t *testing.T) {
	t.Parallel()
	const processes, each = 4, 100
	url := pgtest.New(t)
	writers := make([]*bundle, processes)
	for i := range writers {
		writers[i] = setupOn(t, url, jars)
	}
	slowCommits(t, writers[0])
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for i, b := range writers {
			wg.Go(func() {
				for n := range each { // one after the other: every command is a transaction of its own
					stream := uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "%d", (i+n)%7))
					if _, err := b.put(context.Background(), uuid.New(), stream, "x"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}()
	seen := follow(t, writers[0].store, done)
	require.Equal(t, processes*each, len(seen), "events were missed")
	versions := map[uuid.UUID]int64{}
	for _, e := range seen {
		require.Equal(t, versions[e.Stream]+1, e.Version, "the order of a stream")
		versions[e.Stream] = e.Version
	}
}

// slowCommits makes every transaction that appends wait a moment, drawn by chance, between its events and its commit.
func slowCommits(t *testing.T, b *bundle) {
	_, err := b.pools.Query.Exec(t.Context(), `
		create function cart.dawdle() returns trigger language plpgsql as
			$$ begin perform pg_sleep(random() * 0.004); return null; end $$;
		create constraint trigger dawdle after insert on cart.events deferrable initially deferred
			for each row execute function cart.dawdle()`)
	require.NoError(t, err)
}

// follow reads the log until the writers are done and nothing is left.
func follow(t *testing.T, s *eventstore.Store, done <-chan struct{}) (seen []eventstore.Recorded) {
	var last int64
	for finished := false; ; {
		events, err := s.ReadLog(t.Context(), last, 50, eventstore.Filter{})
		require.NoError(t, err)
		if len(events) > 0 {
			seen = append(seen, events...)
			last = events[len(events)-1].Position
			continue
		}
		if finished {
			return seen
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
}
