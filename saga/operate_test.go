package saga

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

func stuckAt(step string) AttentionNeeded {
	return AttentionNeeded{Step: step, Reason: "Hm.", BeganAt: noon, At: noon}
}

func assumed() Event { return StepAssumed{Step: ChargeMoney, BeganAt: noon, At: noon} }

// situations are sagas of every status, and of every step that may need a person.
var situations = map[string]struct {
	given  []Event
	status Status
	// Why each action is refused; nil: it is granted.
	retry, compensate, skip, captured, not *fault.Fault
	skips, settles                         string // which step
}{
	"Begun": {given: []Event{begun(1000)}, status: Running, skip: errNotStuck, captured: errNotStuck, not: errNotStuck},
	"Retrying": {given: []Event{begun(1000), did(PlaceOrder), retried(ChargeMoney)}, status: Running,
		skip: errNotStuck, captured: errNotStuck, not: errNotStuck},
	"Charged": {given: []Event{begun(1000), did(PlaceOrder), did(ChargeMoney), retried(ConfirmOrder)}, status: Running,
		compensate: errCaptured, skip: errNotStuck, captured: errNotStuck, not: errNotStuck},
	"ChargedOnAWord": {given: []Event{begun(1000), did(PlaceOrder), assumed(), retried(ConfirmOrder)}, status: Running,
		compensate: errCaptured, skip: errNotStuck, captured: errNotStuck, not: errNotStuck},
	"NothingToPayConfirmed": {given: []Event{begun(0), did(PlaceOrder), did(ConfirmOrder), retried(CompleteCart)}, status: Running,
		compensate: errConfirmed, skip: errNotStuck, captured: errNotStuck, not: errNotStuck},
	"AtTheBank": {given: []Event{begun(1000), did(PlaceOrder), StepWaits{Step: ChargeMoney, NextAction: &NextAction{}, BeganAt: noon, At: noon, Until: after(hour)}},
		status: RequiresAction, skip: errNotStuck, captured: errNotStuck, not: errNotStuck},
	"Turned": {given: []Event{begun(1000), refused(PlaceOrder, "out_of_stock")}, status: Compensating,
		compensate: errCompensating, skip: errNotStuck, captured: errNotStuck, not: errNotStuck},
	"PaymentInDoubt": {given: []Event{begun(1000), did(PlaceOrder), stuckAt(ChargeMoney)}, status: NeedsAttention,
		skip: errStepNeeded, settles: ChargeMoney},
	"RefundInDoubt": {given: []Event{begun(1000), did(PlaceOrder), refused(ChargeMoney, CodeCancelled), stuckAt(UndoPayment)}, status: NeedsAttention,
		compensate: errCompensating, skip: errStepNeeded, captured: errNotForward, settles: UndoPayment},
	"OrderNotConfirmed": {given: []Event{begun(1000), did(PlaceOrder), did(ChargeMoney), did(CompleteCart), stuckAt(ConfirmOrder)}, status: NeedsAttention,
		compensate: errCaptured, skip: errStepNeeded, captured: errNotInDoubt, not: errNotInDoubt},
	"CartNotCompleted": {given: []Event{begun(1000), did(PlaceOrder), did(ChargeMoney), did(ConfirmOrder), stuckAt(CompleteCart)}, status: NeedsAttention,
		compensate: errCaptured, captured: errNotInDoubt, not: errNotInDoubt, skips: CompleteCart},
	"NeitherOrderNorCart": {given: []Event{begun(1000), did(PlaceOrder), did(ChargeMoney), stuckAt(ConfirmOrder), stuckAt(CompleteCart)}, status: NeedsAttention,
		compensate: errCaptured, captured: errNotInDoubt, not: errNotInDoubt, skips: CompleteCart},
	"OrderNotCancelled": {given: []Event{begun(1000), refused(PlaceOrder, "out_of_stock"), did(UndoPayment), stuckAt(CancelOrder)}, status: NeedsAttention,
		compensate: errCompensating, skip: errStepNeeded, captured: errNotInDoubt, not: errNotInDoubt},
	"CartNotReopened": {given: []Event{begun(1000), refused(PlaceOrder, "out_of_stock"), did(UndoPayment), did(CancelOrder), stuckAt(ReopenCart)},
		status: NeedsAttention, compensate: errCompensating, captured: errNotInDoubt, not: errNotInDoubt, skips: ReopenCart},
	"ProviderDenies": {given: []Event{begun(1000), did(PlaceOrder), assumed(), did(ConfirmOrder), did(CompleteCart), stuckAt(VerifyPayment)},
		status: NeedsAttention, compensate: errCaptured, captured: errNotInDoubt, not: errNotInDoubt, skips: VerifyPayment},
	"Completed": {given: []Event{begun(1000), Ended{Status: Completed, At: noon}}, status: Completed,
		retry: errSagaEnded, compensate: errSagaEnded, skip: errSagaEnded, captured: errSagaEnded, not: errSagaEnded},
	"Failed": {given: []Event{begun(1000), Ended{Status: Failed, At: noon}}, status: Failed,
		retry: errSagaEnded, compensate: errSagaEnded, skip: errSagaEnded, captured: errSagaEnded, not: errSagaEnded},
	"Cancelled": {given: []Event{begun(1000), Ended{Status: Cancelled, At: noon}}, status: Cancelled,
		retry: errSagaEnded, compensate: errSagaEnded, skip: errSagaEnded, captured: errSagaEnded, not: errSagaEnded},
}

