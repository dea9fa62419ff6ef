package saga

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/order"
	"shopping-cart/payment"
)

// EndCancellation is the last step of a cancellation. The one before is UndoPayment.
const EndCancellation = "order.end_cancellation"

// cancellation undoes a sale:
//
//	(the order said yes: it is cancelling, and will not be fulfilled any more)
//	payment.undo           all that is left goes back: repeated until it is there, refund after refund where one fails for good
//	order.end_cancellation the order is cancelled, and its stock free again
//
// The order's own stream has decided between this and the fulfilment before the saga began. From then on there is only
// forward: nothing is refused, and what the provider does not do in time is for a person. With nothing paid, there is
// nothing to give back.
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

// cancellationOf is what the cancellation of an order begins.
func cancellationOf(e order.CancellationRequested, orderID uuid.UUID, at time.Time) CancellationStarted {
	return CancellationStarted{
		Definition: cancellation.Version, CustomerID: e.CustomerID, At: at,
		Cancellation: Cancellation{
			CancellationID: e.CancellationID, OrderID: orderID, PaymentID: e.PaymentID, CheckoutID: e.CheckoutID,
			Currency: e.Currency, Total: e.Total, Reason: e.Reason,
		},
	}
}
