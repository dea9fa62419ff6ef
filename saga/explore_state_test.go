package saga

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// state is all there is at one moment: a value that is copied, never changed in place, but for the copy that a move makes.
type state struct {
	clock    time.Duration // since the beginning
	rows     []stored      // by id
	receipts []receipt
	messages []*message // of the outbox
	drivers  []*actor
	bank     *bank
	bankSum  sum
	wire     []underway // calls that nobody waits for any more, on their way to the bank
	budget   budget
}

// underway is a call that nobody waits for.
type underway struct {
	wish
	sent time.Duration
}

type stored struct {
	id  uuid.UUID
	row eventstore.Row
	sum sum
}

type receipt struct {
	id  uuid.UUID
	sum sum
	eventstore.Receipt
}

// message is an event that a reaction must still see.
type message struct {
	eventstore.Recorded
	id     string
	title  string // for stories
	schema string
	saga   uuid.UUID // that it concerns
	sums   [2]sum    // to handle, and handled
	once   bool      // it was handled: it may come again, but need not
}

// budget is how much may still happen: of mishaps in all, and of each thing that people do.
type budget [kinds]int8

const (
	mishaps     = iota
	webhooks    // news that are none
	cancels     // the shopper does not want it any more
	compensates // nor does the shop
	edits       // of a cart that is being checked out
	returns     // the confirmed order is cancelled
	fulfilments // or sent
	refundings  // or partly refunded
	counts      // somebody finds less on the shelf
	denials     // the provider refuses a refund for good
	settlements // an operator's word
	patiences   // an operator tries again
	elsewheres  // money goes back without a call of ours
	kinds
)

// mishap is what can go wrong.
type mishap uint16

const (
	crash   mishap = 1 << iota // of a process
	loss                       // of a provider's answer; the call itself may come through much later, or never
	refusal                    // of a call, for want of the provider
	outage                     // of our database: the commit's answer is lost, or there was none
	repeat                     // of a message that was handled, or is being handled
	freeze                     // a process stands still, and another one takes over
	leap                       // much time passes at once

	anyMishap = crash | loss | refusal | outage | repeat | freeze | leap
)

// may reports whether it may still happen.
func (x *exploration) may(s *state, m mishap) bool { return s.budget[mishaps] > 0 && x.mishaps&m != 0 }

func (s *state) clone() *state {
	n := *s
	return &n
}

func (s *state) find(id uuid.UUID) eventstore.Row {
	for i := range s.rows {
		if s.rows[i].id == id {
			return s.rows[i].row
		}
	}
	return eventstore.Row{}
}

// put replaces rows, by id in order.
func (s *state) put(changed map[uuid.UUID]eventstore.Row) {
	s.rows = slices.Clone(s.rows)
	for id, row := range changed {
		i, found := slices.BinarySearchFunc(s.rows, id, func(r stored, id uuid.UUID) int { return bytes.Compare(r.id[:], id[:]) })
		if !found {
			s.rows = slices.Insert(s.rows, i, stored{})
		}
		s.rows[i] = stored{id, row, sumOfRow(id, row)}
	}
}

func (s *state) sumOf(id uuid.UUID) sum {
	for i := range s.rows {
		if s.rows[i].id == id {
			return s.rows[i].sum
		}
	}
	return sum{}
}

func (s *state) receipt(id uuid.UUID) *eventstore.Receipt {
	for i := range s.receipts {
		if s.receipts[i].id == id {
			return &s.receipts[i].Receipt
		}
	}
	return nil
}

func (s *state) setBank(b *bank) {
	if s.bank != b {
		s.bank, s.bankSum = b, sumOf(encoded(b))
	}
}

// sum is of all that can matter from here on.
func (s *state) sum() sum {
	all := sumOf(number(s.clock), s.bankSum.bytes(), s.budget.bytes())
	for _, r := range s.rows {
		all = all.and(r.sum)
	}
	for _, r := range s.receipts {
		all = all.and(r.sum)
	}
	for _, m := range s.messages {
		if !m.once || s.budget[mishaps] > 0 {
			all = all.and(m.sum(m.once))
		}
	}
	for _, d := range s.drivers {
		all = all.and(sumOf([]byte("driver"), d.sum.bytes()))
	}
	for _, w := range s.wire {
		all = all.and(sumOf([]byte("wire"), []byte(w.Key), number(w.sent)))
	}
	return all
}

func (b budget) bytes() []byte {
	out := make([]byte, len(b))
	for i, n := range b {
		out[i] = byte(n)
	}
	return out
}

func number[N ~int64](n N) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

func (m *message) sum(once bool) sum {
	if once {
		return m.sums[1]
	}
	return m.sums[0]
}

func (s *state) without(d *actor) []*actor {
	return slices.DeleteFunc(slices.Clone(s.drivers), func(other *actor) bool { return other == d })
}

func (s *state) replace(d, by *actor) {
	s.drivers = slices.Clone(s.drivers)
	s.drivers[slices.Index(s.drivers, d)] = by
}

// waiting are the messages that somebody must still handle.
func (s *state) waiting() (all []*message) {
	for _, m := range s.messages {
		taken := slices.ContainsFunc(s.drivers, func(d *actor) bool { return d.spec.message == m.id && !d.at.returned })
		if !m.once && !taken {
			all = append(all, m)
		}
	}
	return all
}

// driven reports whether a process is busy with a saga.
func (s *state) driven(saga uuid.UUID) bool {
	return slices.ContainsFunc(s.drivers, func(d *actor) bool { return d.spec.saga == saga })
}

func (s *state) saga(id uuid.UUID) (State, bool) {
	st, ok := s.find(id).State.(State)
	return st, ok
}

func (s *state) now() time.Time { return beginning.Add(s.clock) }

// beginning is when the clock of every bubble starts.
var beginning = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// due reports whether a sweep would take a saga up, now or in a moment. Who has tried often must wait for time to pass: at one
// moment alone a doubt would last for ever.
func (s *state) due(id uuid.UUID) bool {
	st, ok := s.saga(id)
	wake := wakeAt(st)
	often := st.At.Equal(s.now()) && slices.ContainsFunc(st.Steps, func(step Step) bool { return step.Status == StepRetrying && step.Attempts > mostAtOnce })
	return ok && !often && !wake.IsZero() && wake.Sub(s.now()) < grain
}

// mostAtOnce is how often a step is tried before time must pass: more often than things go wrong.
const mostAtOnce = 4
