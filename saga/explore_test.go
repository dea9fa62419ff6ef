package saga

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// exploration goes through all that can happen to a scene, once each.
type exploration struct {
	t         *testing.T
	program   *program
	shoppings []shopping
	free      bool   // there is nothing to pay
	source    string // the hash of the shoppers' address
	tempers   tempers
	mishaps   mishap // what can go wrong
	troubled  bool   // something went wrong before the start
	atOnce    int    // drivers
	start     *state

	happened []eventstore.Recorded // in the move being made

	seen        map[sum]int32
	parent      []int32
	choice      []uint16
	calm        []int32 // the state that comes next when all goes well; -1: none, it is an end
	depth       []uint16
	transitions int
	ends        map[string]int
}

func newExploration(t *testing.T) *exploration {
	return &exploration{t: t, program: newProgram(), atOnce: 2, mishaps: anyMishap, seen: map[sum]int32{}, ends: map[string]int{}}
}

// run goes breadth first, so that what breaks a promise is told by its shortest story.
func (x *exploration) run(start *state) {
	began := time.Now()
	x.start = start
	frontier := []*state{start}
	x.visit(start.sum(), -1, 0)
	at := int32(0)
	for len(frontier) > 0 {
		var next []*state
		for i, s := range frontier {
			frontier[i] = nil
			next = x.expand(at, s, next)
			at++
		}
		frontier = next
	}
	x.ending()
	kinds := make([]string, 0, len(x.ends))
	for end, n := range x.ends {
		kinds = append(kinds, fmt.Sprintf("%s: %d", end, n))
	}
	slices.Sort(kinds)
	x.t.Logf("%d states, %d transitions, up to %d deep, %d drivers run, in %s\n    %s", len(x.parent), x.transitions,
		slices.Max(x.depth), x.program.replays, time.Since(began).Round(time.Millisecond), strings.Join(kinds, "\n    "))
}

func (x *exploration) visit(sum sum, from int32, choice int) (id int32, isNew bool) {
	if id, ok := x.seen[sum]; ok {
		return id, false
	}
	id = int32(len(x.parent))
	x.seen[sum] = id
	x.parent, x.choice, x.calm = append(x.parent, from), append(x.choice, uint16(choice)), append(x.calm, -1)
	depth := uint16(0)
	if from >= 0 {
		depth = x.depth[from] + 1
	}
	x.depth = append(x.depth, depth)
	return id, true
}

// deepest is more than any story takes that comes to an end.
const deepest = 120

// expand makes every move from a state, and looks at what comes of it.
func (x *exploration) expand(at int32, s *state, next []*state) []*state {
	if x.depth[at] > deepest {
		x.broken(at, nil, -1, errors.New("it goes on for ever"))
	}
	moves := x.moves(s)
	best := calmest(moves)
	for i, m := range moves {
		n := s.clone()
		x.step(n, m)
		x.transitions++
		id, isNew := x.visit(n.sum(), at, i)
		if i == best {
			x.calm[at] = id
		}
		if err := x.promised(s, n); err != nil {
			x.broken(at, s, i, err)
		}
		if isNew {
			next = append(next, n)
		}
	}
	if best < 0 || moves[best].calm == comesLate {
		if err := x.atTheEnd(s); err != nil {
			x.broken(at, nil, -1, err)
		}
	}
	if x.calm[at] < 0 {
		x.ends[x.outcome(s)]++
	}
	return next
}

// calmest is the move that comes when nothing goes wrong any more; -1: there is none.
func calmest(moves []move) int {
	best := -1
	for i, m := range moves {
		if m.calm != never && (best < 0 || m.calm < moves[best].calm) {
			best = i
		}
	}
	return best
}

// step makes a move, and lets every driver come to where it waits.
func (x *exploration) step(s *state, m move) {
	x.happened = x.happened[:0]
	m.do(s)
	x.settle(s)
}

// settle runs drivers up to where they wait. A message is handled when its handler has returned; a driver that asks nothing more
// is done.
func (x *exploration) settle(s *state) {
	for i := 0; i < len(s.drivers); {
		d := s.drivers[i]
		returned := d.at != nil && d.at.returned
		at, ok := x.program.points[d.sum]
		if !ok {
			at = x.program.run(x.t, d)
			x.program.points[d.sum] = at
		}
		if d.at != at {
			d = &actor{spec: d.spec, born: d.born, got: d.got, sum: at.sum, at: at}
			s.drivers = slices.Clone(s.drivers)
			s.drivers[i] = d
		}
		if at.returned && !returned && at.err == nil {
			x.handled(s, d.spec.message)
		}
		if len(at.asks) == 0 {
			s.drivers = s.without(d)
			continue
		}
		if q := firstRead(at); q != nil && (d.got == nil || d.spec.briefly || x.eager()) {
			x.answer(s, d, q, x.serve(s, q))
			continue
		}
		i++
	}
}

// eager: what is read without being changed is read at once. It may be old by the time that it is used all the same.
func (x *exploration) eager() bool { return true }

func firstRead(at *point) *question {
	for _, q := range at.asks {
		if q.reads() {
			return q
		}
	}
	return nil
}

func (x *exploration) handled(s *state, id string) {
	i := slices.IndexFunc(s.messages, func(m *message) bool { return m.id == id })
	if i < 0 || s.messages[i].once {
		return
	}
	m := *s.messages[i]
	m.once = true
	s.messages = slices.Clone(s.messages)
	s.messages[i] = &m
	if x.mishaps&repeat == 0 || s.budget[mishaps] == 0 {
		s.messages = slices.Delete(s.messages, i, i+1)
	}
}

// ending: from every state, when nothing goes wrong any more, all comes to its end.
func (x *exploration) ending() {
	good := make([]bool, len(x.calm))
	for id := range x.calm {
		var path []int32
		for at := int32(id); at >= 0 && !good[at]; at = x.calm[at] {
			if len(path) > 1000 {
				x.broken(int32(id), nil, -1, errEndless)
			}
			path = append(path, at)
		}
		for _, at := range path {
			good[at] = true
		}
	}
}

var errEndless = errors.New("it comes to no end, though nothing goes wrong any more")

// broken tells how a promise came to be broken. What has no end is told some way on.
func (x *exploration) broken(at int32, s *state, last int, why error) {
	var choices []int
	for id := at; id > 0; id = x.parent[id] {
		choices = append(choices, int(x.choice[id]))
	}
	slices.Reverse(choices)
	if last >= 0 {
		choices = append(choices, last)
	}
	var story strings.Builder
	now := x.start
	makes := func(m move) {
		now = now.clone()
		x.step(now, m)
		fmt.Fprintf(&story, "  %s\n", m.what())
		for _, e := range x.happened {
			fmt.Fprintf(&story, "        → %s: %s\n", x.program.called(e.Stream), e.Type)
		}
	}
	for _, c := range choices {
		makes(x.moves(now)[c])
	}
	for range 60 {
		moves := x.moves(now)
		best := calmest(moves)
		if why != errEndless || best < 0 {
			break
		}
		makes(moves[best])
	}
	require.FailNow(x.t, "a promise is broken: "+why.Error(), "%d states were explored before. The shortest story:\n%s\n  then: %s",
		len(x.parent), story.String(), x.describe(now))
}
