package eventstore

import (
	"slices"
	"sync"

	"github.com/google/uuid"
)

// gather adds queued commands to a batch. It never waits, because waiting never made commits faster. It takes an equal share
// of the commands under way: equal-sized batches pipeline, an oversized one stalls the rest. A command to a stream of the
// batch does not count.
func (c *Committer) gather(f *slot, batch []*job) []*job {
	workers := c.config.Workers
	share, n := (int(c.underway.Load())+workers-1)/workers, 0
	batch = slices.DeleteFunc(batch, c.joinsLockQueue)
	size := commandsIn(batch)
	for n < share && size < maxBatch {
		j := c.queue.pop()
		if j == nil {
			return batch
		}
		if c.joinsLockQueue(j) {
			continue
		}
		mine, known := c.inflight.assign(f, j)
		if mine {
			batch = append(batch, j)
			size += 1 + len(j.rest)
		}
		if mine && !known {
			n++
		}
	}
	if c.queue.total() > 0 {
		c.queue.wake() // another worker takes the rest
	}
	return batch
}

// joinsLockQueue moves a command to the lock queue if it would wait for a lock, and reports whether it did. A chain is dissolved.
func (c *Committer) joinsLockQueue(j *job) bool {
	joins := c.locks.join(j)
	if joins {
		c.underway.Add(-1)
	}
	if joins && j.isChain() {
		j.fail(ErrDissolved)
		c.answer(j)
	}
	return joins
}

// inflight holds the batches of this process, one for each worker. A command to a stream that another batch is writing would
// only wait for that batch in the database. So it follows that batch into the next one of the same worker, with all other
// commands to the stream. The rows in the database are the lock; this only saves waiting.
type inflight struct {
	most  int // maximum that follow one batch; others wait in the database
	mu    sync.Mutex
	slots []*slot
}

type slot struct {
	streams map[uuid.UUID]bool // streams that its batch writes to; empty between batches
	next    []*job             // commands that wait for those streams
}

// newSlot returns the slot of a worker.
func (f *inflight) newSlot() *slot {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := &slot{streams: map[uuid.UUID]bool{}}
	f.slots = append(f.slots, own)
	return own
}

// assign adds a command to the batch that is gathered, or queues it behind the batch that it must follow. known reports that
// the batch already writes to a stream of the command.
func (f *inflight) assign(own *slot, j *job) (mine, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.slots {
		if other != own && len(other.next) < f.most && other.names(j) {
			other.next = append(other.next, j)
			return false, false
		}
	}
	known = own.names(j)
	if known && len(own.next) < f.most && slices.ContainsFunc(own.next, func(earlier *job) bool { return sharesStream(earlier, j) }) {
		own.next = append(own.next, j)
		return false, false
	}
	own.add(j)
	return true, known
}

// finish ends a batch after its callers have their results. The commands that followed it form the next batch of the worker. They
// leave half of it to the queue if others wait there.
func (f *inflight) finish(own *slot, batch []*job, othersWait bool) (next []*job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := maxBatch
	if othersWait {
		n /= 2
	}
	n = min(n, len(own.next))
	next = append(batch[:0], own.next[:n]...)
	own.next = slices.Delete(own.next, 0, n)
	clear(own.streams)
	for _, j := range slices.Concat(next, own.next) {
		own.add(j)
	}
	return next
}

// waiting returns the number of commands that follow a batch.
func (f *inflight) waiting() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.slots {
		n += len(one.next)
	}
	return n
}

func (f *slot) names(j *job) bool {
	for one := range j.all {
		if slices.ContainsFunc(one.Streams, func(ref Ref) bool { return f.streams[ref.ID] }) {
			return true
		}
	}
	return false
}

func sharesStream(a, b *job) bool {
	for one := range a.all {
		for _, ref := range one.Streams {
			for other := range b.all {
				if slices.ContainsFunc(other.Streams, func(r Ref) bool { return r.ID == ref.ID }) {
					return true
				}
			}
		}
	}
	return false
}

func (f *slot) add(j *job) {
	for one := range j.all {
		for _, ref := range one.Streams {
			f.streams[ref.ID] = true
		}
	}
}
