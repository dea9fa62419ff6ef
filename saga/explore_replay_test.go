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

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
)

// A driver is one run of the program's own code on behalf of a message, a timer, a shopper or an operator: a handler, a route, the
// runner and all that they call. Its goroutines cannot be copied, but what they do follows from what they were answered. So a
// driver is kept as the answers that it got; to see what it asks next, it is run from its beginning and given them again, in a
// bubble with a clock of its own.

// actor is a driver, a value too: each answer makes another one.
type actor struct {
	spec *spec
	born time.Duration
	got  *heard // nil: nothing yet
	sum  sum    // of what it is, and of what it was answered that can still matter to it
	at   *point
}

// asked is when it asked what it asks now.
func (d *actor) asked() time.Duration {
	if d.got == nil {
		return d.born
	}
	return d.got.clock
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
	sum      sum
}

// question is what a driver asks of its store or its provider, and waits for.
type question struct {
	key   string // no other one of the driver has it
	store *eventstore.Store
	chain []eventstore.Link
	load  *uuid.UUID
	once  *eventstore.IdempotencyKey
	wish  *wish
	by    *strand
	reply chan answer
}

// strand is what asks: the runner itself (nil), whoever started the driver, or one attempt of a step. Of an attempt that is over,
// nothing is left in the program but how it came out.
type strand struct {
	name  string
	began time.Time
	over  []byte // how it came out, and when
}

type byStrand struct{}

// remembered is an answer that can still matter.
type remembered struct {
	by   *strand
	sum  sum
	read bool
}

// reads reports whether it changes nothing.
func (q *question) reads() bool { return q.load != nil || q.once != nil }

// wroteSaga reports whether a chain has written to its saga.
func (q *question) wroteSaga(a answer) bool {
	for i, r := range a.results {
		if q.chain[i].Store.Schema() == "saga" && r.Err == nil {
			return true
		}
	}
	return false
}

// answer answers a question.
type answer struct {
	results []eventstore.Result
	row     eventstore.Row
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
	strands  []*strand
	memory   []remembered
	returned bool
	err      error
}

// attempt runs one attempt of a step. call returns how it came out.
func (r *replay) attempt(ctx context.Context, step string, call func(context.Context) Outcome) {
	st := &strand{name: step, began: time.Now()}
	o := call(context.WithValue(ctx, byStrand{}, st))
	r.mu.Lock()
	defer r.mu.Unlock()
	st.over = append(encoded(o), encoded([]time.Time{st.began, time.Now()})...)
	r.strands = append(r.strands, st)
}

// watched are the modules of a runner. A replay sees each of its attempts.
func (r *replay) watched(to Modules) Modules {
	return Modules{Carts: watchedCarts{to.Carts, r}, Orders: watchedOrders{to.Orders, r}, Payments: watchedPayments{to.Payments, r}}
}

type watchedCarts struct {
	Carts
	r *replay
}

func (c watchedCarts) Handle(ctx context.Context, id, saga uuid.UUID, cmd cart.Command) (err error) {
	c.r.attempt(ctx, stepOfCart(cmd), func(ctx context.Context) Outcome {
		err = c.Carts.Handle(ctx, id, saga, cmd)
		return outcomeOf(err)
	})
	return err
}

type watchedOrders struct {
	Orders
	r *replay
}

func (o watchedOrders) Handle(ctx context.Context, id, saga uuid.UUID, cmd order.Command) (err error) {
	o.r.attempt(ctx, stepOf(cmd), func(ctx context.Context) Outcome {
		err = o.Orders.Handle(ctx, id, saga, cmd)
		return outcomeOf(err)
	})
	return err
}

type watchedPayments struct {
	Payments
	r *replay
}

// attempt also keeps how far the chain of the attempt came: which of its commands are done.
func (p watchedPayments) attempt(
	ctx context.Context, step string, then *payment.FollowUp, call func(context.Context) (payment.Outcome, error),
) (o payment.Outcome, err error) {
	p.r.attempt(ctx, step, func(ctx context.Context) Outcome {
		o, err = call(ctx)
		came := outcomeOfPayment(o, err)
		if then != nil {
			for _, r := range then.Results {
				came.Error += fmt.Sprint("; ", r.Err, r.Stopped)
			}
		}
		return came
	})
	return o, err
}

func (p watchedPayments) Charge(ctx context.Context, saga uuid.UUID, c payment.Charge) (payment.Outcome, error) {
	return p.attempt(ctx, ChargeMoney, c.Then, func(ctx context.Context) (payment.Outcome, error) { return p.Payments.Charge(ctx, saga, c) })
}

func (p watchedPayments) Undo(ctx context.Context, saga uuid.UUID, u payment.Undo) (payment.Outcome, error) {
	return p.attempt(ctx, UndoPayment, u.Then, func(ctx context.Context) (payment.Outcome, error) { return p.Payments.Undo(ctx, saga, u) })
}

func (p watchedPayments) Refund(ctx context.Context, saga uuid.UUID, r payment.Refund) (payment.Outcome, error) {
	return p.attempt(ctx, RefundMoney, r.Then, func(ctx context.Context) (payment.Outcome, error) { return p.Payments.Refund(ctx, saga, r) })
}

func (p watchedPayments) Verify(ctx context.Context, saga uuid.UUID, v payment.Verify) (payment.Outcome, error) {
	return p.attempt(ctx, VerifyPayment, nil, func(ctx context.Context) (payment.Outcome, error) { return p.Payments.Verify(ctx, saga, v) })
}

