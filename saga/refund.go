package saga

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// The steps of a refund.
const (
	RefundMoney = "payment.refund"
	NoteRefund  = "order.note_refund"
)

// refund executes a refund that its payment has accepted, with its amount reserved:
//
//	payment.refund      is repeated until its outcome is known. If it is refused for good, the saga fails and its amount is free again
//	order.note_refund   shows the refund in the order
var refund = definition{
	Type:    "refund",
	Version: 1,
	Steps:   []string{RefundMoney, NoteRefund},
	react: func(s State) Reaction {
		switch {
		case s.Failure != nil:
			return end(Failed)
		case !s.done(RefundMoney):
			return do(RefundMoney, toRefund{payment.Refund{PaymentID: s.Refund.PaymentID, RefundID: s.Refund.RefundID}})
		case !s.done(NoteRefund):
			return do(NoteRefund, toOrder{order.RecordRefund{
				OrderID: s.Refund.OrderID, RefundID: s.Refund.RefundID, Amount: s.Refund.Amount,
			}})
		}
		return end(Completed)
	},
}

// refundOf returns the first event of the saga of a refund.
func refundOf(e payment.RefundOrdered, paymentID uuid.UUID, at time.Time) RefundStarted {
	return RefundStarted{
		Definition: refund.Version, CustomerID: e.CustomerID, At: at,
		Refund: Refund{
			RefundID: e.ID, OrderID: e.OrderID, PaymentID: paymentID, Currency: e.Amount.Currency, Amount: e.Amount.Amount, Reason: e.Reason,
		},
	}
}

func (r Refund) money() money.Amount { return money.Of(r.Amount, r.Currency) }
