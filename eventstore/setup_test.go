package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(loaderVariable); config != "" {
		if err := beLoader(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

// jar is the aggregate of these tests: things go in, and some are refused.
type jar struct {
	Things []string `json:"things"`
	Closed bool     `json:"closed"`
}

type jarEvent any

type put struct {
	Thing string `json:"thing"`
}
type closed struct{}

var jars = jarsOf(1)

func jarsOf(fold int16) *eventstore.Aggregate[jar, jarEvent] {
	return &eventstore.Aggregate[jar, jarEvent]{
		Kind: "jar", StateVersion: fold,
		Types: eventstore.Register(map[string]jarEvent{"jar.put": put{}, "jar.closed": closed{}}),
		Evolve: func(j jar, e jarEvent) jar {
			switch e := e.(type) {
			case put:
				j.Things = append(slices.Clone(j.Things), e.Thing)
			case closed:
				j.Closed = true
			}
			return j
		},
		Index: func(j jar, _ time.Time) eventstore.Index {
			if j.Closed {
				return eventstore.Index{Status: "closed"}
			}
			return eventstore.Index{Status: "open"}
		},
	}
}

var errClosed = errors.New("the jar is closed")

// bundle is a store on a database of its own, with a committer that runs until the test ends.
type bundle struct {
	store     *eventstore.Store
	committer *eventstore.Committer
	pools     *database.Pools
	stop      func() // stops the committer and waits for it
}

type option func(*eventstore.Store)

func setup(t testing.TB, options ...option) *bundle {
	t.Helper()
	return setupOn(t, pgtest.New(t), jars, options...)
}

func setupOn[S any](t testing.TB, url string, a *eventstore.Aggregate[S, jarEvent], options ...option) *bundle {
	t.Helper()
	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	// One worker: then a test knows what goes into one batch. Two of them meet in the tests of the log, and of the program.
	committer := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin, Workers: 1})
	b := &bundle{pools: pools, committer: committer, store: eventstore.Open(databaseOf(pools, committer), "cart", a)}
	for _, o := range options {
		o(b.store)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = committer.Run(ctx)
	}()
	b.stop = func() { cancel(); <-done }
	t.Cleanup(b.stop)
	return b
}

func databaseOf(pools *database.Pools, c *eventstore.Committer) eventstore.Database {
	return eventstore.Database{Committer: c, Query: pools.Query, Control: pools.Control, Log: slog.New(slog.DiscardHandler), Listen: pools.Listen}
}

// put is the command of these tests.
func (b *bundle) put(ctx context.Context, command, stream uuid.UUID, thing string) (eventstore.Receipt, error) {
	return b.store.Do(ctx, eventstore.Command{
		ID: command, Streams: []eventstore.Ref{jars.Ref(stream)},
		Decide: func(tx *eventstore.Tx) error {
			if jars.Get(tx, stream).State.Closed {
				return errClosed
			}
			jars.Append(tx, stream, put{thing})
			return nil
		},
	})
}

func (b *bundle) close(t testing.TB, stream uuid.UUID) {
	t.Helper()
	_, err := b.store.Do(t.Context(), eventstore.Command{
		Streams: []eventstore.Ref{jars.Ref(stream)},
		Decide:  func(tx *eventstore.Tx) error { jars.Append(tx, stream, closed{}); return nil },
	})
	require.NoError(t, err)
}

func (b *bundle) count(t testing.TB, sql string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, b.pools.Query.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

const (
	patience = 30 * time.Second      // for what must happen
	idle     = 10 * time.Millisecond // between two looks
)
