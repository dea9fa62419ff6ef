package saga

import (
	"slices"
	"time"

	"shopping-cart/payment"
)

// Action is an action of an operator on a saga.
type Action string

// The actions.
const (
	ActRetry      Action = "retry"
	ActCompensate Action = "compensate"
	ActSkip       Action = "skip"
	ActSettle     Action = "settle"
)

// retry makes all steps due at once, with a new deadline. The steps keep their ids and keys.
func retry(s State, reason string, at time.Time) ([]Event, error) {
	if s.Status.Ended() {
		return nil, errSagaEnded
	}
	return []Event{RetryRequested{Reason: reason, At: at}}, nil
}

// requestCompensation compensates a saga before its pivot. If there is a payment, its stream decides.
func requestCompensation(s State, reason string, at time.Time) ([]Event, error) {
	switch {
	case s.Status.Ended():
		return nil, errSagaEnded
	case s.Type != checkout.Type:
		return nil, errOneWay
	case s.Failure != nil:
		return nil, errCompensating
	case s.done(ChargeMoney):
		return nil, errCaptured
	case s.done(ConfirmOrder):
		return nil, errConfirmed
	}
	return []Event{CompensationRequested{Reason: reason, At: at}}, nil
}

// confirmCompensation compensates a saga once its payment has decided. The saga may have ended since, or compensate already.
func confirmCompensation(s State, reason string, at time.Time) ([]Event, error) {
	switch {
	case s.Checkout.Total == 0:
		return requestCompensation(s, reason, at)
	case s.Status.Ended():
		return nil, nil
	}
	return []Event{CompensationRequested{Reason: reason, At: at}}, nil
}

// skippable are the steps that no other step, order or payment relies on.
var skippable = []string{CompleteCart, ReopenCart, VerifyPayment}

// skip gives up a step that needs attention.
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

// settle returns the step that an operator's outcome would resolve: a capture in doubt, or an owed refund that the provider refused. The
// payment's stream decides.
func settle(s State, outcome payment.Resolution) (step string, err error) {
	stuck, err := stuckIn(s)
	switch {
	case err != nil:
		return "", err
	case outcome == payment.ResolvedRefunded && slices.Contains(stuck, UndoPayment):
		return UndoPayment, nil
	case outcome == payment.ResolvedRefunded:
		return "", errNoRefundOwed
	case s.Type != checkout.Type:
		return "", errNotInDoubt
	case slices.Contains(stuck, ChargeMoney):
		return ChargeMoney, nil
	case !slices.Contains(stuck, UndoPayment):
		return "", errNotInDoubt.With("step", stuck[0])
	case outcome == payment.ResolvedCaptured:
		return "", errNotForward
	}
	return UndoPayment, nil
}

// settledBy records what an operator settled at the payment.
func settledBy(s State, e payment.Resolved, at time.Time) []Event {
	if s.Status.Ended() {
		return nil
	}
	step := ChargeMoney
	if s.Failure != nil {
		step = UndoPayment
	}
	return []Event{StepSettled{Step: step, Outcome: string(e.Outcome), Reason: e.Reason, At: at}}
}

// stuckIn returns the steps that need attention, at least one.
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
	_, cannotRefund := settle(s, payment.ResolvedRefunded)
	_, cannotSettle := settle(s, payment.ResolvedNotCaptured)
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
