package saga

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/order"
	"shopping-cart/payment"
)

// EndCancellation is the last step of a cancellation, after UndoPayment.
const EndCancellation = "order.end_cancellation"

// cancellation cancels a confirmed order, whose stream has decided before that it will not be fulfilled:
//
//	payment.undo           refunds the rest. It is repeated; a refund that fails for good is followed by another one
//	order.end_cancellation cancels the order and frees its stock
//
// No step can be refused. If the provider does not refund in time, the saga needs attention. An order without a payment skips the first
// step.
var cancellation = definition{
	Type:    "cancellation",
	Version: 1,
	Steps:   []string{UndoPayment, EndCancellation},
	react: func(s State) Reaction {
		c := s.Cancellation
		switch {
		case c.Total > 0 && !s.done(UndoPayment):
			return do(UndoPayment, toUndo{payment.Undo{PaymentID: c.PaymentID, CheckoutID: c.CancellationID, Reason: c.Reason, Retries: s.Retries}})
		case !s.done(EndCancellation):
			return do(EndCancellation, toOrder{order.EndCancellation{OrderID: c.OrderID}})
		}
		return end(Completed)
	},
}

// cancellationOf returns the first event of the saga that cancels an order.
func cancellationOf(e order.CancellationRequested, orderID uuid.UUID, at time.Time) CancellationStarted {
	return CancellationStarted{
		Definition: cancellation.Version, CustomerID: e.CustomerID, At: at,
		Cancellation: Cancellation{
			CancellationID: e.CancellationID, OrderID: orderID, PaymentID: e.PaymentID, CheckoutID: e.CheckoutID,
			Currency: e.Currency, Total: e.Total, Reason: e.Reason,
		},
	}
}
