package eventstore

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// to is a command to streams.
func to(ids ...uuid.UUID) *job {
	j := &job{Command: &Command{}}
	for _, id := range ids {
		j.Streams = append(j.Streams, Ref{ID: id})
	}
	return j
}

func push(t require.TestingT, c *Committer, jobs ...*job) []*job {
	for _, j := range jobs {
		require.NoError(t, c.queue.push(j))
		c.underway.Add(1)
	}
	return jobs
}

// gathered is how many commands the first of two workers takes of those that wait; each writes to the streams given.
func gathered(t *testing.T, waiting ...[]uuid.UUID) int {
	t.Helper()
	c := NewCommitter(nil, CommitterConfig{Workers: 2})
	for _, ids := range waiting {
		push(t, c, to(ids...))
	}
	batch := c.gather(c.inflight.newSlot(), nil)
	require.Equal(t, len(waiting)-len(batch), c.queue.total())
	return len(batch)
}

// Those who wait are shared out: no batch is so large that the other connection has nothing to do. But commands to one
// stream stay together: apart, one batch would only wait for the other.
func TestGather(t *testing.T) {
	t.Parallel()
	spread := func(n int) (streams [][]uuid.UUID) {
		for range n {
			streams = append(streams, []uuid.UUID{uuid.New(), uuid.New()})
		}
		return streams
	}
	hot := uuid.New()
	hotter := func(n int) (streams [][]uuid.UUID) {
		for range n {
			streams = append(streams, []uuid.UUID{uuid.New(), hot})
		}
		return streams
	}
	require.Equal(t, 1, gathered(t, spread(1)...))
	require.Equal(t, 5, gathered(t, spread(10)...))
	require.Equal(t, 6, gathered(t, spread(11)...))
	require.Equal(t, maxBatch, gathered(t, spread(4*maxBatch)...))
	require.Equal(t, 10, gathered(t, hotter(10)...))
	require.Equal(t, maxBatch, gathered(t, hotter(2*maxBatch)...))
	require.Equal(t, 10+9, gathered(t, append(hotter(10), spread(10)...)...), "ten of one stream count once")
}

// A command to a stream that a batch is writing is in the next batch of the same worker, with whatever else came for it.
func TestFlights(t *testing.T) {
	t.Parallel()
	c := NewCommitter(nil, CommitterConfig{Workers: 2})
	one, other := c.inflight.newSlot(), c.inflight.newSlot()
	hot, warm, cold := uuid.New(), uuid.New(), uuid.New()
	send := func(jobs ...*job) []*job { return push(t, c, jobs...) }
	first := send(to(hot))
	require.Equal(t, first, c.gather(one, nil))
	second := send(to(uuid.New(), hot), to(hot), to(cold), to(hot, warm))
	require.Equal(t, second[2:3], c.gather(other, nil), "the others follow")
	require.Zero(t, c.queue.total())
	third := send(to(warm), to(cold, hot))
	require.Equal(t, third[:1], c.gather(other, nil), "nobody writes to it yet")
	require.Zero(t, c.queue.total())

	next := c.inflight.finish(one, first, false)
	require.Equal(t, []*job{second[0], second[1], second[3], third[1]}, next, "in their order")
	require.Empty(t, c.inflight.finish(other, nil, false))
	fourth := send(to(hot), to(uuid.New()), to(cold))
	require.Equal(t, fourth[1:2], c.gather(other, nil), "what followed is being written now")
	require.Equal(t, []*job{fourth[0], fourth[2]}, c.inflight.finish(one, next, false))
	require.Empty(t, c.inflight.finish(one, nil, false))
	require.Empty(t, one.streams)

	many := []*job{to(hot)}
	for range 2*maxBatch + 10 {
		many = append(many, to(hot))
	}
	send(many[0])
	c.gather(one, nil)
	send(many[1:]...)
	require.Empty(t, c.gather(other, nil))
	next = c.inflight.finish(one, nil, false)
	require.Equal(t, many[1:maxBatch+1], next)
	send(to(hot))
	require.Empty(t, c.gather(other, nil), "it follows too")
	half := c.inflight.finish(one, next, true)
	require.Equal(t, many[maxBatch+1:maxBatch+1+maxBatch/2], half, "they leave the other half to those that wait")
	late := send(to(hot), to(uuid.New()))
	require.Equal(t, append(slices.Clone(half), late[1]), c.gather(one, half), "it stays behind those that came before")
	require.Len(t, c.inflight.finish(one, nil, false), maxBatch/2+10+2)

	c.inflight.most = 1
	require.Empty(t, c.inflight.finish(one, nil, false))
	send(many[0])
	require.Equal(t, many[:1], c.gather(one, nil))
	send(many[1], many[2])
	require.Equal(t, many[2:3], c.gather(other, nil), "no more than one follows: the queue stays bounded")
	require.Equal(t, 1, c.Waiting())
}
