package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

var (
	errKnownPayment = errors.New("the payment is known here")
	errNoLedger     = errors.New("no provider with a readable ledger knows the payment")
)

// reasonUnknownPayment is the reason of the tombstone of a payment that only the provider knows.
const reasonUnknownPayment = "refund_lost"

// RefundUnknown refunds a captured payment that is unknown here, as after a restore of the database to an older moment. It first leaves a
// tombstone under the payment's id, so that a later Charge of this payment is refused. The refund's key is derived from the payment, so that
// a repetition refunds once.
func (m *Module) RefundUnknown(ctx context.Context, payment uuid.UUID, by string) error {
	run := run{Module: m, id: payment, meta: eventstore.Meta{Actor: by}}
	_, err := run.record(ctx, uuid.Nil, "refund_unknown", func(s State, _ time.Time) ([]event, error) {
		switch {
		case s.requested():
			return nil, errKnownPayment
		case s.Tombstone:
			return nil, nil
		}
		return []event{UndoRequested{Code: CodeRefundedBefore, Reason: reasonUnknownPayment}}, nil
	})
	if err != nil {
		return err
	}
	for _, p := range m.providers {
		book, ok := ledgerOf(p)
		if !ok {
			continue
		}
		balances, err := book.BalancesOf(ctx, []string{payment.String()})
		switch {
		case err != nil:
			return ledgerError(p, err)
		case len(balances) > 0:
			return refundUncovered(ctx, p, payment, balances[0])
		}
	}
	return errNoLedger
}

func refundUncovered(ctx context.Context, p *guardedProvider, payment uuid.UUID, b Balance) error {
	left := b.Captured - b.Refunded
	if left <= 0 {
		return nil
	}
	answer, err := p.Refund(ctx, Call{
		Key:       key(payment, providerCall{opRefund, refund{ID: undoRefundID(payment, 0)}}),
		Reference: payment.String(), RequestedAt: b.At, Amount: money.Of(left, b.Currency),
	})
	if err == nil && answer.Status != Refunded {
		err = fmt.Errorf("the provider answered %s %s", answer.Status, answer.Code)
	}
	return err
}
