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

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/platform/bulkhead"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/pgerr"
)

const (
	maxBatch     = 128                    // commands in a transaction
	batchTimeout = 15 * time.Second       // for one transaction, including waiting for locks
	maxRaces     = 8                      // repeats of a batch after conflicts
	idleFlush    = 200 * time.Millisecond // how long a handled outbox row may wait for the next batch
)

// CommitterConfig configures a committer. Zero values select the defaults.
type CommitterConfig struct {
	Queue   int                                                         // commands that may wait in each lane, and the same number behind each batch; more are refused with ErrBusy (4096)
	Workers int                                                         // connections, and so batches in flight (2)
	Locked  time.Duration                                               // how long a command may wait for a lock of another session; then ErrUnavailable (10 s)
	Begin   string                                                      // SQL at the start of transactions if sessions do not pin their plans; may be empty
	Batched func(ctx context.Context, commands int, took time.Duration) // called after every transaction; may be nil
	Decided func(schema, outcome string)                                // called for every command: done, replayed, refused, rehearsed or failed; may be nil
	Refused func(lane string, ofSubject bool)                           // called for every command that the queue refused: its subject had too many under way, or the lane was full; may be nil
	Failed  func(commands int, err error)                               // called for every transaction that had to be repeated; may be nil
	Skewed  func(time.Duration)                                         // called when the database's clock differs from ours by more than a second; may be nil
	Handled func(name string, lag time.Duration, e error)               // called after every call of a handler; may be nil
	Tracer  trace.Tracer                                                // starts spans of commands and transactions; nil: none
}

// Committer combines the commands of all stores on one database into few transactions.
type Committer struct {
	pool      *pgxpool.Pool
	config    CommitterConfig
	queue     *queue
	underway  atomic.Int64 // commands that are queued or in a batch
	inflight  inflight
	locks     *lockQueue
	clock     Clock
	stores    []*Store // by schema: the order in which every batch locks and writes
	closing   chan struct{}
	moved     moved
	rebuilds  *bulkhead.Bulkhead
	suspected atomic.Int64 // number of duplicate positions; see ensurePositions
	counts    struct{ batches, commands, events atomic.Int64 }

	backend Backend // nil selects the database
}

// job is a command that waits for its result, or the first command of a chain.
type job struct {
	*Command
	store   *Store
	rest    []*job // the commands that follow in its chain
	handles string // the subscription that it takes the place of
	receipt Receipt
	err     error
	decided bool // receipt or err holds the result
	stopped bool // it ends its chain
	done    chan struct{}
	span    trace.Span // of the command

	before   []any       // events of the commands before the job, if a chain goes one by one
	earlier  []any       // events of the commands before it
	after    []any       // events of the commands before the job and of the job
	work     *storeBatch // holds its events from from to to
	from, to int

	subject    *subject // that sent it
	next       *job     // of its subject in the queue
	lockQueued bool     // it waits in the lock queue, apart from its batch
}

// NewCommitter returns a committer that uses the connections of pool. The sessions of pool must pin their plans, or Begin
// must (see platform/database).
func NewCommitter(pool *pgxpool.Pool, config CommitterConfig) *Committer {
	config.Queue = cmp.Or(max(config.Queue, 0), 4096)
	config.Workers = cmp.Or(max(config.Workers, 0), 2)
	config.Locked = cmp.Or(config.Locked, lockPatience)
	if config.Batched == nil {
		config.Batched = func(context.Context, int, time.Duration) {}
	}
	if config.Decided == nil {
		config.Decided = func(string, string) {}
	}
	if config.Refused == nil {
		config.Refused = func(string, bool) {}
	}
	if config.Failed == nil {
		config.Failed = func(int, error) {}
	}
	if config.Handled == nil {
		config.Handled = func(string, time.Duration, error) {}
	}
	return &Committer{
		pool: pool, config: config, queue: newQueue(config.Queue), closing: make(chan struct{}),
		moved: moved{any: make(chan struct{}, 1), schemas: map[string]bool{}}, inflight: inflight{most: config.Queue},
		locks: newLockQueue(config.Locked), clock: Clock{Skewed: config.Skewed}, rebuilds: newRebuilds(),
	}
}

// Counts holds totals since the start.
type Counts struct{ Batches, Commands, Events int64 }

// Counts returns the number of transactions, successful commands and events so far.
func (c *Committer) Counts() Counts {
	return Counts{c.counts.batches.Load(), c.counts.commands.Load(), c.counts.events.Load()}
}

// Waiting returns the number of commands that are not in a batch yet.
func (c *Committer) Waiting() int { return c.queue.total() + c.inflight.waiting() + c.locks.length() }

