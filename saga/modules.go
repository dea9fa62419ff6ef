package saga

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// Modules are the other modules.
type Modules struct {
	Carts    Carts
	Orders   Orders
	Payments Payments
}

// Carts is the cart module.
type Carts interface {
	Store() *eventstore.Store
	Authorize(ctx context.Context, caller web.Caller, cartID uuid.UUID) (customerID string, err error)
	CheckOut(ctx context.Context, c cart.CheckOut) (cart.CheckOutResult, error)
	Handle(ctx context.Context, id, correlation uuid.UUID, cmd cart.Command) error
	// Link returns the command of Handle for a chain.
	Link(id, correlation uuid.UUID, cmd cart.Command) eventstore.Link
}

// Orders is the order module.
type Orders interface {
	Store() *eventstore.Store
	Records() eventstore.Query[order.Record]
	Handle(ctx context.Context, id, correlation uuid.UUID, cmd order.Command) error
	// Link returns the command of Handle for a chain.
	Link(ctx context.Context, id, correlation uuid.UUID, cmd order.Command) (eventstore.Link, error)
	SaveContact(ctx context.Context, c order.Contact) error
	// ContactLink returns the command of SaveContact for a chain.
	ContactLink(c order.Contact) eventstore.Link
	DropContact(ctx context.Context, id uuid.UUID) error
	// Shopper returns what a payment provider may learn of an order.
	Shopper(ctx context.Context, order uuid.UUID) (order.Shopper, error)
	PaymentRef(ctx context.Context, caller web.Caller, id uuid.UUID) (order.PaymentRef, error)
	References(ctx context.Context, caller web.Caller, id uuid.UUID) (order.References, error)
	RequestCancellation(ctx context.Context, write web.Write, c order.RequestCancellation) (v order.View, replayed bool, err error)
	FindByNumber(ctx context.Context, number string) (t order.References, found bool, err error)
}

// Payments is the payment module.
type Payments interface {
	Store() *eventstore.Store
	Records() eventstore.Query[payment.Record]
	// Resumable receives the sagas that may call a provider again after its failure.
	Resumable() <-chan uuid.UUID
	// AcceptsPaymentMethod reports whether a text has the form of a payment method of the provider.
	AcceptsPaymentMethod(token string) bool
	// Chargeable refuses a total that no payment method can pay. It is pure.
	Chargeable(total money.Amount) error
	// DeclinePause returns the time for which Permits refuses.
	DeclinePause(customer, source string, guest bool) time.Duration
	// Permits refuses a payment after too many declined ones of the customer or the address. It is pure but for the memory of the last refusals.
	Permits(customer, source string, guest bool) error
	// OpenCharge and OpenUndo return the first command of a Charge and of an Undo, for a chain. They call no provider.
	OpenCharge(correlation uuid.UUID, c payment.Charge) *payment.Opening
	OpenUndo(correlation uuid.UUID, u payment.Undo) eventstore.Link
	Charge(ctx context.Context, correlation uuid.UUID, c payment.Charge) (payment.Outcome, error)
	Undo(ctx context.Context, correlation uuid.UUID, u payment.Undo) (payment.Outcome, error)
	Refund(ctx context.Context, correlation uuid.UUID, r payment.Refund) (payment.Outcome, error)
	Verify(ctx context.Context, correlation uuid.UUID, v payment.Verify) (payment.Outcome, error)
	Observe(ctx context.Context, correlation uuid.UUID, o payment.Observe) error
	// NextAction returns the shopper's action with its secrets, or nil. It is for the shopper alone.
	NextAction(ctx context.Context, payment uuid.UUID) (*payment.NextAction, error)
	Cancel(ctx context.Context, write web.Write, c payment.Cancel) (replayed bool, err error)
	Resolve(ctx context.Context, write web.Write, c payment.Resolve) (replayed bool, err error)
	RequestRefund(ctx context.Context, write web.Write, r payment.RequestRefund) (payment.RequestedRefund, error)
	// RefundsOf returns the ids of the sagas of a payment's refunds, RefundsUnderWay those of the unfinished ones.
	RefundsOf(ctx context.Context, payment uuid.UUID) ([]uuid.UUID, error)
	RefundsUnderWay(ctx context.Context, payment uuid.UUID) ([]uuid.UUID, error)
}
