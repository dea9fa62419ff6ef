package saga

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/eventstore/memory"
	"shopping-cart/payment"
)

// A driver is one run of the program's own code on behalf of a message, a timer, a shopper or an operator: a handler, a route, the
// runner and all that they call. Its goroutines cannot be copied, but what they do follows from what they were answered. So a
// driver is kept as the answers that it got; to see what it asks next, it is run from its beginning and given them again, in a
// bubble with a clock of its own.

// actor is a value, too: each answer makes another one.
type actor struct {
	spec *spec
	born time.Duration
	got  *heard // nil: nothing yet
	sum  sum    // of what it is and what it was answered
	at   *point
}

// spec is what a driver is to do.
type spec struct {
	name    string // what it is to do, to tell it from all others
	saga    uuid.UUID
	message string // the id of the message that it handles
	briefly bool   // it is a request: nobody minds what it reads when it is done
	start   func(ctx context.Context, p *program) error
}

// heard is an answer, and those before.
type heard struct {
	before *heard
	key    string
	answer answer
	clock  time.Duration
}

// point is where a driver stands: what it asks, side by side, and whether what started it has returned.
type point struct {
	asks     []*question
	returned bool
	err      error
}

// question is what a driver asks of its store or its provider, and waits for.
type question struct {
	key   string // no other one of the driver has it
	store *eventstore.Store
	cmd   *eventstore.Command
	load  *uuid.UUID
	once  *eventstore.Once
	wish  *wish
	reply chan answer
}

// reads reports whether it changes nothing.
func (q *question) reads() bool { return q.load != nil || q.once != nil }

// answer answers a question.
type answer struct {
	receipt eventstore.Receipt
	row     memory.Row
	yes     bool
	said    payment.Answer
	report  payment.Report
	err     error
	sum     sum
}

// replay is a driver being run.
type replay struct {
	dead chan struct{}

	mu       sync.Mutex
	open     []*question
	returned bool
	err      error
}

// ask waits for the answer. A driver that is run no further ends here.
func (r *replay) ask(q *question) answer {
	q.reply = make(chan answer, 1)
	r.mu.Lock()
	r.open = append(r.open, q)
	r.mu.Unlock()
	select {
	case a := <-q.reply:
		return a
	case <-r.dead:
		runtime.Goexit()
	}
	panic("unreachable")
}

func (r *replay) reply(key string, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.open, func(q *question) bool { return q.key == key })
	if i < 0 {
		panic(fmt.Sprintf("run again, it does not ask for %s but for %v", key, r.keys()))
	}
	r.open[i].reply <- a
	r.open = slices.Delete(r.open, i, i+1)
}

func (r *replay) keys() (all []string) {
	for _, q := range r.open {
		all = append(all, q.key)
	}
	return all
}

// stands is where the driver has come to.
func (r *replay) stands() *point {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.open, func(a, b *question) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(r.open); i++ {
		if r.open[i].key == r.open[i-1].key {
			panic("it asks twice at once for " + r.open[i].key)
		}
	}
	return &point{asks: r.open, returned: r.returned, err: r.err}
}

// run runs a driver up to where it waits for an answer that it did not get yet.
func (p *program) run(t *testing.T, d *actor) (at *point) {
	var got []*heard
	for h := d.got; h != nil; h = h.before {
		got = append(got, h)
	}
	p.replays++
	synctest.Test(t, func(*testing.T) {
		start := time.Now()
		until := func(clock time.Duration) { time.Sleep(clock - time.Since(start)) }
		r := &replay{dead: make(chan struct{})}
		p.fresh(r)
		until(d.born)
		ctx, hangUp := context.WithCancel(context.Background())
		go func() {
			err := d.spec.start(ctx, p)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.returned, r.err = true, err
		}()
		for _, h := range slices.Backward(got) {
			synctest.Wait()
			until(h.clock)
			r.reply(h.key, h.answer)
		}
		synctest.Wait()
		at = r.stands()
		close(r.dead)
		hangUp()
		time.Sleep(time.Hour) // whatever waits for a time-out gets it
	})
	return at
}

// fresh makes the program as it is after its start, answered by the replay.
func (p *program) fresh(r *replay) {
	m := p.sagas
	p.now = r
	m.watch = &watch{draining: p.draining, waiting: map[uuid.UUID][]chan eventstore.Stream[State]{}}
	m.runner = &runner{
		store: m.store, send: m.send, patience: m.Patience, ended: m.Ended, log: m.Log, watch: m.watch, active: map[uuid.UUID]*drive{},
	}
}

// Do, Load and Answered are what the stores ask in place of a database.
func (p *program) Do(_ context.Context, s *eventstore.Store, cmd eventstore.Command) (eventstore.Receipt, error) {
	ids := make([]string, len(cmd.Streams))
	for i, ref := range cmd.Streams {
		ids[i] = p.called(ref.ID)
	}
	a := p.now.ask(&question{key: "write " + strings.Join(ids, ", "), store: s, cmd: &cmd})
	return a.receipt, a.err
}

func (p *program) Load(_ context.Context, s *eventstore.Store, id uuid.UUID) (memory.Row, error) {
	a := p.now.ask(&question{key: "read " + p.called(id), store: s, load: &id})
	return a.row, a.err
}

func (p *program) Answered(_ context.Context, s *eventstore.Store, o eventstore.Once) (bool, error) {
	if o.ID == uuid.Nil {
		return false, nil
	}
	a := p.now.ask(&question{key: "read the receipts of " + s.Schema(), store: s, once: &o})
	return a.yes, a.err
}

// wire leads from the program to the bank.
type wire struct{ p *program }

var errNoAnswer = errors.New("no answer came in time")

func (w wire) ask(op string, c payment.Call) answer {
	wish := wish{op, c}
	return w.p.now.ask(&question{key: "ask the bank to " + strings.ReplaceAll(wish.String(), "_", " ") + " " + w.p.named(c.Reference), wish: &wish})
}

func (w wire) call(op string, c payment.Call) (payment.Answer, error) {
	a := w.ask(op, c)
	return a.said, a.err
}

func (wire) Name() string { return "bank" }
func (w wire) Authorize(_ context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(opAuthorize, c)
}
func (w wire) Capture(_ context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(opCapture, c)
}
func (w wire) Void(_ context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(opVoid, c)
}
func (w wire) Refund(_ context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(opRefund, c)
}
func (w wire) LookUp(_ context.Context, c payment.Call) (payment.Report, error) {
	a := w.ask(opLookUp, c)
	return a.report, a.err
}
func (wire) Verify(http.Header, []byte) (payment.Notification, error) {
	return payment.Notification{}, errors.New("the exploration wakes payments itself")
}
