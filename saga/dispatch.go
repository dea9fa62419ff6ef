package saga

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

// Command is a command to another module.
type Command interface {
	// dispatch executes the command in its module. id is derived from the saga and the step.
	dispatch(ctx context.Context, to Modules, id, saga uuid.UUID, with around) Outcome
	// addTo adds the command to a chain. It reports whether further steps may follow there if the command succeeds.
	addTo(ctx context.Context, to Modules, id, saga uuid.UUID, in *chain) (more bool)
}

// attemptsUnheld is the number of attempts of a charge before its order counts as waiting.
const attemptsUnheld = 3

type (
	toOrder  struct{ order.Command }
	toCart   struct{ cart.Command }
	toCharge struct {
		payment.Charge
		attempts int // before
	}
	toUndo   struct{ payment.Undo }
	toRefund struct{ payment.Refund }
	toVerify struct{ payment.Verify }
)

// around holds what a chain has executed of a command, and what follows its success in a chain.
type around struct {
	opened *payment.Opening
	then   *payment.FollowUp
}

func (c toOrder) dispatch(ctx context.Context, to Modules, id, saga uuid.UUID, _ around) Outcome {
	return outcomeOf(to.Orders.Handle(ctx, id, saga, c.Command))
}

func (c toCart) dispatch(ctx context.Context, to Modules, id, saga uuid.UUID, _ around) Outcome {
	return outcomeOf(to.Carts.Handle(ctx, id, saga, c.Command))
}

// dispatch charges. An order whose charge does not end at once, or is deferred again and again, is entered at its holders, and one that must not
// wait is refused.
func (c toCharge) dispatch(ctx context.Context, to Modules, id, saga uuid.UUID, with around) Outcome {
	c.Opened, c.Then = with.opened, with.then
	c.Shopper = func(ctx context.Context) (payment.Shopper, error) {
		s, err := to.Orders.Shopper(ctx, c.OrderID)
		return payment.Shopper{OrderNumber: s.Number, Email: s.Email}, err
	}
	charge := outcomeOfPayment(to.Payments.Charge(ctx, saga, c.Charge))
	if !c.waits(charge) {
		return charge
	}
	err := to.Orders.Handle(ctx, id, saga, order.Hold{
		OrderID: c.OrderID, CustomerID: c.CustomerID, Source: c.Source, Guest: c.Guest, InDoubt: charge.Kind == StepIsUnknown,
	})
	held := outcomeOf(err)
	switch held.Kind {
	case StepSucceeded:
		return charge
	case StepFaulted:
		return Outcome{Kind: StepIsUnknown, Error: held.Error, Uncounted: isUnavailable(err)}
	case StepWasRefused, StepMustWait, StepIsUnknown, StepIsOwed:
	}
	return held
}

// waits reports whether the order of a charge waits, and so holds its stock for longer than a moment.
func (c toCharge) waits(charge Outcome) bool {
	switch charge.Kind {
	case StepMustWait:
		return true
	case StepIsUnknown:
		return !charge.Uncounted
	case StepFaulted:
		return c.attempts >= attemptsUnheld
	case StepSucceeded, StepWasRefused, StepIsOwed:
	}
	return false
}

func (c toUndo) dispatch(ctx context.Context, to Modules, _, saga uuid.UUID, with around) Outcome {
	c.Then = with.then
	return outcomeOfPayment(to.Payments.Undo(ctx, saga, c.Undo))
}

func (c toRefund) dispatch(ctx context.Context, to Modules, _, saga uuid.UUID, with around) Outcome {
	c.Then = with.then
	return outcomeOfPayment(to.Payments.Refund(ctx, saga, c.Refund))
}

func (c toVerify) dispatch(ctx context.Context, to Modules, _, saga uuid.UUID, _ around) Outcome {
	return outcomeOfVerification(to.Payments.Verify(ctx, saga, c.Verify))
}

// outcomeOf converts the result of a module that calls no provider. A refusal is final. Any other error is safe to repeat, since the
// command's id is derived.
func outcomeOf(err error) Outcome {
	if err == nil {
		return Outcome{Kind: StepSucceeded}
	}
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Unavailable || f.Kind == fault.TooMany || f.Kind == fault.Internal {
		return Outcome{Kind: StepFaulted, Error: errorText(err)}
	}
	return Outcome{Kind: StepWasRefused, Failure: Failure{Code: f.Code, Detail: f.Detail, Lines: linesOf(f)}}
}

// outcomeOfPayment converts the result of a payment. A limit defers the step, until its deadline.
func outcomeOfPayment(o payment.Outcome, err error) Outcome {
	result := resultOfPayment(o, err)
	if o.Wait > 0 {
		result.Wait, result.Error = o.Wait, "A limit of the calls to the payment provider, or of declined payments, defers this step."
	}
	return result
}

func resultOfPayment(o payment.Outcome, err error) Outcome {
	if err != nil { // of the store, not of the provider
		ours := isUnavailable(err) || errors.Is(err, context.DeadlineExceeded)
		return Outcome{Kind: StepIsUnknown, Error: errorText(err), Uncounted: ours}
	}
	switch o.Result {
	case payment.ResultCaptured, payment.ResultUndone, payment.ResultRefunded:
		return Outcome{Kind: StepSucceeded, Manual: o.ByHand}
	case payment.ResultRefused:
		return Outcome{Kind: StepWasRefused, Failure: Failure{Code: o.Failure.Code, Detail: o.Failure.Detail}}
	case payment.ResultActionRequired:
		next := NextAction{Type: o.NextAction.Type, URL: o.NextAction.URL}
		return Outcome{Kind: StepMustWait, Next: &next, Until: o.Deadline}
	case payment.ResultUnavailable:
		return Outcome{Kind: StepFaulted, Error: o.Failure.Detail}
	case payment.ResultTooLate:
		return Outcome{Kind: StepWasRefused, Failure: Failure{Code: errTooLate.Code, Detail: errTooLate.Detail}}
	case payment.ResultNotRefunded:
		return Outcome{Kind: StepIsOwed, Error: o.Failure.Detail}
	case payment.ResultVoiding:
		return Outcome{Kind: StepFaulted, Error: "The void is not confirmed by the provider yet.", NothingCaptured: true}
	case payment.ResultUnknown:
		return Outcome{Kind: StepIsUnknown, Error: "The provider's answer is not known yet."}
	}
	return Outcome{Kind: StepIsUnknown, Error: "The payment answered " + string(o.Result) + "."}
}

// outcomeOfVerification explains that the provider denies a capture which an operator settled.
func outcomeOfVerification(o payment.Outcome, err error) Outcome {
	result := outcomeOfPayment(o, err)
	if result.Kind == StepWasRefused {
		const denied = "The order is confirmed, since the payment was settled as captured, but the provider says that it is not: "
		result.Failure.Detail = denied + result.Failure.Detail
	}
	return result
}

// errorText returns the text of an error that a shopper may read.
func errorText(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Detail
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "It took too long."
	}
	return "It failed for an internal reason."
}

// linesOf returns the lines of a fault of another module.
func linesOf(f *fault.Fault) []Short {
	var lines []Short
	if data, err := json.Marshal(f.Extra["lines"]); err == nil {
		_ = json.Unmarshal(data, &lines) // a fault may have no lines
	}
	return lines
}
