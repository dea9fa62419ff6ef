// Package saga sees check-outs, cancellations and refunds through: what spans several modules, and no transaction can.
//
// A saga is a decider whose output is commands. It is pure, and tells its story in one file: [checkout], [cancellation] and
// [refund] in files of these names. The runner does the rest for any saga:
//
//	cart.CheckedOut, order.CancellationRequested, payment.RefundOrdered
//	                      │
//	                      ▼
//	                   Started
//	                      │ ◄──────────────── a nudge: a webhook came, a retry fell due, a process was lost
//	                      ▼
//	          state ─► react ─► commands ─► order, payment, cart
//	            ▲                              │ done · refused · wait · unknown · fault
//	            └──── record: an event ◄───────┘
//	                      │
//	                      └─► Ended: completed, failed, cancelled    or needs_attention: a person must look
//
// The saga is a stream like any other. It writes when it starts, when it must wait or turn, and when it ends; steps that
// went well in between ride with the next write, since a crash only repeats commands whose ids are derived. Every
// process may drive every saga: the version of the stream is the fence, and wake_at in its row is what a sweep looks
// at when the process that drove it is gone.
package saga

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/backoff"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// Config is what the module needs.
type Config struct {
	Committer *eventstore.Committer
	Query     *pgxpool.Pool
	Control   *pgxpool.Pool // claims
	Views     *gorm.DB
	Alone     bool // no other process uses the database
	Log       *slog.Logger

	ReceiptRetention time.Duration // 0: for good

	Patience time.Duration                                 // how long a payment may stay in doubt before a person must look
	Ended    func(kind, status string, took time.Duration) // told of every saga that ended; may be nil
	Stores   map[string]*eventstore.Store                  // of the other modules, by name: what operators read
	Rooms    Rooms
	Books    Books         // what reconciliation compares
	Settled  time.Duration // what was touched since is under way, and not judged; 1 min
	LooksFor time.Duration // how long one answer of it may take; 20 s
}

// Rooms are the other modules, as far as sagas need them.
type Rooms struct {
	CheckOut      func(context.Context, cart.CheckOut) (cart.Sealed, error)
	CartVisible   func(ctx context.Context, caller web.Caller, cartID uuid.UUID) (customerID string, err error)
	Cart          func(ctx context.Context, id, correlation uuid.UUID, cmd cart.Command) error
	Order         func(ctx context.Context, id, correlation uuid.UUID, cmd order.Command) error
	SaveContact   func(context.Context, order.Contact) error
	DropContact   func(ctx context.Context, id uuid.UUID) error
	Chargeable    func(total money.Amount) error // refuses what no payment method can pay; pure
	Charge        func(ctx context.Context, correlation uuid.UUID, c payment.Charge) (payment.Outcome, error)
	UndoPayment   func(ctx context.Context, correlation uuid.UUID, u payment.Undo) (payment.Outcome, error)
	OrderPaid     func(ctx context.Context, caller web.Caller, id uuid.UUID) (order.Paid, error)
	RequestRefund func(ctx context.Context, write web.Write, r payment.RequestRefund) (payment.RequestedRefund, error)
	Refund        func(ctx context.Context, correlation uuid.UUID, r payment.Refund) (payment.Outcome, error)
	// RefundsUnderWay are those of a payment that may have news, by the ids of their sagas.
	RefundsUnderWay func(ctx context.Context, payment uuid.UUID) ([]uuid.UUID, error)
	ObservePayment  func(ctx context.Context, correlation uuid.UUID, o payment.Observe) error
	// RefundLost refunds what a provider captured for a payment that nobody here asked for.
	RefundLost    func(ctx context.Context, payment uuid.UUID, by string) error
	CancelPayment func(ctx context.Context, write web.Write, c payment.Cancel) (replayed bool, err error)
	// TakesMethod reports whether a text has the form of a token of the payment provider.
	TakesMethod func(token string) bool

	SettlePayment func(ctx context.Context, write web.Write, c payment.Settle) (replayed bool, err error)
	VerifyPayment func(ctx context.Context, correlation uuid.UUID, v payment.Verify) (payment.Outcome, error)

	// What led to an order: the timeline.
	Trail    func(ctx context.Context, caller web.Caller, orderID uuid.UUID) (order.Trail, error)
	Webhooks func(ctx context.Context, paymentID uuid.UUID, last payment.Received, limit int) ([]payment.Received, error)

	// What operators see and look for.
	Takings   func(ctx context.Context) (captured, refunded map[string]int64, err error) // today, by currency
	Numbered  func(ctx context.Context, number string) (t order.Trail, found bool, err error)
	RefundsOf func(ctx context.Context, payment uuid.UUID) ([]uuid.UUID, error) // by the ids of their sagas
}

