// Package saga executes checkouts, cancellations and refunds, which span several modules without a common transaction.
//
// A saga is a pure decider whose output is commands: [checkout], [cancellation] and [refund], in files of these names. The runner executes
// any saga:
//
//	cart.CheckedOut, order.CancellationRequested, payment.RefundOrdered
//	                      │
//	                      ▼
//	                   Started
//	                      │ ◄──────────────── a webhook, a due retry, a lost process
//	                      ▼
//	          state ─► react ─► commands ─► order, payment, cart
//	            ▲                              │ done · refused · wait · unknown · fault
//	            └──── record: an event ◄───────┘
//	                      │
//	                      └─► Ended: completed, failed, cancelled    or needs_attention: a person must decide
//
// A saga is written when it starts, when it must wait or compensate, and when it ends. Completed steps are written with the next write,
// since a crash only repeats commands, which then change nothing. Commands that call no provider go in chains, which commit together where one
// database has them: the steps that follow a start, an answer of the provider, or a write of the saga. Any process may execute any saga: the version of its stream decides which of them
// may write, and a sweep finds the sagas of lost processes by their wake_at.
package saga

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/backoff"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

// Config is what the module needs.
type Config struct {
	eventstore.Database
	StepDeadline time.Duration // how long the outcome of a payment may be unknown before the saga needs attention
	Metrics      Metrics       // may be nil
	Modules
}

// Metrics counts the sagas that ended.
type Metrics interface {
	SagaEnded(kind, status string, took time.Duration)
}

// Module is the saga module.
type Module struct {
	Config
	store    *eventstore.Store
	timer    *eventstore.Timer
	runner   *runner
	notifier *notifier
	server   *web.Server // opens streams
}

// New makes the module and subscribes it to what starts and wakes sagas.
func New(c Config) *Module {
	m := &Module{Config: c, notifier: &notifier{}}
	m.store = eventstore.Open(c.Database, "saga", sagas)
	m.timer = m.store.Timer(sagas.Kind, timerSlack)
	m.runner = &runner{
		store: m.store, modules: c.Modules, stepDeadline: c.StepDeadline, metrics: c.Metrics, log: c.Log, notifier: m.notifier, tracer: m.store.Tracer(),
		active: map[uuid.UUID]*execution{},
	}
	eventstore.Subscribe(c.Carts.Store(), startsCheckout, m.startCheckout)
	eventstore.Subscribe(c.Orders.Store(), "start-cancellation", m.startCancellation)
	eventstore.Subscribe(c.Payments.Store(), "start-refund", m.startRefund)
	eventstore.Subscribe(c.Payments.Store(), "wake-checkout", m.wakeByWebhook)
	eventstore.Subscribe(c.Payments.Store(), "cancel-checkout", func(ctx context.Context, e eventstore.Message[payment.UndoRequested]) error {
		return m.runner.wake(ctx, e.Event.CheckoutID)
	})
	eventstore.Subscribe(c.Payments.Store(), "settle-checkout", m.stepSettled)
	eventstore.Subscribe(c.Payments.Store(), "note-refund-elsewhere", m.noteElsewhere)
	return m
}

// Wake executes the steps of a saga although none is due, and returns when the pass has ended. It ignores sagas that have ended or do not
// exist.
func (m *Module) Wake(ctx context.Context, id uuid.UUID) error { return m.runner.wake(ctx, id) }

// Store holds the events of the sagas.
func (m *Module) Store() *eventstore.Store { return m.store }

// startCheckout begins the saga of a sealed cart.
func (m *Module) startCheckout(ctx context.Context, e eventstore.Message[cart.CheckedOut]) error {
	return m.start(ctx, e.Event.CheckoutID, e.Meta, startedBy(e.Event, m.store.Now()))
}

// startRefund begins the saga of a refund that was ordered at a payment.
func (m *Module) startRefund(ctx context.Context, e eventstore.Message[payment.RefundOrdered]) error {
	return m.start(ctx, e.Event.ID, e.Meta, refundOf(e.Event, e.Stream, m.store.Now()))
}

