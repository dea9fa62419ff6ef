package payment

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/fault"
)

// failures holds the reasons why a payment fails, with the sentences for shoppers.
var failures = []*fault.Fault{
	fault.New(fault.Payment, CodeDeclined, "The payment was declined. Try another payment method."),
	fault.New(fault.Payment, CodeInsufficientFunds, "There is not enough money on this payment method."),
	errTooManyDeclines,
	fault.New(fault.Payment, CodeAuthenticationFailed, "The bank did not confirm the payment."),
	fault.New(fault.Payment, CodeAuthenticationExpired, "The payment was not confirmed at the bank in time."),
	fault.New(fault.Payment, CodeCaptureRefused, "The bank refused to pay out the reserved amount."),
	fault.New(fault.Payment, CodeCancelled, "The payment was cancelled."),
	fault.New(fault.Unavailable, CodeUnavailable, "The payment provider cannot be reached at the moment."),
	fault.New(fault.Payment, CodeRefundedBefore, "This payment was made and refunded before. Nothing is charged. Check out again to pay anew."),
	fault.New(fault.Invalid, CodeNotChargeable, "This amount cannot be charged with any payment method. Change the contents of the cart."),
	fault.New(fault.Payment, CodeRefundOwed, "The provider refused the refund for good, and the money is still owed."),
	fault.New(fault.Payment, CodeRefundFailed, "The provider refused this refund for good. Nothing was refunded, and the amount can be refunded again."),
}

// failure returns the failure with a code, without a sentence if the code is unknown.
func failure(code string) *Failure {
	for _, known := range failures {
		if known.Code == code {
			return &Failure{code, known.Detail}
		}
	}
	return &Failure{Code: code}
}

// declineCode returns our code for a provider's reason, or CodeDeclined.
func declineCode(code string) string {
	switch code {
	case CodeInsufficientFunds, CodeAuthenticationFailed, CodeNotChargeable, CodeRefundedBefore:
		return code
	}
	return CodeDeclined
}

// lookUpAgainAfter is the time until the next look-up of the shopper's answer, if the provider did not respond.
const lookUpAgainAfter = 5 * time.Second

// chargeOutcome returns the outcome of a Charge that stopped for the given reason.
func chargeOutcome(s State, why stopReason, now time.Time) Outcome {
	switch {
	case s.Captured > 0 && !s.Tombstone:
		return Outcome{Result: ResultCaptured}
	case s.FailureCode != "":
		return Outcome{Result: ResultRefused, Failure: failure(s.FailureCode)}
	case s.claimedCaptured():
		return Outcome{Result: ResultCaptured, ByHand: true}
	case s.Authorization == stepWaiting && why == stopIdle:
		return Outcome{Result: ResultActionRequired, NextAction: s.NextAction.shown(), Deadline: s.Deadline}
	case s.Authorization == stepWaiting && now.Before(s.Deadline): // the shopper may have acted, but the provider did not respond
		wait := min(s.Deadline.Sub(now), lookUpAgainAfter)
		return Outcome{Result: ResultActionRequired, NextAction: s.NextAction.shown(), Deadline: now.Add(wait)}
	case why.nothingDone() && s.Unknown == nil:
		return Outcome{Result: ResultUnavailable, Failure: failure(CodeUnavailable)}
	}
	return Outcome{Result: ResultUnknown}
}

// after adds how long the rate limit defers an operation that is not done.
func (o Outcome) after(why stopReason) Outcome {
	if o.Result == ResultUnavailable || o.Result == ResultUnknown || o.Result == ResultVoiding {
		o.Wait = why.wait
	}
	return o
}

func (k *keptAction) shown() *NextAction {
	if k == nil {
		return nil
	}
	return &NextAction{Type: k.Type, URL: k.URL}
}

// undoOutcome returns the outcome of an Undo that stopped for the given reason.
func undoOutcome(s State, why stopReason) Outcome {
	last, refused := s.refusedUndoRefund()
	switch {
	case s.Captured > 0 && s.refundsAt(stepDone) >= s.Captured:
		return Outcome{Result: ResultUndone}
	case s.Captured > 0 && why == stopIdle && refused:
		owed := failure(CodeRefundOwed)
		owed.Detail += providerReason(last.Code)
		return Outcome{Result: ResultNotRefunded, Failure: owed}
	case s.Captured > 0 || s.capturing():
		return Outcome{Result: ResultUnknown}
	case s.holds():
		return Outcome{Result: ResultVoiding}
	}
	return Outcome{Result: ResultUndone}
}

// providerReason returns a sentence with the provider's reason, for operators.
func providerReason(code string) string {
	if code == "" {
		return ""
	}
	return " The provider says: " + code + "."
}

// refundOutcome returns the outcome of a Refund that stopped for the given reason.
func refundOutcome(s State, id uuid.UUID, why stopReason) Outcome {
	r, _ := s.refundOf(id)
	switch {
	case r.Status == stepDone:
		return Outcome{Result: ResultRefunded}
	case r.Status == stepRefused:
		return Outcome{Result: ResultRefused, Failure: failure(CodeRefundFailed)}
	case why.nothingDone() && s.unknownCount(opRefund) == 0:
		return Outcome{Result: ResultUnavailable, Failure: failure(CodeUnavailable)}
	}
	return Outcome{Result: ResultUnknown}
}
