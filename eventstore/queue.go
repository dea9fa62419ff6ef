package eventstore

import (
	"sync"
	"time"

	"shopping-cart/platform/fault"
)

// errSubjectBusy is returned when a subject has as many commands under way as it may.
var errSubjectBusy = fault.New(fault.TooMany, "too_many_requests", "Too many of your requests are under way. Wait for their answers.").After(time.Second)

// lane is a part of the queue with a share of each batch, whatever waits in the other lanes.
type lane uint8

const (
	background lane = iota // the program's own work: sagas, timers, webhooks
	operators
	public
	allLanes
)

// Lanes are the names of the lanes.
var Lanes = [...]string{background: "background", operators: "operators", public: "public"}

// laneOf returns the lane of a command.
func laneOf(c *Command) lane {
	switch {
	case c.Subject == "":
		return background
	case c.Operator:
		return operators
	}
	return public
}

// weights are the commands that a lane may give before the next lane has its turn. Sagas come first, since a checkout that began
// holds stock and money, and since each public command that begins one needs several commands of its saga.
var weights = [allLanes]int{background: 4, operators: 2, public: 1}

// subjectPart is the part of a lane's commands that one subject may have under way, and subjectLeast how many it may always have.
const (
	subjectPart  = 16
	subjectLeast = 16
)

// queue holds the commands that no batch has taken. Lanes have turns by weight, and the subjects of a lane one after the other. The
// commands of one subject stay in order.
type queue struct {
	most  int           // commands that may wait in each lane
	ready chan struct{} // holds a value if commands may wait that no worker knows of

	mu      sync.Mutex
	lanes   [allLanes]laneQueue
	turn    lane
	left    int      // commands that the lane may still give in this turn
	waiting int      // in all lanes
	unused  *subject // a list, so that subjects need no allocation
}

// laneQueue holds the subjects of one lane.
type laneQueue struct {
	subjects    map[string]*subject // that have commands under way
	first, last *subject            // a list of those whose commands wait
	waiting     int
}

// subject holds the commands of one subject in one lane.
type subject struct {
	name        string
	underway    int      // commands that wait, or that a batch has taken and not answered
	first, last *job     // a list of those that wait
	next        *subject // in the list that holds it
}

func newQueue(most int) *queue {
	q := &queue{most: most, ready: make(chan struct{}, 1), turn: background, left: weights[background]}
	for l := range q.lanes {
		q.lanes[l].subjects = map[string]*subject{}
	}
	return q
}

// push adds a command, or refuses it if its lane is full or its subject has too many under way.
func (q *queue) push(j *job) error {
	if err := q.add(laneOf(j.Command), j); err != nil {
		return err
	}
	q.wake()
	return nil
}

// wake makes a waiting worker look for commands.
func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue) add(in lane, j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.lanes[in]
	s := l.subjects[j.Subject]
	switch {
	case s != nil && in != background && s.underway >= max(subjectLeast, q.most/subjectPart):
		return errSubjectBusy
	case l.waiting >= q.most:
		return ErrBusy
	case s == nil:
		s = q.newSubject(j.Subject)
		l.subjects[j.Subject] = s
	}
	s.underway++
	l.waiting++
	q.waiting++
	j.subject = s
	if s.first == nil {
		s.first = j
		l.append(s)
	} else {
		s.last.next = j
	}
	s.last = j
	return nil
}

// pop removes the next command. It returns nil if none waits.
func (q *queue) pop() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == 0 {
		return nil
	}
	for q.left == 0 || q.lanes[q.turn].waiting == 0 {
		q.turn = (q.turn + 1) % allLanes
		q.left = weights[q.turn]
	}
	q.left--
	q.waiting--
	return q.lanes[q.turn].pop()
}

// pop removes the oldest command of the first subject, which becomes the last if it has more.
func (l *laneQueue) pop() *job {
	s := l.first
	l.first = s.next
	j := s.first
	s.first, j.next = j.next, nil
	if s.first != nil {
		l.append(s)
	}
	l.waiting--
	return j
}

// append puts a subject behind the others.
func (l *laneQueue) append(s *subject) {
	s.next = nil
	if l.first == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
}

// release ends a command that was popped. Its subject may send another one.
func (q *queue) release(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := j.subject
	if s.underway--; s.underway > 0 {
		return
	}
	delete(q.lanes[laneOf(j.Command)].subjects, s.name)
	*s = subject{next: q.unused}
	q.unused = s
}

func (q *queue) newSubject(name string) *subject {
	s := q.unused
	if s == nil {
		return &subject{name: name}
	}
	q.unused = s.next
	*s = subject{name: name}
	return s
}

// length returns the number of commands that wait in a lane.
func (q *queue) length(in int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lanes[in].waiting
}

// total returns the number of commands that wait.
func (q *queue) total() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}
