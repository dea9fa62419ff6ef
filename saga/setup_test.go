package saga

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/database"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	patience = 30 * time.Second      // for what must happen
	idle     = 10 * time.Millisecond // between two looks
)

// others stands for the stores of the other modules: it knows the events that sagas hear of, and folds nothing.
func others(kind string) *eventstore.Aggregate[struct{}, any] {
	types := map[string]any{}
	for _, e := range []any{
		cart.CheckedOut{}, payment.Notified{}, payment.UndoRequested{},
		order.CancellationRequested{}, payment.RefundOrdered{}, payment.Resolved{},
	} {
		types[eventstore.TypeOf(e)] = e
	}
	return &eventstore.Aggregate[struct{}, any]{
		Kind: kind, StateVersion: 1, Types: types,
		Evolve: func(s struct{}, _ any) struct{} { return s },
		Index:  func(struct{}, time.Time) eventstore.Index { return eventstore.Index{} },
	}
}

var carts, orders, payments = others("cart"), others("order"), others("payment")

// play says how the n-th call of a step comes out, counted from 1. An order or a cart only minds the error.
type play func(ctx context.Context, step string, n int) (payment.Outcome, error)

// well is how everything goes well.
func well(_ context.Context, step string, _ int) (payment.Outcome, error) {
	switch step {
	case UndoPayment:
		return payment.Outcome{Result: payment.ResultUndone}, nil
	case RefundMoney:
		return payment.Outcome{Result: payment.ResultRefunded}, nil
	}
	return payment.Outcome{Result: payment.ResultCaptured}, nil
}

// process is one run of the program, with scripted modules around its sagas.
type process struct {
	*Module
	t    *testing.T
	play play
	stop func() error // ends Run, and says how it ended

	mu       sync.Mutex
	calls    map[string]int
	underWay map[uuid.UUID][]uuid.UUID // refunds, by payment
}

func (p *process) refunds(payment uuid.UUID) []uuid.UUID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.underWay[payment]
}

func (p *process) count(step string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[step]++
	return p.calls[step]
}

func (p *process) called(step string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[step]
}

func (p *process) call(ctx context.Context, step string) (payment.Outcome, error) {
	return p.play(ctx, step, p.count(step))
}

// scriptedCarts are carts that answer as the script of their process says.
type scriptedCarts struct {
	Carts // nil: no test asks for more
	p     *process
	store *eventstore.Store
}

func (c scriptedCarts) Store() *eventstore.Store { return c.store }

func (c scriptedCarts) Handle(ctx context.Context, _, _ uuid.UUID, cmd cart.Command) error {
	_, err := c.p.call(ctx, stepOfCart(cmd))
	return err
}

// executedAlone is a command that ends its chain, so that its step is executed alone: a script may wait, and a decision may not.
func executedAlone(store *eventstore.Store) eventstore.Link {
	return eventstore.Link{Store: store, Command: eventstore.Command{Harmless: true, Decide: func(*eventstore.Tx) error { return errAlone }}}
}

var errAlone = errors.New("the step is executed alone")

func (c scriptedCarts) Link(_, _ uuid.UUID, _ cart.Command) eventstore.Link {
	return executedAlone(c.store)
}

func (o scriptedOrders) Link(context.Context, uuid.UUID, uuid.UUID, order.Command) (eventstore.Link, error) {
	return executedAlone(o.store), nil
}

func (s scriptedPayments) OpenCharge(uuid.UUID, payment.Charge) *payment.Opening {
	return &payment.Opening{Link: executedAlone(s.store)}
}

func (s scriptedPayments) OpenUndo(uuid.UUID, payment.Undo) eventstore.Link {
	return executedAlone(s.store)
}

func stepOfCart(cmd cart.Command) string {
	if _, ok := cmd.(cart.Complete); ok {
		return CompleteCart
	}
	return ReopenCart
}

