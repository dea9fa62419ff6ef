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
		"No capture of this payment is in doubt. A void that is owed is asked for until it is done.")
	errAlreadySettled = fault.New(fault.Conflict, "already_settled", "This payment was settled otherwise already.")
	errCannotBe       = fault.New(fault.Conflict, "cannot_be_captured",
		"No capture of this payment was asked for, or it is being undone: it cannot count as captured.")
	errNoRefundRefused = fault.New(fault.Conflict, "not_refused", "The provider has refused no refund that is owed. Retry instead.")
	errProviderAnswers = fault.New(fault.Conflict, "provider_answers", "The provider can be asked about this payment: retry instead.")
)

// Settle takes a person's word for what became of a payment, where nobody else can know. The provider is asked first: as long
// as it answers, its word is the only one. What it says later still counts: a capture that was denied by hand is given
// back, and Verify tells of one that was claimed and never was.
func (m *Module) Settle(ctx context.Context, write web.Write, c Settle) (replayed bool, err error) {
	once := eventstore.IdempotencyKey{}
	if write.Keyed {
		once = eventstore.IdempotencyKey{ID: write.ID, Fingerprint: write.Fingerprint}
	}
	if replayed, err = m.store.Processed(ctx, once); replayed || err != nil {
		return replayed, err
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

// settle decides whether a person's word may count. Not after the provider's: then nothing is in doubt.
func settle(s State, c Settle, now time.Time) ([]event, error) {
	switch {
	case c.Outcome == SettledRefunded:
		return settleRefund(s, c, now)
	case s.Settlement == c.Outcome:
		return nil, nil
	case s.Settlement == SettledCaptured: // and the order may have been confirmed for it
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

// settleRefund records that what the provider refuses to refund is refunded by other means, or not owed any more. The operator, its
// actor, gives the reason. What the provider owes no more is kept apart from its own book: see Standing.RefundedByHand.
func settleRefund(s State, c Settle, now time.Time) ([]event, error) {
	if _, refused := s.refusedUndo(); !refused || s.refundsAt(stepAsked) > 0 {
		return nil, errNoRefundRefused
	}
	return []event{RefundedElsewhere{
		ID: elsewhereID(c.PaymentID, fmt.Sprintf("by_hand/%d", len(s.Refunds))), Of: ElsewhereByHand, OrderID: s.OrderID,
		CheckoutID: s.CheckoutID, Amount: money.Of(s.left(), s.Amount.Currency), Reason: plain(c.Reason, 500), At: now,
	}}, nil
}

// reasonSettled is the reason of a tombstone that a person left by settling.
const reasonSettled = "settled"

// inDoubt reports whether an authorization or a capture is open.
func (s State) inDoubt() bool { return s.Captured == 0 && (s.undecided() || s.capturing()) }

// saidCaptured reports whether all that says of a capture is a person's word.
func (s State) saidCaptured() bool {
	return s.Settlement == SettledCaptured && s.Captured == 0 && s.capturing() && !s.Tombstone
}

// silent refuses to settle what the provider can tell. It knows of no such payment: that fits "not captured" alone, and not
// for good, so it changes nothing about the rest.
func (m *Module) silent(ctx context.Context, st stream, c Settle) error {
	p, err := m.provider(st.State.Provider)
	if err != nil {
		return nil // it is not even configured any more
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

// Verify asks the provider whether a payment is captured that counts as such on a person's word, and goes on with the capture
// where that is what it takes. ResultCaptured and ResultRefused are the provider's word; ResultUnknown: ask again.
func (m *Module) Verify(ctx context.Context, correlation uuid.UUID, v Verify) (Outcome, error) {
	run := run{m, v.PaymentID, eventstore.Meta{Actor: actor, Correlation: correlation}}
	st, err := payments.Load(ctx, m.store, v.PaymentID)
	if err != nil {
		return Outcome{}, err
	}
	if st, _, err = run.drive(ctx, st, nextOfCharge); err != nil {
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
