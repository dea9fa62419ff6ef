package web

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// streams is the set of open streams.
type streams struct {
	mu       sync.Mutex
	open     map[*Events]struct{}
	stopping bool

	limits    StreamLimits
	entered   int                              // places taken: open streams, and those that are about to open
	subjects  map[string]map[*streamPlace]bool // places taken, by subject
	addresses map[string]int                   // places taken, by address
	refused   atomic.Int64                     // since the last warning
	warning   rate.Sometimes
}

// streamPlace is a place for a stream of a subject on an object, such as a checkout.
type streamPlace struct {
	subject, object, address string
	events                   *Events // nil until the stream is open
}

func newStreams(limits StreamLimits) *streams {
	return &streams{
		limits: limits, open: map[*Events]struct{}{}, subjects: map[string]map[*streamPlace]bool{}, addresses: map[string]int{},
		warning: rate.Sometimes{Interval: warningInterval},
	}
}

// enter takes the place. Without room, by says which limit is reached.
func (s *streams) enter(p *streamPlace) (by string) {
	by = s.tryEnter(p)
	if by == "object" || by == "subject" {
		s.dropGone(p.subject)
		by = s.tryEnter(p)
	}
	return by
}

func (s *streams) tryEnter(p *streamPlace) (by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by := s.full(p); by != "" {
		return by
	}
	if s.subjects[p.subject] == nil {
		s.subjects[p.subject] = map[*streamPlace]bool{}
	}
	s.subjects[p.subject][p] = true
	s.addresses[p.address]++
	s.entered++
	return ""
}

// full returns the limit that leaves no room; "" if there is room. The caller holds the mutex.
func (s *streams) full(p *streamPlace) string {
	reached := func(limit, taken int) bool { return limit > 0 && taken >= limit }
	switch of := s.subjects[p.subject]; {
	case reached(s.limits.PerSubject, len(of)):
		return "subject"
	case reached(s.limits.PerObject, s.onObject(p)):
		return "object"
	case reached(s.limits.PerAddress, s.addresses[p.address]):
		return "address"
	case reached(s.limits.Most, s.entered):
		return "all"
	}
	return ""
}

// onObject returns the number of places of the subject on the object. The caller holds the mutex.
func (s *streams) onObject(p *streamPlace) (n int) {
	if s.limits.PerObject == 0 {
		return 0
	}
	for other := range s.subjects[p.subject] {
		if other.object == p.object {
			n++
		}
	}
	return n
}

// leave frees the place.
func (s *streams) leave(p *streamPlace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entered--
	if delete(s.subjects[p.subject], p); len(s.subjects[p.subject]) == 0 {
		delete(s.subjects, p.subject)
	}
	if s.addresses[p.address]--; s.addresses[p.address] == 0 {
		delete(s.addresses, p.address)
	}
}

// dropGone closes the streams of a subject whose clients have left. The next heartbeat would notice that too, but until then a shopper
// who reloads a page a few times would be refused.
func (s *streams) dropGone(subject string) {
	s.mu.Lock()
	var all []*Events
	for p := range s.subjects[subject] {
		if p.events != nil {
			all = append(all, p.events)
		}
	}
	s.mu.Unlock()
	for _, e := range all {
		if e.isGone() {
			_ = e.conn.Close()
			e.End()
			<-e.done
		}
	}
}

// isGone reports whether the client has closed the connection.
func (e *Events) isGone() bool {
	_ = e.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // on a closed connection the read fails
	_, err := e.conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// add adds an open stream, unless the server stops.
func (s *streams) add(e *Events) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.place.events = e
	if s.stopping {
		return false
	}
	s.open[e] = struct{}{}
	return true
}

func (s *streams) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func (s *streams) remove(e *Events) {
	s.leave(e.place)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, e)
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// end ends all streams. When late is closed it cuts off those that are still writing.
func (s *streams) end(late <-chan struct{}) {
	s.mu.Lock()
	s.stopping = true
	all := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, e := range all {
		e.End()
	}
	for _, e := range all {
		select {
		case <-e.done:
		case <-late:
			_ = e.conn.Close()
			<-e.done
		}
	}
}

// warn logs at most every ten seconds that streams are refused.
func (s *streams) warn(log *slog.Logger, p *streamPlace, by string) {
	s.refused.Add(1)
	s.warning.Do(func() {
		log.Warn("event streams are refused: the limit is reached", "per", by, "last_subject", p.subject, "last_address", p.address,
			"last_object", p.object, "refused", s.refused.Swap(0))
	})
}

// OpenStreams returns the number of open streams of server-sent events.
func (s *Server) OpenStreams() int { return s.streams.count() }