// Module is the saga module.
type Module struct {
	Config
	store  *eventstore.Store
	timer  *eventstore.Timer
	runner *runner
	watch  *watch
	events func(c echo.Context, closed func()) (*web.Events, error) // opens a stream
	seen   overview
}

// New makes the module and subscribes it to what starts and wakes sagas. Stores must hold those of cart, order and payment.
func New(c Config) *Module {
	if c.Ended == nil {
		c.Ended = func(string, string, time.Duration) {}
	}
	if c.Settled == 0 {
		c.Settled = time.Minute
	}
	if c.LooksFor == 0 {
		c.LooksFor = 20 * time.Second
	}
	m := &Module{Config: c, watch: newWatch()}
	m.store = eventstore.Open(c.Committer, c.Query, "saga", sagas)
	m.seen.minutes.query = c.Query
	m.timer = m.store.Timer(c.Control, sagas.Kind, timerSlack)
	m.runner = &runner{
		store: m.store, send: m.send, patience: c.Patience, ended: c.Ended, log: c.Log, watch: m.watch,
		active: map[uuid.UUID]*drive{},
	}
	eventstore.Subscribe(c.Stores["cart"], "start-checkout", m.startCheckout)
	eventstore.Subscribe(c.Stores["order"], "start-cancellation", m.startCancellation)
	eventstore.Subscribe(c.Stores["payment"], "start-refund", m.startRefund)
	eventstore.Subscribe(c.Stores["payment"], "wake-checkout", m.wakeByWebhook)
	eventstore.Subscribe(c.Stores["payment"], "cancel-checkout", func(ctx context.Context, e eventstore.Message[payment.UndoRequested]) error {
		return m.runner.wake(ctx, e.Event.CheckoutID)
	})
	eventstore.Subscribe(c.Stores["payment"], "settle-checkout", m.stepSettled)
	eventstore.Subscribe(c.Stores["payment"], "note-refund-elsewhere", m.noteElsewhere)
	return m
}

// Wake looks at a saga at once, though nothing in it is due: what it waits for outside may be there again. What is no
// saga, or has ended, is left alone. It does not wait for what comes of it.
func (m *Module) Wake(id uuid.UUID) { m.runner.begin(id, round{woken: true}) }

// Store holds the events of the sagas.
func (m *Module) Store() *eventstore.Store { return m.store }

// startCheckout begins the saga of a sealed cart.
func (m *Module) startCheckout(ctx context.Context, e eventstore.Message[cart.CheckedOut]) error {
	return m.start(ctx, e.Event.CheckoutID, e.Meta, checkout, Started{
		Type: checkout.Type, Definition: checkout.Version, CustomerID: e.Event.CustomerID, Checkout: startOf(e.Event), At: m.store.Now(),
	})
}

// startRefund begins the saga of a refund that was ordered at a payment.
func (m *Module) startRefund(ctx context.Context, e eventstore.Message[payment.RefundOrdered]) error {
	return m.start(ctx, e.Event.ID, e.Meta, refund, refundOf(e.Event, e.Stream, m.store.Now()))
}

// startCancellation begins the saga of an order that is to be cancelled.
func (m *Module) startCancellation(ctx context.Context, e eventstore.Message[order.CancellationRequested]) error {
	return m.start(ctx, e.Event.CancellationID, e.Meta, cancellation, cancellationOf(e.Event, e.Stream, m.store.Now()))
}

// CheckoutEnded reports whether a checkout has ended: from then on it does nothing more.
func (m *Module) CheckoutEnded(ctx context.Context, id uuid.UUID) (bool, error) {
	saga, err := sagas.Load(ctx, m.store, id)
	return saga.State.Status.Ended(), err
}

// start begins a saga, once, and drives it. Its first steps go out beside the write of its start.
func (m *Module) start(ctx context.Context, id uuid.UUID, cause eventstore.Meta, of definition, started Event) error {
	taken := m.runner.ahead(id, evolve(State{}, started), of)
	cmd := eventstore.Command{ID: commandID(id, "start"), Meta: eventstore.Meta{Actor: cause.Actor, Correlation: id, Trace: cause.Trace}}
	receipt, err := sagas.Handle(ctx, m.store, id, cmd, func(_ *eventstore.Tx, saga eventstore.Stream[State]) ([]Event, error) {
		if saga.Exists() {
			return nil, nil
		}
		return []Event{started}, nil
	})
	steps := taken()
	if err != nil {
		return fmt.Errorf("start %s %s: %w", of.Type, id, err)
	}
	if receipt.Replayed {
		m.watch.changed(eventstore.Stream[State]{ID: id})
		m.runner.begin(id, round{})
		return nil
	}
	saga, err := sagas.Result(ctx, m.store, receipt)
	m.watch.changed(saga)
	m.runner.begin(id, round{from: &saga, taken: steps}) // its wake_at stands: what is lost now, a sweep takes up
	return err
}

