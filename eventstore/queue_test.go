package eventstore

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// from is a command of a subject in a lane.
func from(in lane, name string) *job {
	j := to(uuid.New())
	if in != background {
		j.Subject, j.Operator = name, in == operators
	}
	return j
}

// queueModel is the queue as lists, with what it gave.
type queueModel struct {
	*queue
	waiting map[lane]map[string][]*job // in order
	popped  []*job                     // that are not released
	ahead   map[*job]map[string]bool   // by the oldest command of a subject: the subjects of its lane that had a turn since it is the oldest
	turns   map[lane][]lane            // the lanes of the last commands, while a lane was not empty
}

// TestQueue sends, takes and ends commands in any order, and compares with the model. Every lane and every subject that waits gets its
// share, the commands of one subject stay in order, and none is lost or comes twice.
func TestQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int{1, 3, 40, 400}).Draw(t, "most")
		m := &queueModel{
			queue: newQueue(most), waiting: map[lane]map[string][]*job{}, ahead: map[*job]map[string]bool{}, turns: map[lane][]lane{},
		}
		for l := range allLanes {
			m.waiting[l] = map[string][]*job{}
		}
		flood := rapid.IntRange(1, 30).Draw(t, "flood") // commands of one subject in a row
		t.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"push":    func(t *rapid.T) { m.send(t, 1) },
			"flood":   func(t *rapid.T) { m.send(t, flood) },
			"pop":     m.take,
			"release": m.end,
		})
		for m.total() > 0 {
			m.take(t)
		}
		for len(m.popped) > 0 {
			m.end(t)
		}
		for l := range m.lanes {
			require.Empty(t, m.lanes[l].subjects)
		}
	})
}

func (m *queueModel) send(t *rapid.T, many int) {
	in := rapid.SampledFrom([]lane{background, operators, public}).Draw(t, "lane")
	name := rapid.SampledFrom([]string{"ada", "bob", "cy", "dan"}).Draw(t, "subject")
	for range many {
		j := from(in, name)
		err := m.push(j)
		switch waits := m.waiting[in][j.Subject]; {
		case in != background && len(waits)+m.taken(in, name) >= max(subjectLeast, m.most/subjectPart):
			require.ErrorIs(t, err, errSubjectBusy)
		case m.inLane(in) >= m.most:
			require.ErrorIs(t, err, ErrBusy)
		default:
			require.NoError(t, err)
			require.Len(t, m.ready, 1, "a worker will look")
			if len(waits) == 0 {
				m.ahead[j] = map[string]bool{}
			}
			m.waiting[in][j.Subject] = append(waits, j)
		}
	}
}

// taken counts the commands of a subject that are popped and not released.
func (m *queueModel) taken(in lane, name string) (n int) {
	for _, j := range m.popped {
		if laneOf(j.Command) == in && j.Subject == name {
			n++
		}
	}
	return n
}

func (m *queueModel) inLane(in lane) (n int) {
	for _, jobs := range m.waiting[in] {
		n += len(jobs)
	}
	return n
}

func (m *queueModel) take(t *rapid.T) {
	waiting := map[lane]bool{}
	for l := range allLanes {
		waiting[l] = m.inLane(l) > 0
	}
	j := m.pop()
	if j == nil {
		require.Empty(t, waiting[background] || waiting[operators] || waiting[public])
		return
	}
	in := laneOf(j.Command)
	jobs := m.waiting[in][j.Subject]
	require.NotEmpty(t, jobs, "it comes once")
	require.Same(t, jobs[0], j, "a subject's commands stay in order")
	m.popped = append(m.popped, j)
	m.takeTurn(t, in, j)
	m.takeShare(t, in, waiting)
}

// takeTurn requires that no subject has two turns while another one waits for its turn.
func (m *queueModel) takeTurn(t *rapid.T, in lane, j *job) {
	jobs := m.waiting[in][j.Subject][1:]
	delete(m.waiting[in], j.Subject)
	for name, others := range m.waiting[in] {
		require.False(t, m.ahead[others[0]][j.Subject], "%s had a second turn before %s", j.Subject, name)
		m.ahead[others[0]][j.Subject] = true
	}
	delete(m.ahead, j)
	if len(jobs) > 0 {
		m.ahead[jobs[0]] = map[string]bool{}
		m.waiting[in][j.Subject] = jobs
	}
}

// takeShare requires that of any seven commands in a row, each lane that was never empty gave as many as its weight.
func (m *queueModel) takeShare(t *rapid.T, in lane, waiting map[lane]bool) {
	const all = 4 + 2 + 1
	for l := range allLanes {
		if !waiting[l] {
			m.turns[l] = nil
			continue
		}
		m.turns[l] = append(m.turns[l], in)
		if len(m.turns[l]) < all {
			continue
		}
		given := 0
		for _, of := range m.turns[l][len(m.turns[l])-all:] {
			if of == l {
				given++
			}
		}
		require.GreaterOrEqual(t, given, weights[l])
	}
}

func (m *queueModel) end(t *rapid.T) {
	if len(m.popped) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.popped)-1).Draw(t, "which")
	m.release(m.popped[i])
	m.popped = append(m.popped[:i], m.popped[i+1:]...)
}

func (m *queueModel) check(t *rapid.T) {
	all := 0
	for l := range allLanes {
		known := map[string]bool{}
		for name := range m.waiting[l] {
			known[name] = true
		}
		for _, j := range m.popped {
			if laneOf(j.Command) == l {
				known[j.Subject] = true
			}
		}
		require.Len(t, m.lanes[l].subjects, len(known), "no subject stays without a command")
		require.Equal(t, m.inLane(l), m.length(int(l)))
		all += m.inLane(l)
	}
	require.Equal(t, all, m.total())
}

// TestQueueAllocatesNothing checks that a command costs the queue no memory.
func TestQueueAllocatesNothing(t *testing.T) {
	q := newQueue(100)
	jobs := []*job{from(public, "ada"), from(public, "bob"), from(background, "")}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		for _, j := range jobs {
			_ = q.push(j)
		}
		for range jobs {
			q.release(q.pop())
		}
	}))
}

// TestQueueOfManyCallers sends and takes at once. Nothing is lost, and nothing comes twice.
func TestQueueOfManyCallers(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 500
	q := newQueue(callers * each)
	var senders, workers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for i := range callers {
		senders.Go(func() {
			for range each {
				for q.push(from(lane(i)%allLanes, fmt.Sprint(i))) != nil {
					runtime.Gosched() // a worker must end some first
				}
			}
		})
	}
	got := make(chan *job, callers*each)
	for range 2 {
		workers.Go(func() {
			for {
				select {
				case <-q.ready:
				case <-ctx.Done():
				}
				for j := q.pop(); j != nil; j = q.pop() {
					q.release(j)
					got <- j
				}
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	senders.Wait()
	stop()
	workers.Wait()
	seen := map[*job]bool{}
	for range callers * each {
		seen[<-got] = true
	}
	require.Len(t, seen, callers*each)
	require.Zero(t, q.total())
}

func BenchmarkQueue(b *testing.B) {
	b.ReportAllocs()
	q, j := newQueue(100), from(public, "ada")
	for b.Loop() {
		_ = q.push(j)
		<-q.ready
		q.release(q.pop())
	}
}
