package payment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// Resolve records how an operator resolved a payment whose outcome the provider cannot tell. It looks up the payment first, and refuses if the
// provider answers. Later answers of the provider still count: a capture that was denied is refunded, and Verify finds a claimed capture
// that never happened.
func (m *Module) Resolve(ctx context.Context, write web.Write, c Resolve) (replayed bool, err error) {
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
	if _, err = resolve(st.State, c, m.now()); err == nil && c.Outcome != ResolvedRefunded {
		err = m.checkNoAnswer(ctx, st, c)
	}
	if err != nil {
		return false, err
	}
	cmd := commandOf(write, c)
	cmd.Note = m.store.NewNote(plain(c.Reason, 500))
	c.Reason = cmd.Note.Reference()
	cmd.Meta.Correlation = c.CheckoutID
	receipt, err := payments.Handle(ctx, m.store, c.PaymentID, cmd, func(tx *eventstore.Tx, p stream) ([]event, error) {
		return resolve(p.State, c, tx.Now())
	})
	return receipt.Replayed, err
}

// resolve refuses a resolution of a payment without an unresolved call.
func resolve(s State, c Resolve, now time.Time) ([]event, error) {
	switch {
	case c.Outcome == ResolvedRefunded:
		return resolveRefund(s, c, now)
	case s.Resolution == c.Outcome:
		return nil, nil
	case s.Resolution == ResolvedCaptured: // the order may already be confirmed
		return nil, errAlreadyResolved
	case !s.unresolved():
		return nil, errNothingUnresolved
	case c.Outcome == ResolvedCaptured && (s.Tombstone || s.Capture != stepAsked):
		return nil, errNotCapturable
	}
	events := []event{Resolved{CheckoutID: s.CheckoutID, Outcome: c.Outcome, Reason: c.Reason}}
	if c.Outcome == ResolvedNotCaptured && !s.Tombstone {
		events = append(events, UndoRequested{CheckoutID: s.CheckoutID, Code: CodeCancelled, Reason: reasonResolved})
	}
	return events, nil
}

// resolveRefund records that a refund, refused by the provider, was made by other means or is not owed any more. The reconciliation counts its
// amount apart: see Record.RefundedByHand.
func resolveRefund(s State, c Resolve, now time.Time) ([]event, error) {
	if _, refused := s.refusedUndoRefund(); !refused || s.refundsAt(stepAsked) > 0 {
		return nil, errNoRefusedRefund
	}
	return []event{RefundedElsewhere{
		ID: elsewhereID(c.PaymentID, fmt.Sprintf("by_hand/%d", len(s.Refunds))), Of: ElsewhereByHand, OrderID: s.OrderID,
		CheckoutID: s.CheckoutID, Amount: money.Of(s.refundable(), s.Amount.Currency), Reason: c.Reason, At: now,
	}}, nil
}

// reasonResolved is the reason of the tombstone of a resolution.
const reasonResolved = "settled"

// unresolved reports whether an authorization or a capture has no outcome.
func (s State) unresolved() bool { return s.Captured == 0 && (s.authorizing() || s.capturing()) }

// claimedCaptured reports whether only an operator says that the payment is captured.
func (s State) claimedCaptured() bool {
	return s.Resolution == ResolvedCaptured && s.Captured == 0 && s.capturing() && !s.Tombstone
}

// checkNoAnswer refuses a resolution if the provider can tell the outcome. NotFound is not final: it still permits "not captured".
func (m *Module) checkNoAnswer(ctx context.Context, st stream, c Resolve) error {
	p, err := m.provider(st.State.Provider)
	if err != nil {
		return nil // the provider is not configured
	}
	report, err := p.lookUpInBackground(ctx, callOf(st.ID, st.State, providerCall{operation: opLookUp}))
	_, limited := isLimited(err)
	switch {
	case limited:
		return errLedgerUnavailable // the provider was not asked
	case err != nil:
		return ctx.Err()
	case report.Status == NotFound && c.Outcome == ResolvedNotCaptured:
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
	st, why, err := m.newRun(v.PaymentID, correlation).advance(ctx, st, nextChargeCall)
	if err != nil {
		return Outcome{}, err
	}
	return verifyOutcome(st.State).after(why), nil
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
