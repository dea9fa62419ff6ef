package reconcile

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// refundInvariants are about the refunds after a checkout, and the cancellation of its order.
var refundInvariants = []invariant{
	{
		check:  "refund_forgotten",
		remedy: "A refund was requested and no saga executes it, so its amount stays reserved. Look it up at the provider.",
		violation: func(r records) string {
			if open := r.forgotten(); len(open) > 0 {
				return fmt.Sprintf("%d refunds have no outcome, such as %s, and no saga executes them.", len(open), open[0].ID)
			}
			return ""
		},
		repair: func(r records) (all []command) {
			for _, refund := range r.forgotten() {
				if r.refunds[refund.ID] == nil {
					all = append(all, refundOf(r, refund))
				} else {
					all = append(all, toRefund{payment.Refund{PaymentID: r.payment.ID, RefundID: refund.ID}})
				}
			}
			return all
		},
	},
	{
		check:  "order_refunds_differ",
		remedy: "The order shows its customer other refunds than the payment has. Compare the events of both.",
		violation: func(r records) string {
			if unrecorded, wrong := r.refundsRecorded(); wrong || len(unrecorded) > 0 {
				return fmt.Sprintf("The order has %s of refunds, the payment %s.", r.amount(r.order.Refunded), r.amount(r.payment.Refunded))
			}
			return ""
		},
		repair: func(r records) (all []command) {
			unrecorded, wrong := r.refundsRecorded()
			for _, refund := range unrecorded {
				if wrong || !refund.Ordered && !refund.Elsewhere { // compensation refunded it: then the order should not be confirmed
					return nil
				}
				all = append(all, toOrder{order.RecordRefund{OrderID: r.order.ID, RefundID: refund.ID, Amount: refund.Amount}})
			}
			return all
		},
	},
	{
		check:  "cancellation_forgotten",
		remedy: "The order is neither confirmed nor cancelled, and holds stock. Check its payment and its cancellation.",
		violation: func(r records) string {
			missing, ended := r.cancellation == nil && !r.cancelStarting, r.cancellation != nil && r.cancellation.Status.Ended()
			if r.cancelling() && (missing || ended) {
				return "The order is being cancelled, and no saga executes the cancellation."
			}
			return ""
		},
		repair: func(r records) []command {
			if r.cancellation == nil {
				return []command{cancellationOf(*r.order)}
			}
			end := []command{toOrder{order.EndCancellation{OrderID: r.order.ID}}}
			if r.order.Total == 0 {
				return end
			}
			undo := payment.Undo{PaymentID: r.order.PaymentID, CheckoutID: r.order.CancellationID, Reason: r.order.Reason}
			return append([]command{toUndo{undo}}, end...)
		},
	},
}

func refundOf(r records, refund payment.RefundRecord) command {
	return beginRefund{r.payment.ID, payment.RefundOrdered{
		ID: refund.ID, OrderID: r.payment.OrderID, CustomerID: r.payment.CustomerID,
		Amount: money.Of(refund.Amount, r.payment.Amount.Currency), Reason: refund.Reason,
	}}
}

func cancellationOf(o order.Record) command {
	return beginCancellation{o.ID, order.CancellationRequested{
		CancellationID: o.CancellationID, CheckoutID: o.CheckoutID, PaymentID: o.PaymentID, CustomerID: o.CustomerID,
		Currency: o.Currency, Total: o.Total, Reason: o.Reason,
	}}
}

// inProgress reports whether a saga executes a refund.
func (r records) inProgress(refund uuid.UUID) bool {
	s := r.refunds[refund]
	return s != nil && !s.Status.Ended()
}

// forgotten returns the ordered refunds without an outcome that no saga executes. Refunds of a compensation belong to its saga.
func (r records) forgotten() (all []payment.RefundRecord) {
	if r.payment == nil {
		return nil
	}
	for _, refund := range r.payment.Refunds {
		starting := r.refunds[refund.ID] == nil && r.refundStarting
		if refund.Ordered && refund.Open && !starting && !r.inProgress(refund.ID) {
			all = append(all, refund)
		}
	}
	return all
}

// refundsRecorded compares the refunds of a confirmed order with those of its payment. It returns the refunds that the order lacks, and
// whether the others are wrong. It does not compare refunds without an outcome.
func (r records) refundsRecorded() (unrecorded []payment.RefundRecord, wrong bool) {
	if r.payment == nil || !r.sold() {
		return nil, false
	}
	recorded, known := int64(0), 0
	for _, refund := range r.payment.Refunds {
		switch noted := slices.Contains(r.order.Refunds, refund.ID); {
		case noted && (refund.Done || refund.Open):
			recorded, known = recorded+refund.Amount, known+1
		case refund.Done && !noted && !r.inProgress(refund.ID):
			unrecorded = append(unrecorded, refund)
		}
	}
	return unrecorded, recorded != r.order.Refunded || known != len(r.order.Refunds)
}

// refundEnds describes how the end of a refund or a cancellation differs from its payment or its order.
func (r records) refundEnds(id uuid.UUID) string {
	switch {
	case r.saga.Refund != nil && r.ended(saga.Completed, saga.Failed) && r.payment != nil:
		i := slices.IndexFunc(r.payment.Refunds, func(refund payment.RefundRecord) bool { return refund.ID == id })
		if i < 0 {
			return fmt.Sprintf("The refund has %s, and its payment does not have it.", r.saga.Status)
		}
		if refund := r.payment.Refunds[i]; !refund.Open && refund.Done != r.ended(saga.Completed) {
			return fmt.Sprintf("The refund has %s, and its payment has another outcome.", r.saga.Status)
		}
	case r.saga.Cancellation != nil && r.ended(saga.Completed) && r.order != nil && !r.order.Cancelled && !r.cancelling():
		return "The cancellation has completed, and the order is " + r.orderStatus() + "."
	}
	return ""
}
