package eventstore_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/eventstore"
	"shopping-cart/platform/database"
	"shopping-cart/platform/fault"
)

// loaderVariable makes the test program one of the processes of TestLogUnderLoad.
const loaderVariable = "LOG_UNDER_LOAD"

const perUndone = 23 // one of so many transactions of a reader does not end well, the first for one

type loaderConfig struct {
	URL     string
	Seed    uint64
	Process int
	Events  int // of all processes
}

// loaded counts what was put to the test.
type loaded struct {
	Commands, Refused, Replayed int // that took effect, that did not, that were asked for again
	Spoiled, Slow, Stalled      int // that failed at the commit, that were slow there, that were slow before their position
	Alone, Together, Repeated   int // transactions of one command, of several, and those that failed as a whole
	Undone                      int // transactions of readers that failed when all was applied
}

func (l *loaded) add(o loaded) {
	l.Commands, l.Refused, l.Replayed = l.Commands+o.Commands, l.Refused+o.Refused, l.Replayed+o.Replayed
	l.Spoiled, l.Slow, l.Stalled = l.Spoiled+o.Spoiled, l.Slow+o.Slow, l.Stalled+o.Stalled
	l.Alone, l.Together, l.Repeated = l.Alone+o.Alone, l.Together+o.Together, l.Repeated+o.Repeated
	l.Undone += o.Undone
}

// loader is a running process.
type loader struct {
	*exec.Cmd
	alive io.Closer
	lines *bufio.Scanner
	log   bytes.Buffer
}

// startLoader starts the test program again. It ends when its input does: with the test, however that ends.
func startLoader(t *testing.T, c loaderConfig) *loader {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	config, err := json.Marshal(c)
	require.NoError(t, err)
	l := &loader{Cmd: exec.Command(program)}
	l.Env = append(os.Environ(), loaderVariable+"="+string(config), "GORACE=atexit_sleep_ms=0")
	l.Stderr = &l.log
	l.alive, err = l.StdinPipe()
	require.NoError(t, err)
	out, err := l.StdoutPipe()
	require.NoError(t, err)
	l.lines = bufio.NewScanner(out)
	require.NoError(t, l.Start())
	t.Cleanup(func() { _ = l.Process.Kill(); _ = l.Wait() })
	return l
}

func (l *loader) awaitWritten(t *testing.T) (told loaded) {
	t.Helper()
	if !l.lines.Scan() {
		_ = l.Wait()
		t.Fatalf("a process ended: %s", l.log.String())
	}
	require.NoError(t, json.Unmarshal(l.lines.Bytes(), &told), l.lines.Text())
	return told
}

func (l *loader) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, l.alive.Close())
	assert.NoError(t, l.Wait(), l.log.String())
}

// beLoader writes its share, tells so on stdout, and reads on until its input ends.
func beLoader(config string) error {
	p := &process{}
	if err := json.Unmarshal([]byte(config), &p.loaderConfig); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pools, err := database.Open(ctx, p.URL, database.Options{Write: 5})
	if err != nil {
		return err
	}
	defer pools.Close()
	committer := p.opens(pools)
	var running errgroup.Group
	running.Go(func() error { return committer.Run(ctx) })
	running.Go(func() error {
		p.store.RunProjections(ctx)
		return nil
	})
	if pools.Listen != nil { // told at once of what is new, readers meet more often, and meet more that is under way
		running.Go(func() error {
			databaseOf(pools, committer).Notify(ctx)
			return nil
		})
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	told, err := p.writes(ctx)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(told)
	}
	if err != nil {
		stop()
	}
	return errors.Join(err, running.Wait())
}

// process is what stands in one of the processes.
type process struct {
	loaderConfig
	store *eventstore.Store

	alone, together, repeated, undone atomic.Int64
}

// opens sets up the store with two pipelines, so that transactions of one process commit side by side too.
func (p *process) opens(pools *database.Pools) *eventstore.Committer {
	c := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{
		Workers: 2, Begin: pools.Begin,
		Batched: func(_ context.Context, commands int, _ time.Duration) {
			if commands == 1 {
				p.alone.Add(1)
			} else if commands > 1 {
				p.together.Add(1)
			}
		},
		Failed: func(commands int, _ error) {
			if commands > 1 {
				p.repeated.Add(1)
			}
		},
	})
	p.store = eventstore.Open(databaseOf(pools, c), "cart", tallies).OnFailure(p.failed)
	for _, name := range loadReaders {
		var calls atomic.Int64
		apply := func(ctx context.Context, tx pgx.Tx, _ int, events []eventstore.Recorded) error {
			return p.applies(ctx, tx, name, calls.Add(1), events)
		}
		p.store.AddProjection(eventstore.Projection{Name: name, Project: apply})
	}
	return c
}

var errUndone = fault.New(fault.Unavailable, "undone", "Try again.")

func (p *process) applies(ctx context.Context, tx pgx.Tx, reader string, call int64, events []eventstore.Recorded) error {
	positions, streams, versions := make([]int64, len(events)), make([][16]byte, len(events)), make([]int64, len(events))
	for i, e := range events {
		positions[i], streams[i], versions[i] = e.Position, e.Stream, e.Version
	}
	_, err := tx.Exec(ctx, `insert into cart.applied (reader, process, position, stream, version)
		select $1, $2, u.* from unnest($3::bigint[], $4::uuid[], $5::bigint[]) u`, reader, p.Process, positions, streams, versions)
	if err == nil && call%perUndone == 1 {
		p.undone.Add(1)
		return errUndone
	}
	return err
}

// failed is told what readers try again. The parent shows it when something is wrong.
func (p *process) failed(err error) {
	if !errors.Is(err, errUndone) {
		fmt.Fprintf(os.Stderr, "process %d: %v\n", p.Process, err)
	}
}

// writes lets this process's writers write their share, and leaves what they were told in the database.
func (p *process) writes(ctx context.Context) (told loaded, err error) {
	var all errgroup.Group
	writers := make([]*writer, loadWriters/loadProcesses)
	for i := range writers {
		n := p.Process*len(writers) + i
		share := p.Events*(n+1)/loadWriters - p.Events*n/loadWriters
		writers[i] = &writer{process: p, luck: rand.New(rand.NewPCG(p.Seed, uint64(n)))}
		all.Go(func() error { return writers[i].writes(ctx, share) })
	}
	if err := all.Wait(); err != nil {
		return told, err
	}
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		return told, err
	}
	defer conn.Close(ctx)
	for _, w := range writers {
		told.add(w.loaded)
		columns := []string{"command", "stream", "version", "events"}
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"cart", "told"}, columns, pgx.CopyFromRows(w.told)); err != nil {
			return told, err
		}
	}
	told.Alone, told.Together = int(p.alone.Load()), int(p.together.Load())
	told.Repeated, told.Undone = int(p.repeated.Load()), int(p.undone.Load())
	return told, nil
}
