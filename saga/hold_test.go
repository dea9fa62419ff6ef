package saga

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

// fixedPayments answer each charge alike.
type fixedPayments struct {
	Payments
	outcome payment.Outcome
	err     error
}

func (p fixedPayments) Charge(context.Context, uuid.UUID, payment.Charge) (payment.Outcome, error) {
	return p.outcome, p.err
}

// fixedOrders answer each command alike, and remember the last.
type fixedOrders struct {
	Orders
	err error
	got order.Command
}

func (o *fixedOrders) Handle(_ context.Context, _, _ uuid.UUID, cmd order.Command) error {
	o.got = cmd
	return o.err
}

// TestChargeThatMustWait: an order is entered at its holders while its charge waits for the shopper, is in doubt, or is deferred again and again, and only then.
func TestChargeThatMustWait(t *testing.T) {
	t.Parallel()
	charge := payment.Charge{OrderID: uuid.UUID{2}, CustomerID: "ann", Source: "5f1d", Guest: true}
	held := order.Hold{OrderID: uuid.UUID{2}, CustomerID: "ann", Source: "5f1d", Guest: true}
	doubtful := held
	doubtful.InDoubt = true
	tooMany := fault.New(fault.Conflict, order.CodeTooManyWaiting, "Too many.")
	away := payment.Outcome{Result: payment.ResultUnavailable, Failure: &payment.Failure{}}
	action := payment.Outcome{Result: payment.ResultActionRequired, NextAction: &payment.NextAction{Type: "redirect"}}
	for name, c := range map[string]struct {
		charge   payment.Outcome
		attempts int
		err      error // of the order
		hold     order.Command
		is       OutcomeKind
	}{
		"Captured":        {payment.Outcome{Result: payment.ResultCaptured}, attemptsUnheld, tooMany, nil, StepSucceeded},
		"Declined":        {payment.Outcome{Result: payment.ResultRefused, Failure: &payment.Failure{}}, attemptsUnheld, tooMany, nil, StepWasRefused},
		"ProviderIsAway":  {away, 0, tooMany, nil, StepFaulted},
		"StillAway":       {away, attemptsUnheld, nil, held, StepFaulted},
		"TooManyAreAway":  {away, attemptsUnheld, tooMany, held, StepWasRefused},
		"ActionRequired":  {action, 0, nil, held, StepMustWait},
		"TooManyWait":     {action, 0, tooMany, held, StepWasRefused},
		"OrdersAreAway":   {action, 0, fault.New(fault.Unavailable, "unavailable", "Away."), held, StepIsUnknown},
		"InDoubt":         {payment.Outcome{Result: payment.ResultUnknown}, 0, nil, doubtful, StepIsUnknown},
		"InDoubtByALimit": {payment.Outcome{Result: payment.ResultUnknown, Wait: 1}, 0, nil, doubtful, StepIsUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			orders := &fixedOrders{err: c.err}
			o := toCharge{charge, c.attempts}.dispatch(t.Context(), Modules{Payments: fixedPayments{outcome: c.charge}, Orders: orders}, uuid.New(), uuid.New(), around{})
			require.Equal(t, c.is, o.Kind)
			require.Equal(t, c.hold, orders.got)
			if o.Kind == StepWasRefused && c.hold != nil {
				require.Equal(t, order.CodeTooManyWaiting, o.Failure.Code)
			}
		})
	}
	t.Run("NobodyHasSeenTheBank", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), did(PlaceOrder), refused(ChargeMoney, order.CodeTooManyWaiting))
		undo := checkout.react(s).Do[0].Command.(toUndo)
		require.True(t, undo.Yields, "to a process that has got past it")
		require.Equal(t, fault.Conflict, problemOf(*s.Failure).Kind)
	})
}

// TestFailedAt: a checkout that a limit refused, or whose provider was away, tried no payment method.
func TestFailedAt(t *testing.T) {
	t.Parallel()
	for code, tried := range map[string]bool{
		payment.CodeDeclined: true, CodeUnavailable: false, order.CodeTooManyWaiting: false, payment.CodeTooManyDeclines: false,
	} {
		s := given(begun(1000), did(PlaceOrder), refused(ChargeMoney, code))
		require.Equal(t, tried, !failedAt(s).IsZero(), code)
	}
}