// remember keeps what an answer means to whoever asked. What a runner has written to its saga is all that it knows of before, but for what it
// has just read for the commands that follow.
func (r *replay) remember(q *question, a answer, clock time.Duration) {
	if q.by == nil && q.wroteSaga(a) {
		read := len(r.memory)
		for read > 0 && r.memory[read-1].by == nil && r.memory[read-1].read {
			read--
		}
		just := slices.Clone(r.memory[read:])
		r.memory = append(slices.DeleteFunc(r.memory[:read], func(m remembered) bool { return m.by == nil || m.by.over != nil }), just...)
		r.strands = nil
	}
	nth := byte(0)
	for _, m := range r.memory {
		if m.by == q.by {
			nth++
		}
	}
	r.memory = append(r.memory, remembered{q.by, sumOf([]byte(q.key), []byte{nth}, a.sum.bytes(), number(clock)), q.reads()})
}

// sum is of all that the driver may remember.
func (r *replay) sum(d *actor) sum {
	all := sumOf([]byte(d.spec.name), number(d.born), fmt.Append(nil, r.returned))
	for _, m := range r.memory {
		if m.by == nil || m.by.over == nil {
			all = all.and(m.sum)
		}
	}
	for _, st := range r.strands {
		all = all.and(sumOf([]byte(st.name), st.over))
	}
	return all
}

// ask waits for the answer. A driver that is run no further ends here.
func (r *replay) ask(ctx context.Context, q *question) answer {
	q.reply = make(chan answer, 1)
	q.by, _ = ctx.Value(byStrand{}).(*strand)
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

func (r *replay) reply(key string, a answer, clock time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := len(r.open)
	r.open = slices.DeleteFunc(r.open, func(q *question) bool {
		if q.key == key {
			r.remember(q, a, clock)
			q.reply <- a
		}
		return q.key == key
	})
	if len(r.open) == asked {
		panic(fmt.Sprintf("run again, it does not ask for %s", key))
	}
}

// stands is where the driver has come to.
func (r *replay) stands() *point {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.open, func(a, b *question) int { return strings.Compare(a.key, b.key) })
	at := &point{returned: r.returned, err: r.err}
	for i, q := range r.open {
		switch {
		case i == 0 || q.key != r.open[i-1].key:
			at.asks = append(at.asks, q)
		case !q.reads(): // of two who read the same at once, one is enough
			panic("it asks twice at once to " + q.key)
		}
	}
	return at
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
		ctx, hangUp := context.WithCancel(context.WithValue(context.Background(), byStrand{}, &strand{name: "start"}))
		go func() {
			err := d.spec.start(ctx, p)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.returned, r.err = true, err
		}()
		for _, h := range slices.Backward(got) {
			synctest.Wait()
			until(h.clock)
			r.reply(h.key, h.answer, h.clock)
		}
		synctest.Wait()
		at = r.stands()
		at.sum = r.sum(d)
		close(r.dead)
		hangUp()
		time.Sleep(time.Hour) // whatever waits for a time-out gets it
	})
	return at
}

// fresh makes the program as it is after its start, answered by the replay.
func (p *program) fresh(r *replay) {
	m := p.sagas
	p.now, p.payments.Module = r, p.newPayments()
	m.notifier = &notifier{draining: p.draining}
	m.runner = &runner{
		store: m.store, modules: r.watched(m.Modules), stepDeadline: m.StepDeadline, log: m.Log, notifier: m.notifier, active: map[uuid.UUID]*execution{},
	}
}

// Do, Load and Answered are what the stores ask in place of a database.
func (p *program) Do(ctx context.Context, chain []eventstore.Link) []eventstore.Result {
	if p.apart && len(chain) > 1 {
		return []eventstore.Result{{Err: eventstore.ErrDissolved}}
	}
	var ids []string
	for _, l := range chain {
		for _, ref := range l.Command.Streams {
			ids = append(ids, p.called(ref.ID))
		}
	}
	a := p.now.ask(ctx, &question{key: "write " + strings.Join(ids, ", "), chain: chain})
	if a.err != nil {
		return []eventstore.Result{{Err: a.err}}
	}
	return a.results
}

func (p *program) Load(ctx context.Context, s *eventstore.Store, id uuid.UUID) (eventstore.Row, error) {
	a := p.now.ask(ctx, &question{key: "read " + p.called(id), store: s, load: &id})
	return a.row, a.err
}

func (p *program) Processed(ctx context.Context, s *eventstore.Store, o eventstore.IdempotencyKey) (bool, error) {
	if o.ID == uuid.Nil {
		return false, nil
	}
	a := p.now.ask(ctx, &question{key: "read the receipts of " + s.Schema(), store: s, once: &o})
	return a.yes, a.err
}

// wire leads from the program to the bank.
type wire struct{ p *program }

var errNoAnswer = errors.New("no answer came in time")

func (w wire) ask(ctx context.Context, op string, c payment.Call) answer {
	wish := wish{op, c}
	return w.p.now.ask(ctx, &question{key: "ask the bank to " + strings.ReplaceAll(wish.String(), "_", " ") + " " + w.p.named(c.Reference), wish: &wish})
}

func (w wire) call(ctx context.Context, op string, c payment.Call) (payment.Answer, error) {
	a := w.ask(ctx, op, c)
	return a.said, a.err
}

func (wire) Name() string { return "bank" }
func (w wire) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(ctx, opAuthorize, c)
}
func (w wire) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(ctx, opCapture, c)
}
func (w wire) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(ctx, opVoid, c)
}
func (w wire) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return w.call(ctx, opRefund, c)
}
func (w wire) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	a := w.ask(ctx, opLookUp, c)
	return a.report, a.err
}
func (wire) AcceptsPaymentMethod(string) bool { return true }
func (wire) Verify(http.Header, []byte) (payment.Notification, error) {
	return payment.Notification{}, errors.New("the exploration wakes payments itself")
}