// startCancellation begins the saga of an order that is to be cancelled.
func (m *Module) startCancellation(ctx context.Context, e eventstore.Message[order.CancellationRequested]) error {
	return m.start(ctx, e.Event.CancellationID, e.Meta, cancellationOf(e.Event, e.Stream, m.store.Now()))
}

// checkoutEnded reports whether a checkout has ended.
func (m *Module) checkoutEnded(ctx context.Context, id uuid.UUID) (bool, error) {
	saga, err := sagas.Load(ctx, m.store, id)
	return saga.State.Status.Ended(), err
}

// noteElsewhere records a refund that was made elsewhere in the order, and wakes the saga that may wait for it.
func (m *Module) noteElsewhere(ctx context.Context, e eventstore.Message[payment.RefundedElsewhere]) error {
	note := order.RecordRefund{OrderID: e.Event.OrderID, RefundID: e.Event.ID, Amount: e.Event.Amount.Amount}
	err := m.Orders.Handle(ctx, CommandID(e.Event.ID, NoteRefund), e.Event.CheckoutID, note)
	if f, refused := fault.As(err); refused && f.Kind == fault.NotFound { // the checkout placed no order
		err = nil
	}
	return errors.Join(err, m.runner.wake(ctx, e.Event.CheckoutID))
}

// wakeByWebhook asks the provider about the payment of a webhook, and wakes its saga and those of its refunds.
func (m *Module) wakeByWebhook(ctx context.Context, e eventstore.Message[payment.Notified]) error {
	ids, err := m.Payments.RefundsUnderWay(ctx, e.Stream)
	err = errors.Join(err, m.Payments.Observe(ctx, e.Event.CheckoutID, payment.Observe{PaymentID: e.Stream}))
	for _, id := range append(ids, e.Event.CheckoutID) {
		err = errors.Join(err, m.runner.wake(ctx, id))
	}
	return err
}

const (
	claimEvery = time.Second // on average
	claimLimit = 100

	// A wake_at may be in the past when it is written, since a parallel step may take longer.
	timerSlack = 2*stepTimeout + time.Minute
)

// Run executes the sagas that fall due or that a lost process left behind, until ctx is done. It returns when the steps in progress have
// ended.
func (m *Module) Run(ctx context.Context) error {
	defer m.runner.stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.store.Run(ctx) })
	for _, loop := range []func(context.Context){m.pollStreams, m.resume, m.claim} {
		g.Go(func() error {
			loop(ctx)
			return nil
		})
	}
	return g.Wait()
}

// claim executes the sagas that must be retried, whose wait is over, or whose process was lost.
func (m *Module) claim(ctx context.Context) {
	for n := claimLimit; m.SingleProcess && n == claimLimit; { // the process that executed these is gone
		ids, err := m.recoverable(ctx)
		n = m.executeClaimed(ctx, ids, err, pass{woken: true})
	}
	for backoff.Sleep(ctx, backoff.Jitter(claimEvery)) {
		ids, early, err := m.timer.Due(ctx, claimLimit, lease)
		m.executeClaimed(ctx, ids, err, pass{woken: early})
	}
}

// resume executes the sagas whose provider may be available again, until ctx is done.
func (m *Module) resume(ctx context.Context) {
	for {
		select {
		case id := <-m.Payments.Resumable():
			m.runner.begin(id, pass{woken: true})
		case <-ctx.Done():
			return
		}
	}
}

// recoverable claims the sagas that a lost process executed or was about to execute. Waiting sagas are woken by the outbox.
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

// executeClaimed executes the sagas that were claimed.
func (m *Module) executeClaimed(ctx context.Context, ids []uuid.UUID, err error, as pass) int {
	for _, id := range ids {
		m.runner.begin(id, as)
	}
	if err != nil && ctx.Err() == nil {
		m.store.Failed(fmt.Errorf("claim sagas: %w", err))
	}
	return len(ids)
}

// commandSpace is the name space of derived ids. It never changes.
var commandSpace = uuid.MustParse("0d7f5b43-6f2c-4d0e-9a53-3c1f9f0d2a11")

// CommandID returns the id of the command of a step. The step "start" starts the saga.
func CommandID(saga uuid.UUID, step string) uuid.UUID {
	return uuid.NewSHA1(commandSpace, []byte(saga.String()+"/"+step))
}
