package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// command mends a finding.
type command interface {
	// send sends it under an id of its own: that of the saga's step may have been answered long ago.
	send(ctx context.Context, m *Module, checkout uuid.UUID) error
	// done says what it does, in the past tense.
	done(b books) string
}

type (
	toOrder     struct{ order.Command }
	toCart      struct{ cart.Command }
	toUndo      struct{ payment.Undo }
	toRefund    struct{ payment.Refund }
	toObserve   struct{ payment.Observe }
	beginRefund struct {
		payment uuid.UUID
		ordered payment.RefundOrdered
	}
	beginCancellation struct {
		order     uuid.UUID
		requested order.CancellationRequested
	}
)

var (
	errNotUndone   = errors.New("the provider has not confirmed yet that the payment is undone")
	errNotRefunded = errors.New("the provider has not said yet what became of the refund")
)

func (c toOrder) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	return m.Orders.Handle(ctx, uuid.Must(uuid.NewV7()), checkout, c.Command)
}

func (c toOrder) done(b books) string {
	switch of := c.Command.(type) {
	case order.Confirm:
		return "confirmed the order"
	case order.RecordRefund:
		return "told the order of a refund of " + b.amount(of.Amount)
	case order.Place:
		return "placed the order"
	case order.Cancel, order.EndCancellation:
	}
	return "cancelled the order"
}

func (c toCart) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	return m.Carts.Handle(ctx, uuid.Must(uuid.NewV7()), checkout, c.Command)
}

func (c toCart) done(books) string {
	if _, ok := c.Command.(cart.Complete); ok {
		return "told the cart that it is checked out"
	}
	return "opened the cart again"
}

func (c toUndo) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	o, err := m.Payments.Undo(ctx, checkout, c.Undo)
	if err == nil && o.Result != payment.ResultUndone {
		err = fmt.Errorf("%w: it answers %q", errNotUndone, o.Result)
	}
	return err
}

func (c toUndo) done(b books) string {
	switch {
	case b.net() > 0:
		return "refunded " + b.amount(b.net())
	case b.capturable():
		return "released " + b.amount(b.bank.Held()) + " at the provider"
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

func (toRefund) done(books) string { return "asked the provider for the refund" }

func (c toObserve) send(ctx context.Context, m *Module, checkout uuid.UUID) error {
	return m.Payments.Observe(ctx, checkout, c.Observe)
}

func (toObserve) done(books) string { return "recorded the refunds that the provider made" }

func (c beginRefund) send(ctx context.Context, m *Module, _ uuid.UUID) error {
	return m.Sagas.BeginRefund(ctx, repairReason, c.payment, c.ordered)
}

func (beginRefund) done(books) string { return "began the refund" }

func (c beginCancellation) send(ctx context.Context, m *Module, _ uuid.UUID) error {
	return m.Sagas.BeginCancellation(ctx, repairReason, c.order, c.requested)
}

func (beginCancellation) done(books) string { return "began the cancellation" }

// amount writes minor units of the money of the checkout.
func (b books) amount(n int64) string {
	switch {
	case b.bank != nil:
		return money.Of(n, b.bank.Currency).String()
	case b.payment != nil:
		return money.Of(n, b.payment.Amount.Currency).String()
	case b.order != nil:
		return money.Of(n, b.order.Currency).String()
	}
	return strconv.FormatInt(n, 10)
}
