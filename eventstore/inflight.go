package eventstore

import (
	"slices"
	"sync"

	"github.com/google/uuid"
)

// gather adds what queued up while the last commit was in flight. There is no timer: waiting never made it faster. It takes
// its share of what is under way and no more: batches of one size keep each other company, a large one keeps all waiting.
// What goes to a stream that is already in the batch counts nothing.
func (c *Committer) gather(f *slot, batch []*job, first ...*job) []*job {
	workers := c.config.Workers
	share, n := (int(c.underway.Load())+workers-1)/workers, 0
	batch = slices.DeleteFunc(batch, c.joinsLockQueue)
	take := func(j *job) {
		if c.joinsLockQueue(j) {
			return
		}
		mine, known := c.inflight.assign(f, j)
		if mine {
			batch = append(batch, j)
		}
		if mine && !known {
			n++
		}
	}
	for _, j := range first {
		take(j)
	}
	for n < share && len(batch) < maxBatch {
		select {
		case j := <-c.queue:
			take(j)
		default:
			return batch
		}
	}
	return batch
}

// joinsLockQueue moves a command to the lock queue if it would wait for a lock, and reports whether it did.
func (c *Committer) joinsLockQueue(j *job) bool {
	joins := c.locks.join(j)
	if joins {
		c.underway.Add(-1)
	}
	return joins
}

// inflight are the batches of this process, one of each worker. A command to a stream that another batch is writing would only
// wait in the database until that one has landed. So it follows that one, into the next batch of the same worker, with all
// others that came for the stream meanwhile. This is no lock: the rows in the database are.
type inflight struct {
	most  int // that follow one batch; more wait in the database
	mu    sync.Mutex
	slots []*slot
}

type slot struct {
	streams map[uuid.UUID]bool // what its batch writes to; nothing between batches
	next    []*job             // what came for those streams meanwhile
}

// newSlot makes the flight of a worker.
func (f *inflight) newSlot() *slot {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := &slot{streams: map[uuid.UUID]bool{}}
	f.slots = append(f.slots, own)
	return own
}

// assign puts a command into the batch that is gathered, or behind the one that it has to follow. known: the batch writes to a
// stream of the command already.
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
	own.add(j)
	return true, known
}

// finish ends a batch, when all who wait for it are answered. What followed it is in the next one of its worker.
func (f *inflight) finish(own *slot, batch []*job) (next []*job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(maxBatch, len(own.next))
	next = append(batch[:0], own.next[:n]...)
	own.next = slices.Delete(own.next, 0, n)
	clear(own.streams)
	for _, j := range slices.Concat(next, own.next) {
		own.add(j)
	}
	return next
}

// waiting is how many follow, over all batches.
func (f *inflight) waiting() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.slots {
		n += len(one.next)
	}
	return n
}

func (f *slot) names(j *job) bool {
	return slices.ContainsFunc(j.Streams, func(ref Ref) bool { return f.streams[ref.ID] })
}

func (f *slot) add(j *job) {
	for _, ref := range j.Streams {
		f.streams[ref.ID] = true
	}
}
