package saga

import (
	"time"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// The steps of a checkout, and their compensations.
const (
	PlaceOrder   = "order.place"
	ChargeMoney  = "payment.charge"
	ConfirmOrder = "order.confirm"
	CompleteCart = "cart.complete"

	UndoPayment = "payment.undo"
	CancelOrder = "order.cancel"
	ReopenCart  = "cart.reopen"

	VerifyPayment = "payment.verify"
)

// checkout turns a sealed cart into a paid order:
//
//	order.place (reserves stock)         ⟲ order.cancel
//	payment.charge (authorize, capture)  ⟲ payment.undo
//	order.confirm ∥ cart.complete        these must succeed
//
// The capture is the pivot. If it is refused, compensate runs. If its outcome is unknown, it is repeated. After it, the steps cannot be
// compensated. If an operator settled it, the order and the cart do not wait for the provider, but payment.verify ends the saga. If there is
// nothing to pay, the confirmation is the pivot, and the cart comes after it.
var checkout = definition{
	Type:    TypeCheckout,
	Version: 1,
	Steps:   []string{PlaceOrder, ChargeMoney, ConfirmOrder, CompleteCart},
	react: func(s State) Reaction {
		switch {
		case s.Failure != nil:
			return compensate(s)
		case !s.done(PlaceOrder):
			return do(PlaceOrder, toOrder{placeOf(s)})
		case s.Checkout.Total > 0 && !s.done(ChargeMoney):
			return do(ChargeMoney, toCharge{chargeOf(s), s.Step(ChargeMoney).Attempts})
		case !s.done(ConfirmOrder) && !s.done(CompleteCart) && s.Checkout.Total > 0:
			return do(ConfirmOrder, confirmOf(s)).and(CompleteCart, completeOf(s))
		case !s.done(ConfirmOrder):
			return do(ConfirmOrder, confirmOf(s))
		case !s.done(CompleteCart):
			return do(CompleteCart, completeOf(s))
		case s.Step(ChargeMoney).Unverified && !s.done(VerifyPayment):
			return do(VerifyPayment, toVerify{payment.Verify{PaymentID: s.Checkout.PaymentID}})
		}
		return end(Completed)
	},
}

// compensate compensates the steps in reverse. It frees the stock and the cart only when it is certain that nothing is, or will be,
// captured. A void that the provider has not confirmed then keeps only the saga.
//
// It also compensates steps that never ran: a frozen process may have sent them, and a tombstone refuses them when they arrive.
func compensate(s State) Reaction {
	var next Reaction
	if s.Checkout.Total > 0 && !s.done(UndoPayment) {
		next = do(UndoPayment, toUndo{undoOf(s)})
		if !s.Step(UndoPayment).NothingCaptured {
			return next
		}
	}
	switch {
	case !s.done(CancelOrder):
		return next.and(CancelOrder, toOrder{order.Cancel{OrderID: s.Checkout.OrderID, Reason: s.Failure.Code, ContactID: s.Checkout.ContactID}})
	case !s.done(ReopenCart):
		return next.and(ReopenCart, toCart{cart.Reopen{
			CartID: s.Checkout.CartID, CheckoutID: s.Checkout.CheckoutID, Code: s.Failure.Code, Detail: s.Failure.Detail,
			FailedAt: failedAt(s),
		}})
	case len(next.Do) > 0:
		return next
	case s.Failure.Code == CodeCancelled:
		return end(Cancelled)
	}
	return end(Failed)
}

// failedAt returns when the payment of a failed checkout was last tried. It is zero if it never was, if the provider was away, or if a limit
// refused it.
func failedAt(s State) time.Time {
	charge := s.Step(ChargeMoney)
	switch s.Failure.Code {
	case CodeUnavailable, order.CodeTooManyWaiting, payment.CodeTooManyDeclines:
		return time.Time{}
	}
	return later(charge.StartedAt, charge.FinishedAt)
}

// compensatesPivot reports whether a step compensates the pivot. If it is refused, another process got past the pivot, and the saga
// completes. Only checkouts have such a step.
func compensatesPivot(s State, step string) bool {
	if s.Checkout.Total == 0 {
		return step == CancelOrder
	}
	return step == UndoPayment
}

// paymentRefused reports whether the payment's stream refused the charge for good, not the saga or the order's holders. Otherwise a frozen process may still capture, and the
// compensation yields to that: the saga completes.
func paymentRefused(s State) bool {
	return s.Step(ChargeMoney).Status == StepIsRefused && s.Failure.Code != CodeUnavailable && s.Failure.Code != order.CodeTooManyWaiting
}

func placeOf(s State) order.Place {
	c := s.Checkout
	place := order.Place{
		OrderID: c.OrderID, CheckoutID: c.CheckoutID, PaymentID: c.PaymentID, CartID: c.CartID, CustomerID: s.CustomerID,
		Currency: c.Currency, Total: c.Total, ContactID: c.ContactID,
	}
	for _, l := range c.Lines {
		place.Lines = append(place.Lines, order.Line{SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: l.UnitPrice})
	}
	for _, a := range c.Adjustments {
		place.Adjustments = append(place.Adjustments, order.Adjustment(a))
	}
	return place
}

func chargeOf(s State) payment.Charge {
	c := s.Checkout
	return payment.Charge{
		PaymentID: c.PaymentID, OrderID: c.OrderID, CheckoutID: c.CheckoutID, CustomerID: s.CustomerID,
		Amount: money.Of(c.Total, c.Currency), PaymentMethod: c.PaymentMethod,
		Source: c.Source, Guest: c.Guest,
	}
}

func undoOf(s State) payment.Undo {
	return payment.Undo{
		PaymentID: s.Checkout.PaymentID, CheckoutID: s.Checkout.CheckoutID, Reason: s.Failure.Code, Retries: s.Retries, Yields: !paymentRefused(s),
	}
}

func confirmOf(s State) Command {
	return toOrder{order.Confirm{OrderID: s.Checkout.OrderID, Held: s.Step(ChargeMoney).Attempts > 1}}
}

func completeOf(s State) Command {
	c := s.Checkout
	return toCart{cart.Complete{CartID: c.CartID, CheckoutID: c.CheckoutID, OrderID: c.OrderID}}
}

// startedBy returns the first event of the saga of a sealed cart.
func startedBy(e cart.CheckedOut, at time.Time) Started {
	return Started{Type: checkout.Type, Definition: checkout.Version, CustomerID: e.CustomerID, Checkout: startOf(e), At: at}
}

// startOf returns the checkout of a sealed cart.
func startOf(e cart.CheckedOut) Checkout {
	c := Checkout{
		CheckoutID: e.CheckoutID, CartID: e.CartID, OrderID: e.OrderID, PaymentID: e.PaymentID, ContactID: e.ContactID,
		Currency: e.Currency, Total: e.Total, PaymentMethod: e.PaymentMethod, Source: e.Source, Guest: e.Guest,
	}
	for _, l := range e.Lines {
		c.Lines = append(c.Lines, Line(l))
	}
	for _, a := range e.Adjustments {
		c.Adjustments = append(c.Adjustments, Adjustment(a))
	}
	return c
}