func TestOperate(t *testing.T) {
	t.Parallel()
	seen := map[Status]bool{}
	for name, c := range situations {
		s := given(c.given...)
		require.Equal(t, c.status, s.Status, name)
		seen[c.status] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := []Action{}
			granted := func(action Action, refusal *fault.Fault, err error) bool {
				if refusal != nil {
					f, ok := fault.As(err)
					require.True(t, ok, "%s is granted", action)
					require.Equal(t, refusal.Detail, f.Detail, action)
					return false
				}
				require.NoError(t, err, action)
				want = append(want, action)
				return true
			}
			events, err := retry(s, "why", after(hour))
			if granted(ActRetry, c.retry, err) {
				require.Equal(t, []Event{RetryRequested{Reason: "why", At: after(hour)}}, events)
				dueAtOnce(t, evolve(s, events[0]))
			}
			events, err = requestCompensation(s, "why", after(hour))
			if granted(ActCompensate, c.compensate, err) {
				require.Equal(t, []Event{CompensationRequested{Reason: "why", At: after(hour)}}, events)
				turned := evolve(s, events[0])
				require.Equal(t, Compensating, turned.Status)
				require.Contains(t, []string{UndoPayment, CancelOrder}, checkout.react(turned).Do[0].Step)
				dueAtOnce(t, turned)
			}
			events, err = skip(s, "why", after(hour))
			if granted(ActSkip, c.skip, err) {
				require.Equal(t, []Event{StepSkipped{Step: c.skips, Reason: "why", At: after(hour)}}, events)
				require.True(t, evolve(s, events[0]).done(c.skips))
			}
			step, err := settle(s, payment.ResolvedNotCaptured)
			if granted(ActSettle, c.not, err) {
				require.Equal(t, c.settles, step)
			}
			require.Equal(t, want, actionsOf(s))
			if step, err = settle(s, payment.ResolvedCaptured); granted("captured", c.captured, err) {
				require.Equal(t, c.settles, step)
			}
		})
	}
	for _, status := range []Status{Running, RequiresAction, Compensating, NeedsAttention, Completed, Failed, Cancelled} {
		require.True(t, seen[status], "nobody tried at %s", status)
	}
}

// dueAtOnce: whoever looks at the saga tries its steps, each with a deadline that begins anew.
func dueAtOnce(t *testing.T, s State) {
	t.Helper()
	require.NotEqual(t, NeedsAttention, s.Status)
	require.Equal(t, after(hour+lease), wakeAt(s), "a sweep takes up what is lost")
	for _, d := range checkout.react(s).Do {
		st := s.Step(d.Step)
		require.Zero(t, st.DueAt)
		require.Zero(t, st.FailingSince)
		require.False(t, st.NeedsOperator)
	}
}

