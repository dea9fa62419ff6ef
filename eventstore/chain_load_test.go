package eventstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
)

// TestChainsOnSharedStreams: two processes send many chains on few streams of two stores, and lose their connections meanwhile. Whoever gets an
// error that is no refusal sends the chain again. Each command that comes before the refusal of its chain is done once, in the order of its chain,
// and nothing else is done.
func TestChainsOnSharedStreams(t *testing.T) {
	t.Parallel()
	const senders, chains, streams, losses = 12, 12, 3, 6
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	url := pgtest.New(t)
	var processes []waiting
	for range 2 {
		w := newWaitingOn(t, url, eventstore.CommitterConfig{Workers: 2})
		w.begin(t)
		processes = append(processes, w)
	}
	var ids [streams]uuid.UUID
	for i := range ids {
		ids[i] = uuid.New()
	}

	var all sync.WaitGroup
	var mu sync.Mutex
	expected, sent := map[string][]string{}, make(chan struct{}, senders*chains) // by stream, each chain's things in order
	for n := range senders {
		all.Go(func() {
			luck, p := rand.New(rand.NewPCG(seed, uint64(n))), processes[n%len(processes)]
			for c := range chains {
				var links []eventstore.Link
				refused := luck.IntN(8) // beyond the end: none is
				for i := range 2 + luck.IntN(4) {
					s, at := p.carts, luck.IntN(streams)
					if luck.IntN(2) == 0 {
						s = p.orders
					}
					thing := fmt.Sprintf("%d/%d/%d", n, c, i)
					l := puts(s, ids[at], thing)
					if i == refused {
						l = link(s, ids[at], func(*eventstore.Tx, jar) ([]jarEvent, error) { return []jarEvent{put{thing}}, errClosed })
					}
					links = append(links, l)
					if i < refused {
						mu.Lock()
						stream := s.Schema() + " " + ids[at].String()
						expected[stream] = append(expected[stream], thing)
						mu.Unlock()
					}
				}
				if err := untilDone(t, links, refused); err != nil {
					t.Error(err)
				}
				sent <- struct{}{}
			}
		})
	}
	for range losses {
		for range senders * chains / (losses + 1) {
			<-sent
		}
		_, err := processes[0].pools.Control.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and query like '%streams%' and pid <> pg_backend_pid()`)
		require.NoError(t, err)
	}
	all.Wait()

	for _, s := range []*eventstore.Store{processes[1].carts, processes[1].orders} {
		for _, id := range ids {
			found, err := jars.Load(t.Context(), s, id)
			require.NoError(t, err)
			require.ElementsMatch(t, expected[s.Schema()+" "+id.String()], found.State.Things)
			require.EqualValues(t, len(found.State.Things), found.Version)
			last := map[string]string{} // by chain: the last of its things in this stream
			for _, thing := range found.State.Things {
				chain := thing[:strings.LastIndex(thing, "/")]
				require.Less(t, last[chain], thing, "in the order of the chain")
				last[chain] = thing
			}
		}
	}
}

// untilDone sends a chain until it ends as it must: with the refusal, or with its last command.
func untilDone(t *testing.T, links []eventstore.Link, refused int) error {
	for {
		results := eventstore.Chain(t.Context(), links...)
		last := results[len(results)-1]
		switch {
		case errors.Is(last.Err, errClosed) && len(results) == refused+1:
			return nil
		case last.Err == nil && len(results) == len(links):
			return nil
		case last.Err == nil, errors.Is(last.Err, errClosed):
			return fmt.Errorf("%d results of %d commands, the last: %w", len(results), len(links), last.Err)
		case t.Context().Err() != nil:
			return last.Err
		}
	}
}
