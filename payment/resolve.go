package payment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

var (
	errNotInDoubt = fault.New(fault.Conflict, "not_in_doubt",
		"This payment has no unresolved capture. A void that is owed is repeated until it is done.")
	errAlreadySettled = fault.New(fault.Conflict, "already_settled", "This payment was already resolved with another outcome.")
	errCannotBe       = fault.New(fault.Conflict, "cannot_be_captured",
		"No capture of this payment was requested, or it is being compensated: it cannot count as captured.")
	errNoRefundRefused = fault.New(fault.Conflict, "not_refused", "The provider has not refused a refund that is owed. Retry instead.")
	errProviderAnswers = fault.New(fault.Conflict, "provider_answers", "The provider can still tell the outcome of this payment. Retry instead.")
)

// Settle records how an operator resolved a payment whose outcome the provider cannot tell. It looks up the payment first, and refuses if the
// provider answers. Later answers of the provider still count: a capture that was denied is refunded, and Verify finds a claimed capture
// that never happened.
func (m *Module) Settle(ctx context.Context, write web.Write, c Settle) (replayed bool, err error) {
	if write.Keyed {
		key := eventstore.IdempotencyKey{ID: write.ID, Fingerprint: write.Fingerprint}
		if replayed, err = m.store.Processed(ctx, key); replayed || err != nil {
			return replayed, err
		}
	}
	st, err := payments.Load(ctx, m.store, c.PaymentID)
	if err != nil {
		return false, err
	}
	if _, err = settle(st.State, c, m.now()); err == nil && c.Outcome != SettledRefunded {
		err = m.silent(ctx, st, c)
	}
	if err != nil {
		return false, err
	}
	cmd := commandOf(write)
	cmd.Meta.Correlation = c.CheckoutID
	receipt, err := payments.Handle(ctx, m.store, c.PaymentID, cmd, func(tx *eventstore.Tx, p stream) ([]event, error) {
		return settle(p.State, c, tx.Now())
	})
	return receipt.Replayed, err
}

// settle refuses a resolution of a payment without an unresolved call.
func settle(s State, c Settle, now time.Time) ([]event, error) {
	switch {
	case c.Outcome == SettledRefunded:
		return settleRefund(s, c, now)
	case s.Settlement == c.Outcome:
		return nil, nil
	case s.Settlement == SettledCaptured: // the order may already be confirmed
		return nil, errAlreadySettled
	case !s.inDoubt():
		return nil, errNotInDoubt
	case c.Outcome == SettledCaptured && (s.Tombstone || s.Capture != stepAsked):
		return nil, errCannotBe
	}
	events := []event{Settled{CheckoutID: s.CheckoutID, Outcome: c.Outcome, Reason: plain(c.Reason, 500)}}
	if c.Outcome == SettledNotCaptured && !s.Tombstone {
		events = append(events, UndoRequested{CheckoutID: s.CheckoutID, Code: CodeCancelled, Reason: reasonSettled})
	}
	return events, nil
}

// settleRefund records that a refund, refused by the provider, was made by other means or is not owed any more. The reconciliation counts its
// amount apart: see Standing.RefundedByHand.
func settleRefund(s State, c Settle, now time.Time) ([]event, error) {
	if _, refused := s.refusedUndo(); !refused || s.refundsAt(stepAsked) > 0 {
		return nil, errNoRefundRefused
	}
	return []event{RefundedElsewhere{
		ID: elsewhereID(c.PaymentID, fmt.Sprintf("by_hand/%d", len(s.Refunds))), Of: ElsewhereByHand, OrderID: s.OrderID,
		CheckoutID: s.CheckoutID, Amount: money.Of(s.left(), s.Amount.Currency), Reason: plain(c.Reason, 500), At: now,
	}}, nil
}

// reasonSettled is the reason of the tombstone of a resolution.
const reasonSettled = "settled"

// inDoubt reports whether an authorization or a capture has no outcome.
func (s State) inDoubt() bool { return s.Captured == 0 && (s.undecided() || s.capturing()) }

// saidCaptured reports whether only an operator says that the payment is captured.
func (s State) saidCaptured() bool {
	return s.Settlement == SettledCaptured && s.Captured == 0 && s.capturing() && !s.Tombstone
}

// silent refuses a resolution if the provider can tell the outcome. NotFound is not final: it still permits "not captured".
func (m *Module) silent(ctx context.Context, st stream, c Settle) error {
	p, err := m.provider(st.State.Provider)
	if err != nil {
		return nil // the provider is not configured
	}
	report, err := p.lookAside(ctx, callOf(st.ID, st.State, ask{operation: opLookUp}))
	switch {
	case err != nil:
		return ctx.Err()
	case report.Status == NotFound && c.Outcome == SettledNotCaptured:
		return nil
	}
	return errProviderAnswers.With("provider_says", report.Status)
}

// Verify looks up a payment that an operator resolved as captured, and continues the capture if needed. ResultCaptured and ResultRefused come
// from the provider. After ResultUnknown, call Verify again.
func (m *Module) Verify(ctx context.Context, correlation uuid.UUID, v Verify) (Outcome, error) {
	st, err := payments.Load(ctx, m.store, v.PaymentID)
	if err != nil {
		return Outcome{}, err
	}
	if st, _, err = m.newRun(v.PaymentID, correlation).drive(ctx, st, nextOfCharge); err != nil {
		return Outcome{}, err
	}
	return verifyOutcome(st.State), nil
}

func verifyOutcome(s State) Outcome {
	switch {
	case s.Captured > 0:
		return Outcome{Result: ResultCaptured}
	case s.FailureCode != "":
		return Outcome{Result: ResultRefused, Failure: failure(s.FailureCode)}
	}
	return Outcome{Result: ResultUnknown}
}