// noteElsewhere tells the order of a refund that was made elsewhere, as a refund of ours would, and wakes the saga that may wait for it.
func (m *Module) noteElsewhere(ctx context.Context, e eventstore.Message[payment.RefundedElsewhere]) error {
	note := order.NoteRefund{OrderID: e.Event.OrderID, RefundID: e.Event.ID, Amount: e.Event.Amount.Amount}
	err := m.Rooms.Order(ctx, commandID(e.Event.ID, NoteRefund), e.Event.CheckoutID, note)
	if f, refused := fault.As(err); refused && f.Kind == fault.NotFound { // the checkout placed no order
		err = nil
	}
	return errors.Join(err, m.runner.wake(ctx, e.Event.CheckoutID))
}

// wakeByWebhook asks what became of the payment that a webhook is about, and wakes its saga and those of its refunds.
func (m *Module) wakeByWebhook(ctx context.Context, e eventstore.Message[payment.Notified]) error {
	ids, err := m.Rooms.RefundsUnderWay(ctx, e.Stream)
	err = errors.Join(err, m.Rooms.ObservePayment(ctx, e.Event.CheckoutID, payment.Observe{PaymentID: e.Stream}))
	for _, id := range append(ids, e.Event.CheckoutID) {
		err = errors.Join(err, m.runner.wake(ctx, id))
	}
	return err
}

const (
	claimEvery = time.Second // on average
	claimLimit = 100

	// A wake_at may lie a step back when it is written: one that fell due while another was under way.
	timerSlack = 2*stepTimeout + time.Minute
)

// Run drives what falls due, and what a crash left, until ctx is done. It ends when the steps under way have ended.
func (m *Module) Run(ctx context.Context) error {
	defer m.runner.stop()
	failed := func(err error) { m.Log.ErrorContext(ctx, "sagas in the background", "error", err) }
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return m.store.Run(ctx, eventstore.RunConfig{
			SingleProcess: m.Alone, Control: m.Control, ReceiptRetention: m.ReceiptRetention, Failed: failed,
		})
	})
	g.Go(func() error {
		m.follow(ctx, failed)
		return nil
	})
	g.Go(func() error {
		if m.Alone { // whoever drove these is gone
			for n := claimLimit; n == claimLimit; {
				ids, err := m.recoverable(ctx)
				n = m.take(ctx, ids, err, round{woken: true}, failed)
			}
		}
		// What is due: to retry, to end a wait, or to be taken over.
		for backoff.Sleep(ctx, backoff.Jitter(claimEvery)) {
			ids, early, err := m.timer.Due(ctx, claimLimit, lease)
			m.take(ctx, ids, err, round{woken: early}, failed)
		}
		return nil
	})
	return g.Wait()
}

// recoverable are sagas that a process was driving, or was about to drive again, when it was lost. What happened to
// those that wait, the outbox tells.
func (m *Module) recoverable(ctx context.Context) ([]uuid.UUID, error) {
	rows, err := m.Control.Query(ctx, `update saga.streams set wake_at = now() + interval '15 seconds'
		where id in (select id from saga.streams where wake_at is not null and status <> 'requires_action'
			and wake_at <= now() + interval '2 minutes' order by wake_at limit $1 for update skip locked)
		returning id`, claimLimit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// take drives what was claimed.
func (m *Module) take(ctx context.Context, ids []uuid.UUID, err error, as round, failed func(error)) int {
	for _, id := range ids {
		m.runner.begin(id, as)
	}
	if err != nil && ctx.Err() == nil {
		failed(fmt.Errorf("claim sagas: %w", err))
	}
	return len(ids)
}

// commandSpace is the name space of the ids that sagas derive. It never changes: a redelivery must find its receipt.
var commandSpace = uuid.MustParse("0d7f5b43-6f2c-4d0e-9a53-3c1f9f0d2a11")

func commandID(saga uuid.UUID, step string) uuid.UUID {
	return uuid.NewSHA1(commandSpace, []byte(saga.String()+"/"+step))
}