// Queued returns the number of commands that wait in a lane, by its index in Lanes.
func (c *Committer) Queued(lane int) int { return c.queue.length(lane) }

// Run commits until ctx is done, and then commits the commands that are still queued. Call it once.
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

// do queues a job and waits for the commit of its batch. Without an error, the job holds its results.
func (c *Committer) do(ctx context.Context, j *job) error {
	j.ensureIDs()
	select {
	case <-c.closing:
		return ErrUnavailable
	default:
	}
	c.underway.Add(1)
	if err := c.queue.push(j); err != nil {
		c.underway.Add(-1)
		c.config.Refused(Lanes[laneOf(j.Command)], errors.Is(err, errSubjectBusy))
		return err
	}
	select {
	case <-j.done:
		return j.failure()
	case <-ctx.Done(): // it may still commit; its receipt shows whether it did
		return fmt.Errorf("wait for the commit: %w", ctx.Err())
	case <-c.closing:
		select {
		case <-j.done:
			return j.failure()
		default:
			return ErrUnavailable
		}
	}
}

// work runs batch after batch.
func (c *Committer) work(ctx context.Context) {
	flush := time.NewTicker(idleFlush)
	defer flush.Stop()
	own := c.inflight.newSlot()
	batch := make([]*job, 0, maxBatch)
	for {
		if len(batch) > 0 { // commands that followed the last batch
			runtime.Gosched() // callers that have just returned may queue first
			batch = c.gather(own, batch)
		} else {
			select {
			case <-c.queue.ready:
				runtime.Gosched()
				if batch = c.gather(own, batch); len(batch) == 0 {
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
		batch = c.inflight.finish(own, batch, c.queue.total() > 0)
	}
}

// answer returns the result of a command to its caller.
func (c *Committer) answer(j *job) {
	for one := range j.all {
		if one.decided && !errors.Is(one.err, ErrDissolved) {
			c.config.Decided(one.store.schema, outcomeOf(one.receipt, one.err))
		}
	}
	c.queue.release(j)
	j.done <- struct{}{}
}

const outcomeFailed = "failed"

func outcomeOf(r Receipt, err error) string {
	switch {
	case err == nil && r.Replayed:
		return "replayed"
	case err == nil:
		return "done"
	}
	if errors.Is(err, ErrRehearsed) {
		return "rehearsed"
	}
	if f, ok := fault.As(err); ok && f.Kind != fault.Unavailable {
		return "refused"
	}
	return outcomeFailed
}

// run commits a batch. Commands that would wait for a lock join the lock queue.
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

// commit commits a batch and returns the commands that timed out waiting for a lock, with the error. After a conflict it
// repeats the whole batch. After another failure it repeats one command at a time, so that only the command that caused the
// failure fails.
func (c *Committer) commit(batch []*job, carry func(*Store) bool) (locked []*job, err error) {
	started := time.Now()
	ctx, span := c.startBatch(batch)
	defer span.End()
	err = c.try(ctx, batch, carry)
	for n := 0; n < maxRaces && (isConflict(err) || n == 0 && isConnectionLost(err)); n++ {
		c.config.Failed(commandsIn(batch), err)
		c.suspectPositions(err)
		err = c.try(ctx, batch, carry)
	}
	if err == nil {
		c.config.Batched(ctx, commandsIn(batch), time.Since(started))
		return nil, nil
	}
	c.config.Failed(commandsIn(batch), err)
	if pgerr.LockTimeout(err) {
		return batch, err
	}
	if len(batch) == 1 || isConnectionLost(err) {
		for _, j := range batch {
			j.fail(unavailable(err))
		}
		return nil, err
	}
	err = nil
	for i := range batch { // each job holds its own error
		one, e := c.commit(batch[i:i+1], carry)
		if pgerr.LockTimeout(e) {
			locked, err = append(locked, one...), e
		}
	}
	return locked, err
}

func (c *Committer) refuseRest() {
	for j := c.queue.pop(); j != nil; j = c.queue.pop() {
		j.fail(ErrUnavailable)
		j.done <- struct{}{}
	}
}

func (c *Committer) anyHandled() bool {
	return slices.ContainsFunc(c.stores, func(s *Store) bool { return s.outbox.anyHandled() })
}

// isConflict reports whether another process was first, so that a repeat may succeed. A duplicate key of a stream is no
// conflict, because a repeat would meet it again.
func isConflict(err error) bool { return pgerr.Conflict(err) && !pgerr.Violates(err, "streams_key") }

// isConnectionLost reports whether the connection or the server failed, possibly after the commit. Receipts make a repeat
// safe.
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