// scriptedOrders are orders that answer as the script of their process says.
type scriptedOrders struct {
	Orders
	p     *process
	store *eventstore.Store
}

func (o scriptedOrders) Store() *eventstore.Store { return o.store }

func (o scriptedOrders) Handle(ctx context.Context, _, _ uuid.UUID, cmd order.Command) error {
	if _, ok := cmd.(order.Hold); ok { // a part of payment.charge
		return nil
	}
	_, err := o.p.call(ctx, stepOf(cmd))
	return err
}

// scriptedPayments are payments that answer as the script of their process says.
type scriptedPayments struct {
	Payments
	p     *process
	store *eventstore.Store
}

func (s scriptedPayments) Store() *eventstore.Store { return s.store }

func (s scriptedPayments) Charge(ctx context.Context, _ uuid.UUID, _ payment.Charge) (payment.Outcome, error) {
	return s.p.call(ctx, ChargeMoney)
}

func (s scriptedPayments) Undo(ctx context.Context, _ uuid.UUID, _ payment.Undo) (payment.Outcome, error) {
	return s.p.call(ctx, UndoPayment)
}

func (s scriptedPayments) Refund(ctx context.Context, _ uuid.UUID, _ payment.Refund) (payment.Outcome, error) {
	return s.p.call(ctx, RefundMoney)
}

func (s scriptedPayments) Verify(ctx context.Context, _ uuid.UUID, _ payment.Verify) (payment.Outcome, error) {
	return s.p.call(ctx, VerifyPayment)
}

func (s scriptedPayments) Cancel(ctx context.Context, _ web.Write, _ payment.Cancel) (bool, error) {
	_, err := s.p.call(ctx, "payment.cancel")
	return false, err
}

func (s scriptedPayments) Resolve(ctx context.Context, _ web.Write, _ payment.Resolve) (bool, error) {
	_, err := s.p.call(ctx, "payment.settle")
	return false, err
}

func (s scriptedPayments) RefundsUnderWay(_ context.Context, payment uuid.UUID) ([]uuid.UUID, error) {
	return s.p.refunds(payment), nil
}

func (scriptedPayments) NextAction(context.Context, uuid.UUID) (*payment.NextAction, error) {
	return nil, nil
}

func (scriptedPayments) Observe(context.Context, uuid.UUID, payment.Observe) error { return nil }

func (scriptedPayments) Resumable() <-chan uuid.UUID { return nil }

func (scriptedPayments) AcceptsPaymentMethod(string) bool { return true }

func (scriptedPayments) Chargeable(money.Amount) error { return nil }

func (scriptedPayments) Permits(string, string, bool) error { return nil }

// start runs a process on the database at url; with configure its module may be changed before.
func start(t *testing.T, url string, play play, configure ...func(*Config)) *process {
	t.Helper()
	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	p := &process{t: t, play: play, calls: map[string]int{}, underWay: map[uuid.UUID][]uuid.UUID{}}
	c := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin})
	db := eventstore.Database{Committer: c, Query: pools.Query, Control: pools.Control, Views: pools.Views, Log: slog.New(slog.DiscardHandler)}
	config := Config{
		Database: db, StepDeadline: time.Hour,
		Modules: Modules{
			Carts:    scriptedCarts{p: p, store: eventstore.Open(db, "cart", carts)},
			Orders:   scriptedOrders{p: p, store: eventstore.Open(db, "orders", orders)},
			Payments: scriptedPayments{p: p, store: eventstore.Open(db, "payment", payments)},
		},
	}
	for _, f := range configure {
		f(&config)
	}
	p.Module = New(config)
	ending := background(c.Run)
	t.Cleanup(func() { require.NoError(t, ending()) })
	p.stop = sync.OnceValue(background(p.Run))
	t.Cleanup(func() { require.NoError(t, p.stop()) })
	return p
}

