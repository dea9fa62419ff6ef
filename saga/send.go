package saga

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

// send takes a step, and says how it came out.
func (m *Module) send(ctx context.Context, saga uuid.UUID, d Do) Outcome {
	id := commandID(saga, d.Step)
	switch c := d.Command.(type) {
	case toOrder:
		return outcomeOf(m.Rooms.Order(ctx, id, saga, c.Command))
	case toCart:
		return outcomeOf(m.Rooms.Cart(ctx, id, saga, c.Command))
	case toCharge:
		o, err := m.Rooms.Charge(ctx, saga, c.Charge)
		return outcomeOfPayment(o, err)
	case toUndo:
		o, err := m.Rooms.UndoPayment(ctx, saga, c.Undo)
		return outcomeOfPayment(o, err)
	case toRefund:
		o, err := m.Rooms.Refund(ctx, saga, c.Refund)
		return outcomeOfPayment(o, err)
	case toVerify:
		o, err := m.Rooms.VerifyPayment(ctx, saga, c.Verify)
		return outcomeOfVerification(o, err)
	case toBegin, toObserve: // no step of a saga
	}
	return Outcome{Kind: StepFaulted, Error: "a command to no room"}
}

// outcomeOf reads the answer of a room that calls nobody outside. A refusal is a fact; anything else can be repeated,
// since the command's id is derived.
func outcomeOf(err error) Outcome {
	if err == nil {
		return Outcome{Kind: StepSucceeded}
	}
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Unavailable || f.Kind == fault.Internal {
		return Outcome{Kind: StepFaulted, Error: errorText(err)}
	}
	return Outcome{Kind: StepWasRefused, Failure: Failure{Code: f.Code, Detail: f.Detail, Lines: linesOf(f)}}
}

func outcomeOfPayment(o payment.Outcome, err error) Outcome {
	if err != nil { // the store, not the provider: the stream knows what was asked
		ours := isUnavailable(err) || errors.Is(err, context.DeadlineExceeded)
		return Outcome{Kind: StepIsUnknown, Error: errorText(err), Ours: ours}
	}
	switch o.Result {
	case payment.ResultCaptured, payment.ResultUndone, payment.ResultRefunded:
		return Outcome{Kind: StepSucceeded, ByHand: o.ByHand}
	case payment.ResultRefused:
		return Outcome{Kind: StepWasRefused, Failure: Failure{Code: o.Failure.Code, Detail: o.Failure.Detail}}
	case payment.ResultActionRequired:
		next := NextAction(*o.NextAction)
		return Outcome{Kind: StepMustWait, Next: &next, Until: o.Deadline}
	case payment.ResultUnavailable:
		return Outcome{Kind: StepFaulted, Error: o.Failure.Detail}
	case payment.ResultTooLate:
		return Outcome{Kind: StepWasRefused, Failure: Failure{Code: errTooLate.Code, Detail: errTooLate.Detail}}
	case payment.ResultNotRefunded:
		return Outcome{Kind: StepIsOwed, Error: o.Failure.Detail}
	case payment.ResultVoiding:
		return Outcome{Kind: StepFaulted, Error: "The void is not confirmed by the provider yet.", Certain: true}
	case payment.ResultUnknown:
		return Outcome{Kind: StepIsUnknown, Error: "The provider's answer is not known yet."}
	}
	return Outcome{Kind: StepIsUnknown, Error: "The payment answered " + string(o.Result) + "."}
}

// outcomeOfVerification: that the provider denies what a person said is for a person again.
func outcomeOfVerification(o payment.Outcome, err error) Outcome {
	came := outcomeOfPayment(o, err)
	if came.Kind == StepWasRefused {
		came.Failure.Detail = "The order is confirmed, since the payment was settled as captured, but the provider says that it is not: " + came.Failure.Detail
	}
	return came
}

// errorText is what a shopper may read of an error in the steps of their checkout.
func errorText(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Detail
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "It took too long."
	}
	return "It failed for an internal reason."
}

// linesOf are the lines that a fault names, whatever type its room gave them.
func linesOf(f *fault.Fault) []Short {
	var lines []Short
	if data, err := json.Marshal(f.Extra["lines"]); err == nil {
		_ = json.Unmarshal(data, &lines) // a fault without lines has none
	}
	return lines
}
