package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

const (
	maxBatch     = 128                    // commands in a transaction
	batchTimeout = 15 * time.Second       // for one transaction, waiting for locks included
	maxRaces     = 8                      // repeats of a batch that met another process on a new stream
	idleFlush    = 200 * time.Millisecond // how long a handled outbox row may wait for a batch to go with
)

// CommitterConfig sizes a committer. Zero values take the defaults.
type CommitterConfig struct {
	Queue   int                                           // commands that may wait, and as many behind each batch; beyond that ErrBusy (4096)
	Workers int                                           // connections that drain the queue, so batches in flight (2)
	Locked  time.Duration                                 // how long a command may wait for a lock of another session; then ErrUnavailable (10 s)
	Begin   string                                        // SQL that transactions begin with, where sessions do not pin their plans; may be empty
	Batched func(commands int, took time.Duration)        // told of every transaction; may be nil
	Decided func(schema, outcome string)                  // told of every command: done, replayed, refused or failed; may be nil
	Failed  func(commands int, err error)                 // told of every transaction that had to be repeated; may be nil
	Skewed  func(time.Duration)                           // told when the database's clock differs from ours by more than a second; may be nil
	Handled func(name string, lag time.Duration, e error) // told of every message that a subscriber saw; may be nil
}

// Committer puts the commands of all stores on one database into few transactions.
type Committer struct {
	pool      *pgxpool.Pool
	config    CommitterConfig
	queue     chan *job
	underway  atomic.Int64 // commands that are queued or in a batch
	inflight  inflight
	locks     *lockQueue
	clock     Clock
	stores    []*Store // by schema: the order in which every batch locks and writes
	closing   chan struct{}
	moved     moved
	suspected atomic.Int64 // how often a position was found taken: see ensurePositions
	counts    struct{ batches, commands, events atomic.Int64 }

	backend Backend // nil: the database
}

// job is a command on its way.
type job struct {
	*Command
	store   *Store
	receipt Receipt
	err     error
	done    chan struct{}

	lockQueued bool // it waits for a lock, and is answered apart from its batch
}

// NewCommitter commits on the connections of pool. Its sessions must pin their plans, or Begin does (see platform/database).
func NewCommitter(pool *pgxpool.Pool, config CommitterConfig) *Committer {
	config.Queue = orDefault(config.Queue, 4096)
	config.Workers = orDefault(config.Workers, 2)
	config.Locked = cmp.Or(config.Locked, lockPatience)
	if config.Batched == nil {
		config.Batched = func(int, time.Duration) {}
	}
	if config.Decided == nil {
		config.Decided = func(string, string) {}
	}
	if config.Failed == nil {
		config.Failed = func(int, error) {}
	}
	if config.Handled == nil {
		config.Handled = func(string, time.Duration, error) {}
	}
	return &Committer{
		pool: pool, config: config, queue: make(chan *job, config.Queue), closing: make(chan struct{}),
		moved: moved{any: make(chan struct{}, 1), schemas: map[string]bool{}}, inflight: inflight{most: config.Queue},
		locks: newLockQueue(config.Locked), clock: Clock{Skewed: config.Skewed},
	}
}

func orDefault(n, d int) int {
	if n <= 0 {
		return d
	}
	return n
}

// Counts are totals since the start: transactions, commands that took effect, events.
type Counts struct{ Batches, Commands, Events int64 }

// Counts says what was committed so far.
func (c *Committer) Counts() Counts {
	return Counts{c.counts.batches.Load(), c.counts.commands.Load(), c.counts.events.Load()}
}

// Waiting is the number of commands that are not in a batch yet.
func (c *Committer) Waiting() int { return len(c.queue) + c.inflight.waiting() + c.locks.length() }

// Run commits until ctx is done, and then what is still queued. It is called once.
func (c *Committer) Run(ctx context.Context) error {
	done := make(chan struct{})
	for range c.config.Workers {
		go func() {
			c.work(ctx)
			done <- struct{}{}
		}()
	}
	retrying, stopRetrying := context.WithCancel(context.WithoutCancel(ctx))
	retried := make(chan struct{})
	go func() {
		defer close(retried)
		c.retryLocked(retrying)
	}()
	for range c.config.Workers {
		<-done
	}
	stopRetrying()
	<-retried
	close(c.closing)
	c.refuseRest()
	return nil
}

// do queues a command and waits for the commit of its batch.
func (c *Committer) do(ctx context.Context, s *Store, cmd *Command) (Receipt, error) {
	if c.backend != nil {
		return c.backend.Do(ctx, s, *cmd)
	}
	if cmd.ID == uuid.Nil {
		cmd.ID = uuid.Must(uuid.NewV7())
	}
	j := &job{Command: cmd, store: s, done: make(chan struct{}, 1)}
	select {
	case <-c.closing:
		return Receipt{}, ErrUnavailable
	default:
	}
	c.underway.Add(1)
	select {
	case c.queue <- j:
	default:
		c.underway.Add(-1)
		return Receipt{}, ErrBusy
	}
	select {
	case <-j.done:
		return j.receipt, j.err
	case <-ctx.Done(): // it may still commit: its receipt says whether it did
		return Receipt{}, fmt.Errorf("wait for the commit: %w", ctx.Err())
	case <-c.closing:
		select {
		case <-j.done:
			return j.receipt, j.err
		default:
			return Receipt{}, ErrUnavailable
		}
	}
}

