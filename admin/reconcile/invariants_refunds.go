package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// refundInvariants are about what is given back after a checkout: its refunds, and the cancellation of its order.
var refundInvariants = []invariant{
	{
		check:  "refund_forgotten",
		remedy: "A refund was promised, and nobody sees it through: its amount is spoken for. Look it up at the provider.",
		violation: func(b books) string {
			if open := b.forgotten(); len(open) > 0 {
				return fmt.Sprintf("%d refunds have no outcome, %s among them, and no saga is under way for that.", len(open), open[0].ID)
			}
			return ""
		},
		repair: func(b books) (all []command) {
			for _, r := range b.forgotten() {
				if b.refunds[r.ID] == nil {
					all = append(all, refundOf(b, r))
				} else {
					all = append(all, toRefund{payment.Refund{PaymentID: b.payment.ID, RefundID: r.ID}})
				}
			}
			return all
		},
	},
	{
		check:  "order_refunds_differ",
		remedy: "The order tells its shopper of other refunds than the payment knows. Compare the events of both.",
		violation: func(b books) string {
			if untold, wrong := b.refundsRecorded(); wrong || len(untold) > 0 {
				return fmt.Sprintf("The order says that %d are refunded, the payment %d.", b.order.Refunded, b.payment.Refunded)
			}
			return ""
		},
		repair: func(b books) (all []command) {
			untold, wrong := b.refundsRecorded()
			for _, r := range untold {
				if wrong || !r.Ordered && !r.Elsewhere { // given back by an undo: then it should not be sold
					return nil
				}
				all = append(all, toOrder{order.RecordRefund{OrderID: b.order.ID, RefundID: r.ID, Amount: r.Amount}})
			}
			return all
		},
	},
	{
		check:  "cancellation_forgotten",
		remedy: "The order is neither sold nor cancelled, and holds stock. Look at its payment, and at the cancellation.",
		violation: func(b books) string {
			missing, ended := b.cancellation == nil && !b.cancelBegins, b.cancellation != nil && b.cancellation.Status.Ended()
			if b.cancelling() && (missing || ended) {
				return "The order is being cancelled, and no cancellation is under way for it."
			}
			return ""
		},
		repair: func(b books) []command {
			if b.cancellation == nil {
				return []command{cancellationOf(*b.order)}
			}
			end := []command{toOrder{order.EndCancellation{OrderID: b.order.ID}}}
			if b.order.Total == 0 {
				return end
			}
			undo := payment.Undo{PaymentID: b.order.PaymentID, CheckoutID: b.order.CancellationID, Reason: b.order.Reason}
			return append([]command{toUndo{undo}}, end...)
		},
	},
}

func refundOf(b books, r payment.RefundStanding) command {
	return beginRefund{b.payment.ID, payment.RefundOrdered{
		ID: r.ID, OrderID: b.payment.OrderID, CustomerID: b.payment.CustomerID, Amount: money.Of(r.Amount, b.payment.Amount.Currency), Reason: r.Reason,
	}}
}

func cancellationOf(o order.Record) command {
	return beginCancellation{o.ID, order.CancellationRequested{
		CancellationID: o.CancellationID, CheckoutID: o.CheckoutID, PaymentID: o.PaymentID, CustomerID: o.CustomerID,
		Currency: o.Currency, Total: o.Total, Reason: o.Reason,
	}}
}

// inProgress reports whether a saga sees a refund through.
func (b books) inProgress(refund uuid.UUID) bool {
	s := b.refunds[refund]
	return s != nil && !s.Status.Ended()
}

// forgotten are the refunds that were ordered, have no answer, and nobody to ask for it. What an undo asks for its saga minds.
func (b books) forgotten() (all []payment.RefundStanding) {
	if b.payment == nil {
		return nil
	}
	for _, r := range b.payment.Refunds {
		begins := b.refunds[r.ID] == nil && b.refundBegins
		if r.Ordered && r.Open && !begins && !b.inProgress(r.ID) {
			all = append(all, r)
		}
	}
	return all
}

// refundsRecorded compares what an order that is sold tells of its refunds with what its payment knows: those that it was not told
// of, and whether what it tells is wrong. Those that have no answer yet are not compared.
func (b books) refundsRecorded() (unrecorded []payment.RefundStanding, wrong bool) {
	if b.payment == nil || !b.sold() {
		return nil, false
	}
	recorded, known := int64(0), 0
	for _, r := range b.payment.Refunds {
		switch noted := slices.Contains(b.order.Refunds, r.ID); {
		case noted && (r.Done || r.Open):
			recorded, known = recorded+r.Amount, known+1
		case r.Done && !noted && !b.inProgress(r.ID):
			unrecorded = append(unrecorded, r)
		}
	}
	return unrecorded, recorded != b.order.Refunded || known != len(b.order.Refunds)
}

// refundEnds says how a refund or a cancellation that has ended differs from what became of the money and the order.
func (b books) refundEnds(id uuid.UUID) string {
	switch {
	case b.saga.Refund != nil && b.ended(saga.Completed, saga.Failed) && b.payment != nil:
		i := slices.IndexFunc(b.payment.Refunds, func(r payment.RefundStanding) bool { return r.ID == id })
		if i < 0 {
			return fmt.Sprintf("The refund has %s, and its payment knows nothing of it.", b.saga.Status)
		}
		if r := b.payment.Refunds[i]; !r.Open && r.Done != b.ended(saga.Completed) {
			return fmt.Sprintf("The refund has %s, and its payment says otherwise.", b.saga.Status)
		}
	case b.saga.Cancellation != nil && b.ended(saga.Completed) && b.order != nil && !b.order.Cancelled && !b.cancelling():
		return "The cancellation went well, and the order is " + b.orderWord() + "."
	}
	return ""
}

// refundSagas are the sagas of the refunds of payments, and of the cancellations of orders. They are read after those: what moves
// in between is young, and not judged.
func (m *Module) refundSagas(
	ctx context.Context, orders map[uuid.UUID]order.Record, payments map[uuid.UUID]payment.Standing,
) (map[uuid.UUID]saga.Standing, error) {
	var ids []uuid.UUID
	for _, o := range orders {
		if o.CancellationID != uuid.Nil {
			ids = append(ids, o.CancellationID)
		}
	}
	for _, p := range payments {
		for _, r := range p.Refunds {
			if r.Ordered {
				ids = append(ids, r.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := m.Sagas.Book().ByID(ctx, ids)
	all := make(map[uuid.UUID]saga.Standing, len(found))
	for _, s := range found {
		all[s.ID] = s
	}
	return all, err
}

// addRefundSagas adds those of a checkout to its books, and reports whether all of them are at rest.
func (b *books) addRefundSagas(all map[uuid.UUID]saga.Standing, settled time.Time) (rests bool) {
	rests, b.refunds = true, map[uuid.UUID]*saga.Standing{}
	if b.payment != nil {
		b.refundBegins = b.payment.UpdatedAt.After(settled.Add(-beginsWithin))
		for _, r := range b.payment.Refunds {
			if s := entry(all, r.ID); s != nil {
				b.refunds[r.ID], rests = s, rests && !s.UpdatedAt.After(settled)
			}
		}
	}
	if b.order != nil {
		b.cancelBegins = b.order.UpdatedAt.After(settled.Add(-beginsWithin))
		if s := entry(all, b.order.CancellationID); s != nil {
			b.cancellation, rests = s, rests && !s.UpdatedAt.After(settled)
		}
	}
	return rests
}
