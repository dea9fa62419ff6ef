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

// refund sees one refund through that was ordered at its payment:
//
//	payment.refund (asked until it is known)   refused for good → failed: its amount is free again
//	order.note_refund                            the order tells its shopper
//
// That it may be made was decided, and its amount kept apart, before the saga began.
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

// refundOf is what an ordered refund begins.
func refundOf(e payment.RefundOrdered, paymentID uuid.UUID, at time.Time) RefundStarted {
	return RefundStarted{
		Definition: refund.Version, CustomerID: e.CustomerID, At: at,
		Refund: Refund{
			RefundID: e.ID, OrderID: e.OrderID, PaymentID: paymentID, Currency: e.Amount.Currency, Amount: e.Amount.Amount, Reason: e.Reason,
		},
	}
}

func (r Refund) money() money.Amount { return money.Of(r.Amount, r.Currency) }