// work answers batch after batch.
func (c *Committer) work(ctx context.Context) {
	flush := time.NewTicker(idleFlush)
	defer flush.Stop()
	own := c.inflight.newSlot()
	batch := make([]*job, 0, maxBatch)
	for {
		if len(batch) > 0 { // they followed the last one
			runtime.Gosched() // who was answered, and can run, may queue first
			batch = c.gather(own, batch)
		} else {
			select {
			case j := <-c.queue:
				runtime.Gosched()
				if batch = c.gather(own, batch, j); len(batch) == 0 {
					continue
				}
			case <-flush.C:
				if !c.anyHandled() {
					continue
				}
			case <-ctx.Done():
				if batch = c.gather(own, batch); len(batch) == 0 && !c.anyHandled() {
					return
				}
			}
		}
		err := c.run(batch)
		if err != nil && ctx.Err() != nil && len(batch) == 0 {
			return
		}
		c.underway.Add(-int64(len(batch)))
		for _, j := range batch {
			if !j.lockQueued {
				c.answer(j)
			}
		}
		batch = c.inflight.finish(own, batch)
	}
}

// answer gives a command its answer.
func (c *Committer) answer(j *job) {
	c.config.Decided(j.store.schema, j.outcome())
	j.done <- struct{}{}
}

func (j *job) outcome() string {
	switch {
	case j.err == nil && j.receipt.Replayed:
		return "replayed"
	case j.err == nil:
		return "done"
	}
	if f, ok := fault.As(j.err); ok && f.Kind != fault.Unavailable {
		return "refused"
	}
	return "failed"
}

// run answers a batch. Commands that would wait for a lock join the lock queue.
func (c *Committer) run(batch []*job) error {
	var carried []*Store
	locked, err := c.commit(batch, func(s *Store) bool {
		carries := !c.locks.isLocked(s)
		if carries && s.outbox.anyHandled() {
			carried = append(carried, s)
		}
		return carries
	})
	if pgerr.LockTimeout(err) {
		c.splitLocked(locked, carried)
		return nil
	}
	return err
}

// commit answers a batch, except for the commands that waited for a lock in vain: it returns them, and the error. After
// a race (a stream or a receipt made meanwhile) the batch is repeated whole. After another failure it is repeated one
// command at a time, so that only the culprit fails.
func (c *Committer) commit(batch []*job, carry func(*Store) bool) (locked []*job, err error) {
	started := time.Now()
	err = c.try(batch, carry)
	for n := 0; n < maxRaces && (isConflict(err) || n == 0 && isConnectionLost(err)); n++ {
		c.config.Failed(len(batch), err)
		c.suspectPositions(err)
		err = c.try(batch, carry)
	}
	if err == nil {
		c.config.Batched(len(batch), time.Since(started))
		return nil, nil
	}
	c.config.Failed(len(batch), err)
	if pgerr.LockTimeout(err) {
		return batch, err
	}
	if len(batch) == 1 || isConnectionLost(err) {
		for _, j := range batch {
			j.receipt, j.err = Receipt{}, unavailable(err)
		}
		return nil, err
	}
	err = nil
	for i := range batch { // each job carries its own error
		one, e := c.commit(batch[i:i+1], carry)
		if pgerr.LockTimeout(e) {
			locked, err = append(locked, one...), e
		}
	}
	return locked, err
}

func (c *Committer) refuseRest() {
	for {
		select {
		case j := <-c.queue:
			j.err = ErrUnavailable
			j.done <- struct{}{}
		default:
			return
		}
	}
}

func (c *Committer) anyHandled() bool {
	return slices.ContainsFunc(c.stores, func(s *Store) bool { return s.outbox.anyHandled() })
}

// isConflict reports whether another process was first, so that a repeat may succeed. A key that another stream has is no race:
// the same command would meet it again.
func isConflict(err error) bool { return pgerr.Conflict(err) && !pgerr.Violates(err, "streams_key") }

// isConnectionLost reports whether the connection or the server failed, perhaps after the commit. The receipts make a repeat safe.
func isConnectionLost(err error) bool {
	if pgerr.Code(err) == "" {
		return err != nil && !errors.As(err, new(*commandError))
	}
	return pgerr.ConnectionLost(err)
}

// commandError is an error that one command of a batch caused.
type commandError struct{ error }

func (c *commandError) Unwrap() error { return c.error }

func unavailable(err error) error {
	if _, ok := fault.As(err); ok || !isConnectionLost(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
