package saga

import (
	"slices"
	"time"

	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

// What operators are refused.
var (
	errSagaEnded    = fault.New(fault.Conflict, "saga_ended", "This has ended: nothing is left to do.")
	errNotStuck     = fault.New(fault.Conflict, "not_stuck", "No step of this needs a person: it goes on by itself.")
	errUndoing      = fault.New(fault.Conflict, "already_compensating", "This checkout is being undone already. Retry it instead.")
	errCaptured     = fault.New(fault.Conflict, "too_late", "The payment is captured: there is only forward. Cancel the order instead.")
	errConfirmed    = fault.New(fault.Conflict, "too_late", "The order is confirmed: there is only forward. Cancel the order instead.")
	errOneWay       = fault.New(fault.Conflict, "cannot_be_undone", "Only a checkout can be undone.")
	errStepNeeded   = fault.New(fault.Conflict, "step_needed", "Money, stock or the order depends on this step, so it cannot be skipped.")
	errNotInDoubt   = fault.New(fault.Conflict, "not_in_doubt", "What needs a person here is no capture in doubt.")
	errNoRefundOwed = fault.New(fault.Conflict, "not_refused", "This saga is not waiting on a refund that the provider refused.")
	errNotForward   = fault.New(fault.Conflict, "cannot_be_captured", "This checkout is being undone: its payment cannot count as captured.")
)

// Action is what an operator may do about a saga.
type Action string

// The actions.
const (
	ActRetry      Action = "retry"
	ActCompensate Action = "compensate"
	ActSkip       Action = "skip"
	ActSettle     Action = "settle"
)

// retry has what is due later tried at once, and gives what needs a person another deadline. It promises nothing and breaks
// nothing: whatever is asked again is asked under the same ids and keys.
func retry(s State, reason string, at time.Time) ([]Event, error) {
	if s.Status.Ended() {
		return nil, errSagaEnded
	}
	return []Event{RetryRequested{Reason: reason, At: at}}, nil
}

// requestCompensation turns a saga that has not got past its pivot. Where there is a payment its own stream has the last word.
func requestCompensation(s State, reason string, at time.Time) ([]Event, error) {
	switch {
	case s.Status.Ended():
		return nil, errSagaEnded
	case s.Type != checkout.Type:
		return nil, errOneWay
	case s.Failure != nil:
		return nil, errUndoing
	case s.done(ChargeMoney):
		return nil, errCaptured
	case s.done(ConfirmOrder):
		return nil, errConfirmed
	}
	return []Event{CompensationRequested{Reason: reason, At: at}}, nil
}

// confirmCompensation is compensate once the payment has given its word: the saga may have turned by itself since, or have ended.
func confirmCompensation(s State, reason string, at time.Time) ([]Event, error) {
	switch {
	case s.Checkout.Total == 0:
		return requestCompensation(s, reason, at)
	case s.Status.Ended():
		return nil, nil
	}
	return []Event{CompensationRequested{Reason: reason, At: at}}, nil
}

// skippable are the steps on whose effect nobody relies: the cart is told how it ended, which nothing else waits for, and what
// was settled by hand is held against the provider's word.
var skippable = []string{CompleteCart, ReopenCart, VerifyPayment}

// skip gives up a step that cannot succeed.
func skip(s State, reason string, at time.Time) ([]Event, error) {
	stuck, err := stuckIn(s)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(stuck, func(step string) bool { return slices.Contains(skippable, step) })
	if i < 0 {
		return nil, errStepNeeded.With("step", stuck[0])
	}
	return []Event{StepSkipped{Step: stuck[i], Reason: reason, At: at}}, nil
}

// settle says which step an operator's word about the payment would resolve: a capture that is in doubt, or a refund that an undo owes
// and the provider refused for good. What is ours can be repeated. The payment's stream decides.
func settle(s State, outcome payment.Settlement) (step string, err error) {
	stuck, err := stuckIn(s)
	switch {
	case err != nil:
		return "", err
	case outcome == payment.SettledRefunded && slices.Contains(stuck, UndoPayment):
		return UndoPayment, nil
	case outcome == payment.SettledRefunded:
		return "", errNoRefundOwed
	case s.Type != checkout.Type:
		return "", errNotInDoubt
	case slices.Contains(stuck, ChargeMoney):
		return ChargeMoney, nil
	case !slices.Contains(stuck, UndoPayment):
		return "", errNotInDoubt.With("step", stuck[0])
	case outcome == payment.SettledCaptured:
		return "", errNotForward
	}
	return UndoPayment, nil
}

// settledBy records what was settled, on the state as it is by then: the payment's word may have come to it before.
func settledBy(s State, e payment.Settled, at time.Time) []Event {
	if s.Status.Ended() {
		return nil
	}
	step := ChargeMoney
	if s.Failure != nil {
		step = UndoPayment
	}
	return []Event{StepSettled{Step: step, Outcome: string(e.Outcome), Reason: e.Reason, At: at}}
}

// stuckIn are the steps that need a person, at least one.
func stuckIn(s State) (steps []string, err error) {
	for _, st := range s.Steps {
		if st.NeedsOperator {
			steps = append(steps, st.Name)
		}
	}
	switch {
	case s.Status.Ended():
		return nil, errSagaEnded
	case s.Status != NeedsAttention || len(steps) == 0:
		return nil, errNotStuck
	}
	return steps, nil
}

// actionsOf returns the actions that would be granted now, as far as the saga can tell.
func actionsOf(s State) []Action {
	_, cannotRetry := retry(s, "", s.At)
	_, cannotCompensate := requestCompensation(s, "", s.At)
	_, cannotSkip := skip(s, "", s.At)
	_, cannotRefund := settle(s, payment.SettledRefunded)
	_, cannotSettle := settle(s, payment.SettledNotCaptured)
	granted := []Action{}
	if cannotRetry == nil {
		granted = append(granted, ActRetry)
	}
	if cannotCompensate == nil {
		granted = append(granted, ActCompensate)
	}
	if cannotSkip == nil {
		granted = append(granted, ActSkip)
	}
	if cannotRefund == nil || cannotSettle == nil {
		granted = append(granted, ActSettle)
	}
	return granted
}
