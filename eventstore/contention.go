package eventstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/backoff"
	"shopping-cart/platform/pgerr"
)

// Another session may hold locks for a long time, for example psql with an open transaction, or the build of an index. A
// batch waits for a lock no longer than the lock_timeout of its session. Then the commands that need the lock leave the
// batch, and the others commit without them. One goroutine retries the commands that left, on a connection of its own, until
// the lock is free or lockPatience has passed. So a lock delays only the callers whose commands need it.
//
// Later commands to the same streams join those that left. Otherwise they would stop the next batch again.

const (
	lockPatience  = 10 * time.Second      // unless the configuration says otherwise
	lockPause     = 50 * time.Millisecond // on average, between two retries
	lockWaitEvery = 20                    // every so many retries, one waits in the queue for the lock; a probe alone could always come too late
)

// lockQueue holds the commands that wait for the locks of other sessions.
type lockQueue struct {
	patience time.Duration // a command that has waited this long is refused
	busy     atomic.Bool   // a command waits, or a store is locked

	mu      sync.Mutex
	waiting map[*Store][]*lockedJob
	streams map[uuid.UUID]int // streams that waiting commands write to, with the number of commands
	locked  map[*Store]bool   // a table of the store is locked, or may be
	added   chan struct{}
}

type lockedJob struct {
	*job
	until time.Time
}

func newLockQueue(patience time.Duration) *lockQueue {
	return &lockQueue{
		patience: patience,
		waiting:  map[*Store][]*lockedJob{}, streams: map[uuid.UUID]int{}, locked: map[*Store]bool{},
		added: make(chan struct{}, 1),
	}
}

// length returns the number of waiting commands.
func (q *lockQueue) length() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, jobs := range q.waiting {
		n += len(jobs)
	}
	return n
}

