package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// command repairs a finding. The modules decide on their newest state, and refuse a repair that is out of date.
type command interface {
	// send sends the command under a new id, since the id of the saga's step may be answered already.
	send(ctx context.Context, m *Module, checkout uuid.UUID) error
	// done describes the effect in the past tense.
	done(r records) string
}

type (
	toOrder     struct{ order.Command }
	toCart      struct{ cart.Command }
	toUndo      struct{ payment.Undo }
	toRefund    struct{ payment.Refund }
	toObserve   struct{ payment.Observe }
	wakeSaga    struct{}
	beginRefund struct {
		payment uuid.UUID
		ordered payment.RefundOrdered
	}
	beginCancellation struct {
		order     uuid.UUID
		requested order.CancellationRequested
	}
	refundLost struct {
		payment uuid.UUID
		actor   string
	}
)

var (
	errNotUndone   = errors.New("the provider has not confirmed the void or refund yet")
	errNotRefunded = errors.New("the outcome of the refund is not known yet")
)

func (c toOrder) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	return m.Orders.Handle(ctx, uuid.Must(uuid.NewV7()), checkout, c.Command)
}

func (c toOrder) done(r records) string {
	switch of := c.Command.(type) {
	case order.Confirm:
		return "confirmed the order"
	case order.RecordRefund:
		return "recorded a refund of " + r.amount(of.Amount) + " in the order"
	case order.Place:
		return "placed the order"
	case order.Hold:
		return "entered the order at its holders"
	case order.Cancel, order.EndCancellation:
	}
	return "cancelled the order"
}

func (c toCart) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	return m.Carts.Handle(ctx, uuid.Must(uuid.NewV7()), checkout, c.Command)
}

func (c toCart) done(records) string {
	if _, ok := c.Command.(cart.Complete); ok {
		return "marked the cart as checked out"
	}
	return "reopened the cart"
}

func (c toUndo) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	o, err := m.Payments.Undo(ctx, checkout, c.Undo)
	if err == nil && o.Result != payment.ResultUndone {
		err = fmt.Errorf("%w: it answers %q", errNotUndone, o.Result)
	}
	return err
}

func (c toUndo) done(r records) string {
	switch {
	case r.net() > 0:
		return "refunded " + r.amount(r.net())
	case r.capturable():
		return "released " + r.amount(r.balance.Held()) + " at the provider"
	}
	return "made sure that nothing is charged"
}

func (c toRefund) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	o, err := m.Payments.Refund(ctx, checkout, c.Refund)
	if err == nil && o.Result != payment.ResultRefunded && o.Result != payment.ResultRefused {
		err = fmt.Errorf("%w: it answers %q", errNotRefunded, o.Result)
	}
	return err
}

func (toRefund) done(records) string { return "asked the provider for the refund" }

func (c toObserve) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	return m.Payments.Observe(ctx, checkout, c.Observe)
}

func (toObserve) done(records) string { return "recorded the refunds that the provider made" }

func (wakeSaga) send(ctx context.Context, m *Module, saga uuid.UUID) error {
	return m.Sagas.Wake(ctx, saga)
}

func (wakeSaga) done(records) string { return "woke the saga" }

func (c beginRefund) send(ctx context.Context, m *Module, _ uuid.UUID) error {
	return m.Sagas.BeginRefund(ctx, repairReason, c.payment, c.ordered)
}

func (beginRefund) done(records) string { return "began the refund" }

func (c beginCancellation) send(ctx context.Context, m *Module, _ uuid.UUID) error {
	return m.Sagas.BeginCancellation(ctx, repairReason, c.order, c.requested)
}

func (beginCancellation) done(records) string { return "began the cancellation" }

func (c refundLost) send(ctx context.Context, m *Module, _ uuid.UUID) error {
	return m.Payments.RefundUnknown(ctx, c.payment, c.actor)
}

func (refundLost) done(r records) string { return "refunded " + r.amount(r.net()) }

// amount formats minor units in the currency of the checkout.
func (r records) amount(n int64) string {
	switch {
	case r.balance != nil:
		return money.Of(n, r.balance.Currency).String()
	case r.payment != nil:
		return money.Of(n, r.payment.Amount.Currency).String()
	case r.order != nil:
		return money.Of(n, r.order.Currency).String()
	}
	return strconv.FormatInt(n, 10)
}

// describe says what commands do.
func describe(commands []command, r records) string {
	var done []string
	for _, c := range commands {
		if one := c.done(r); !slices.Contains(done, one) {
			done = append(done, one)
		}
	}
	return strings.Join(done, ", ")
}

// repair repairs what it can, and records for each finding whether it is gone.
func (m *Module) repair(ctx context.Context, found []Finding, actor string, refundsLost bool) {
	for i := range found {
		f := &found[i]
		if refundsLost && f.lost != uuid.Nil {
			f.repair = []command{refundLost{f.lost, actor}}
		}
		if len(f.repair) == 0 {
			continue
		}
		gone, err := m.repairOne(ctx, *f)
		f.Healed = &gone
		if gone {
			f.Done = f.does
		}
		m.Log.InfoContext(ctx, "repaired a finding", "finding", f.ID, "actor", actor, "healed", gone, "error", err)
	}
}

func (m *Module) repairOne(ctx context.Context, f Finding) (gone bool, err error) {
	for _, c := range f.repair {
		if err := c.send(ctx, m, f.checkout); err != nil {
			return false, err
		}
	}
	return isGone(ctx, f)
}

// justNow is longer than the clocks of the databases are ahead of ours.
const justNow = time.Minute

// isGone checks a finding again, although its records are recent. If the finding is still there it checks a second time: a saga that
// just began may have ended between the reads of its order and of itself.
func isGone(ctx context.Context, f Finding) (gone bool, err error) {
	for range 2 {
		var now []Finding
		now, err = f.again(ctx, time.Now().Add(justNow))
		gone = err == nil && !slices.ContainsFunc(now, func(n Finding) bool { return n.ID == f.ID })
		if gone || err != nil {
			break
		}
	}
	return gone, err
}