func TestOperatedOn(t *testing.T) {
	t.Parallel()
	at := after(hour)
	t.Run("WhatIsSkippedIsOver", func(t *testing.T) {
		t.Parallel()
		s := given(situations["CartNotCompleted"].given...)
		s = evolve(s, StepSkipped{Step: CompleteCart, Reason: "Gone.", At: at})
		require.Equal(t, Running, s.Status)
		require.Equal(t, StepIsSkipped, s.Step(CompleteCart).Status)
		require.Equal(t, []string{"completed"}, steps(checkout.react(s)))
	})
	t.Run("AnotherStepMayStillNeedAPerson", func(t *testing.T) {
		t.Parallel()
		s := given(situations["NeitherOrderNorCart"].given...)
		s = evolve(s, StepSkipped{Step: CompleteCart, Reason: "Gone.", At: at})
		require.Equal(t, NeedsAttention, s.Status)
		_, err := skip(s, "Gone.", at)
		require.ErrorIs(t, err, errStepNeeded)
	})
	t.Run("OnAWordTheOrderIsConfirmedAndTheWordVerified", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), did(PlaceOrder), stuckAt(ChargeMoney), StepSettled{Step: ChargeMoney, Outcome: "captured", Reason: "So.", At: at})
		require.Equal(t, []string{ChargeMoney}, steps(checkout.react(s)), "the payment tells")
		s = evolve(s, assumed())
		require.Equal(t, []string{ConfirmOrder, CompleteCart}, steps(checkout.react(s)))
		s = evolve(evolve(s, did(ConfirmOrder)), did(CompleteCart))
		require.Equal(t, []string{VerifyPayment}, steps(checkout.react(s)))
		require.Equal(t, []Status{Running, Completed}, []Status{s.Status, shown(s)}, "the shopper does not wait for it")
		denied := record(s, tried(VerifyPayment, 0, Outcome{Kind: StepWasRefused, Failure: Failure{Detail: "No."}}), hour)
		require.Equal(t, NeedsAttention, evolve(s, denied).Status, "a late truth is for a person")
		require.Equal(t, Completed, shown(evolve(s, denied)), "and not for the shopper")
		require.Equal(t, []string{"completed"}, steps(checkout.react(evolve(s, did(VerifyPayment)))))
	})
	t.Run("TheWordIsVerifiedForAsLongAsItTakes", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), did(PlaceOrder), assumed(), did(ConfirmOrder), did(CompleteCart))
		unknown := Outcome{Kind: StepIsUnknown, Error: "Hm."}
		s = evolve(s, record(s, tried(VerifyPayment, 0, unknown), hour))
		require.IsType(t, StepRetried{}, record(s, tried(VerifyPayment, 9*hour, unknown), hour))
	})
	t.Run("OnceTurnedItIsNotTurnedAgain", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), did(PlaceOrder), refused(ChargeMoney, "payment_declined"))
		events, err := confirmCompensation(s, "why", at)
		require.NoError(t, err)
		require.Equal(t, "payment_declined", evolve(s, events[0]).Failure.Code, "the first cause stands")
		events, err = confirmCompensation(given(begun(1000), Ended{Status: Cancelled, At: noon}), "why", at)
		require.NoError(t, err)
		require.Empty(t, events, "nothing follows an end")
	})
	t.Run("OnlyACheckoutIsTurnedOrSettled", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), stuckAt(UndoPayment))
		s.Type = "another"
		_, err := requestCompensation(s, "why", at)
		require.ErrorIs(t, err, errOneWay)
		_, err = settle(s, payment.ResolvedNotCaptured)
		require.ErrorIs(t, err, errNotInDoubt)
	})
	t.Run("WhatWasSettledIsOnRecord", func(t *testing.T) {
		t.Parallel()
		said := payment.Resolved{Outcome: payment.ResolvedNotCaptured, Reason: "So."}
		for name, step := range map[string]string{"PaymentInDoubt": ChargeMoney, "RefundInDoubt": UndoPayment, "Begun": ChargeMoney} {
			want := []Event{StepSettled{Step: step, Outcome: "not_captured", Reason: "So.", At: at}}
			require.Equal(t, want, settledBy(given(situations[name].given...), said, at), name)
		}
		require.Empty(t, settledBy(given(situations["Completed"].given...), said, at))
	})
}