// join reports whether a job needs a lock that others wait for already, and adds it unless it is a chain.
func (q *lockQueue) join(j *job) bool {
	if !q.busy.Load() {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	joins := false
	for one := range j.all {
		joins = joins || q.locked[one.store] || slices.ContainsFunc(one.Streams, func(ref Ref) bool { return q.streams[ref.ID] > 0 })
	}
	if joins && !j.isChain() {
		q.addLocked(j)
	}
	return joins
}

// add adds waiting commands of a store. whole says that a table of the store is locked.
func (q *lockQueue) add(s *Store, jobs []*job, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range jobs {
		q.addLocked(j)
	}
	if whole {
		q.locked[s] = true
		q.wake()
	}
}

func (q *lockQueue) addLocked(j *job) {
	j.lockQueued = true
	q.waiting[j.store] = append(q.waiting[j.store], &lockedJob{j, time.Now().Add(q.patience)})
	for _, ref := range j.Streams {
		q.streams[ref.ID]++
	}
	q.wake()
}

func (q *lockQueue) wake() {
	q.busy.Store(true)
	select {
	case q.added <- struct{}{}:
	default:
	}
}

// isLocked reports whether a table of the store is locked, or may be.
func (q *lockQueue) isLocked(s *Store) bool {
	if !q.busy.Load() {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.locked[s]
}

// snapshot returns the waiting commands of a store, oldest first.
func (q *lockQueue) snapshot(s *Store) (jobs []*lockedJob, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append(jobs, q.waiting[s]...), q.locked[s]
}

// remove removes the commands that have a result.
func (q *lockQueue) remove(answered map[*job]bool, s *Store, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var rest []*lockedJob
	for _, j := range q.waiting[s] {
		if !answered[j.job] {
			rest = append(rest, j)
			continue
		}
		for _, ref := range j.Streams {
			if q.streams[ref.ID]--; q.streams[ref.ID] == 0 {
				delete(q.streams, ref.ID)
			}
		}
	}
	if q.waiting[s] = rest; len(rest) == 0 {
		delete(q.waiting, s)
	}
	if q.locked[s] = whole; !whole {
		delete(q.locked, s)
	}
	q.busy.Store(len(q.waiting)+len(q.locked) > 0)
}

// errLocked is returned when another session holds a lock that the command needs.
var errLocked = fmt.Errorf("%w: another session holds a lock that the command needs", ErrUnavailable)

// splitLocked commits the possible part of a batch that timed out waiting for a lock. The other commands join the lock queue. Chains are
// dissolved.
// Outbox rows are left out, because they may need the lock too.
func (c *Committer) splitLocked(batch []*job, withHandled []*Store) {
	for _, s := range withHandled {
		c.locks.add(s, nil, true) // until a retry shows that it is free
	}
	for _, s := range c.stores {
		var jobs []*job
		for _, j := range batch {
			switch {
			case j.store != s:
			case j.isChain():
				j.fail(ErrDissolved)
			default:
				jobs = append(jobs, j)
			}
		}
		if len(jobs) == 0 {
			continue
		}
		free, locked, err := c.probe(s, jobs)
		if err == nil && len(free) > 0 {
			var late []*job
			late, err = c.commit(free, nothingHandled)
			locked = append(locked, late...)
		}
		c.locks.add(s, locked, pgerr.LockTimeout(err))
	}
}

// probe separates the commands whose streams are free from those that would wait for a lock. It never waits for a row.
func (c *Committer) probe(s *Store, jobs []*job) (free, locked []*job, err error) {
	var ids [][16]byte
	for _, j := range jobs {
		for _, ref := range j.Streams {
			ids = append(ids, ref.ID)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	var held []uuid.UUID
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if c.config.Begin != "" {
			if _, err := tx.Exec(ctx, c.config.Begin); err != nil {
				return err
			}
		}
		rows, _ := tx.Query(ctx, s.sql.locked, ids)
		held, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil && !pgerr.LockTimeout(err) {
		return jobs, nil, nil // the batch will return the error
	}
	if err != nil {
		return nil, jobs, err
	}
	for _, j := range jobs {
		if slices.ContainsFunc(j.Streams, func(ref Ref) bool { return slices.Contains(held, ref.ID) }) {
			locked = append(locked, j)
		} else {
			free = append(free, j)
		}
	}
	return free, locked, nil
}

// retryLocked retries the commands in the lock queue until ctx is done. Then it refuses the rest.
func (c *Committer) retryLocked(ctx context.Context) {
	for n := 1; ; n++ {
		if !c.locks.busy.Load() {
			select {
			case <-c.locks.added:
				n = 1
			case <-ctx.Done():
				return
			}
		}
		stopping := ctx.Err() != nil
		for _, s := range c.stores {
			c.retryStore(s, n%lockWaitEvery == 0, stopping)
		}
		if !stopping {
			backoff.Sleep(ctx, backoff.Jitter(lockPause))
		}
	}
}

// retryStore retries the waiting commands and outbox rows of one store. With queue it waits in the queue for a lock that is
// still held. last says that the program stops.
func (c *Committer) retryStore(s *Store, queue, last bool) {
	waiting, whole := c.locks.snapshot(s)
	if len(waiting) == 0 && !whole {
		return
	}
	jobs := make([]*job, len(waiting))
	for i, j := range waiting {
		jobs[i] = j.job
	}
	answered := map[*job]bool{}
	free, locked, err := c.probe(s, jobs)
	if err == nil {
		err = c.commitAlone(s, free, whole, answered)
	}
	whole = pgerr.LockTimeout(err)
	if queue && !whole && len(locked) > 0 {
		_ = c.commitAlone(s, locked[:1], false, answered)
	}
	now := time.Now()
	for _, j := range waiting {
		if !answered[j.job] && (last || now.After(j.until)) {
			j.fail(errLocked)
			answered[j.job] = true
		}
	}
	c.locks.remove(answered, s, whole && !last)
	for _, j := range jobs {
		if answered[j] {
			c.answer(j)
		}
	}
}

// commitAlone commits commands of the lock queue, with the outbox rows of their store if that was locked. It adds the
// commands that have a result to answered. It returns an error if a lock is still held.
func (c *Committer) commitAlone(s *Store, jobs []*job, withHandled bool, answered map[*job]bool) error {
	if len(jobs) == 0 && !withHandled {
		return nil
	}
	locked, err := c.commit(jobs, func(other *Store) bool { return withHandled && other == s })
	for _, j := range jobs {
		answered[j] = !slices.Contains(locked, j)
	}
	if pgerr.LockTimeout(err) {
		return err
	}
	return nil
}

func nothingHandled(*Store) bool { return false }