func stepOf(cmd order.Command) string {
	switch cmd.(type) {
	case order.Place:
		return PlaceOrder
	case order.Hold:
		return ChargeMoney
	case order.Confirm:
		return ConfirmOrder
	case order.Cancel:
		return CancelOrder
	case order.RecordRefund:
		return NoteRefund
	case order.EndCancellation:
		return EndCancellation
	}
	panic("no command of an order")
}

// background runs a loop, and gives what ends it and waits for it.
func background(loop func(context.Context) error) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- loop(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// seals writes what a sealed cart leaves, and gives the checkout's id.
func (p *process) seals(total int64) uuid.UUID {
	p.t.Helper()
	e := sealed(total)
	e.CheckoutID, e.CartID, e.PaymentID = uuid.New(), uuid.New(), uuid.New()
	p.says(carts, p.Carts.Store(), e.CartID, e)
	return e.CheckoutID
}

// ordersRefund writes what an ordered refund leaves, and gives its id and that of its payment.
func (p *process) ordersRefund() (id, paymentID uuid.UUID) {
	p.t.Helper()
	id, paymentID = uuid.New(), uuid.New()
	p.mu.Lock()
	p.underWay[paymentID] = []uuid.UUID{id}
	p.mu.Unlock()
	p.says(payments, p.Payments.Store(), paymentID, payment.RefundOrdered{
		ID: id, OrderID: uuid.New(), CustomerID: "ann", Amount: money.Of(500, "GBP"), Reason: "Broken.", At: noon,
	})
	return id, paymentID
}

// says lets another module's store hold an event.
func (p *process) says(a *eventstore.Aggregate[struct{}, any], store *eventstore.Store, stream uuid.UUID, e any) {
	p.t.Helper()
	_, err := store.Do(p.t.Context(), eventstore.Command{
		Streams: []eventstore.Ref{a.Ref(stream)},
		Decide:  func(tx *eventstore.Tx) error { a.Append(tx, stream, e); return nil },
	})
	require.NoError(p.t, err)
}

// notifies lets a webhook come, and says whether its message is still to be handled.
func (p *process) notifies(id uuid.UUID) (unhandled func() bool) {
	p.t.Helper()
	stream := uuid.New()
	p.says(payments, p.Payments.Store(), stream, payment.Notified{CheckoutID: id, WebhookID: "1", Type: "approved"})
	return func() bool { return p.number("select count(*) from payment.outbox where stream = $1", stream) > 0 }
}

// reaches waits until a saga stands there.
func (p *process) reaches(id uuid.UUID, want Status) State {
	p.t.Helper()
	s, err := p.await(p.t.Context(), eventstore.Stream[State]{ID: id}, false, patience, func(s State) bool { return s.Status == want })
	require.NoError(p.t, err)
	require.Equal(p.t, want, s.State.Status)
	return s.State
}

func (p *process) eventually(what string, is func() bool) {
	p.t.Helper()
	require.Eventually(p.t, is, patience, idle, what)
}

// log is the saga's events: their types, and in how many commits they were written.
func (p *process) log(id uuid.UUID) (types []string, writes int) {
	p.t.Helper()
	events, err := p.store.ReadStream(p.t.Context(), id, 0, 1000)
	require.NoError(p.t, err)
	commands := map[uuid.UUID]bool{}
	var folded State
	for _, e := range events {
		types = append(types, e.Type)
		commands[e.Meta.Causation] = true
		event, err := sagas.Event(e)
		require.NoError(p.t, err)
		folded = evolve(folded, event)
	}
	stored, err := sagas.Load(p.t.Context(), p.store, id)
	require.NoError(p.t, err)
	require.Equal(p.t, folded, stored.State, "the state is the fold of its events")
	require.EqualValues(p.t, len(events), stored.Version)
	return types, len(commands)
}

func (p *process) number(sql string, args ...any) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.Query.QueryRow(p.t.Context(), sql, args...).Scan(&n))
	return n
}
