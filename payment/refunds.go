package payment

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// refundID derives the id of a refund from its payment and the id of its request.
func refundID(payment, request uuid.UUID) uuid.UUID {
	return derivedID(payment, "refund "+request.String(), 0)
}

// RequestRefund records an operator's request to refund and reserves the amount. RefundOrdered starts a saga that makes the refund.
// RequestRefund does not call the provider; Refund does.
func (m *Module) RequestRefund(ctx context.Context, write web.Write, r RequestRefund) (RequestedRefund, error) {
	id := refundID(r.PaymentID, write.ID)
	cmd := commandOf(write, r)
	cmd.Note = m.store.NewNote(r.Reason)
	r.Reason = cmd.Note.Reference()
	receipt, err := payments.Handle(ctx, m.store, r.PaymentID, cmd, func(tx *eventstore.Tx, p stream) ([]event, error) {
		events, err := requestRefund(p.State, id, r, tx.Now())
		if err == nil {
			err = m.checkRefundable(p.State.Provider, events)
		}
		return events, err
	})
	return RequestedRefund{RefundID: id, Replayed: receipt.Replayed}, err
}

// Refund makes a requested refund, or continues an earlier Refund, and returns how far it came. An error means the same as for Charge.
func (m *Module) Refund(ctx context.Context, correlation uuid.UUID, r Refund) (Outcome, error) {
	st, err := payments.Load(ctx, m.store, r.PaymentID)
	if err != nil {
		return Outcome{}, err
	}
	run := m.newRun(r.PaymentID, correlation)
	run.then = r.Then
	run.succeeded = func(s State) bool { return refundOutcome(s, r.RefundID, stopIdle).Result == ResultRefunded }
	st, why, err := run.advance(ctx, st, func(s State, lookedUp bool, now time.Time) providerCall {
		return nextRefundCall(s, r.RefundID, lookedUp, now)
	})
	if err != nil {
		return Outcome{}, err
	}
	return refundOutcome(st.State, r.RefundID, why).after(why), nil
}

// RefundsOf returns the ids of all refunds of a payment.
func (m *Module) RefundsOf(ctx context.Context, payment uuid.UUID) ([]uuid.UUID, error) {
	st, err := payments.Load(ctx, m.store, payment)
	ids := make([]uuid.UUID, len(st.State.Refunds))
	for i, r := range st.State.Refunds {
		ids[i] = r.ID
	}
	return ids, err
}

// Refunding returns the sum of the completed and pending refunds of a payment, in minor units.
func (m *Module) Refunding(ctx context.Context, payment uuid.UUID) (int64, error) {
	st, err := payments.Load(ctx, m.store, payment)
	return st.State.Captured - st.State.refundable(), err
}

// RefundsUnderWay returns the ids of the pending refunds of a payment. A webhook may be about any of them.
func (m *Module) RefundsUnderWay(ctx context.Context, payment uuid.UUID) ([]uuid.UUID, error) {
	st, err := payments.Load(ctx, m.store, payment)
	var ids []uuid.UUID
	for _, r := range st.State.Refunds {
		if r.Status == stepAsked {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}
