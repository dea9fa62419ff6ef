package saga

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/payment"
)

func cancelling(total int64) CancellationStarted {
	e := cancellationOf(order.CancellationRequested{
		CancellationID: uuid.UUID{7}, CheckoutID: uuid.UUID{1}, PaymentID: uuid.UUID{3}, CustomerID: "ann", Currency: "GBP",
		Total: total, Reason: "Ordered twice.",
	}, uuid.UUID{2}, noon)
	return e
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	stuck := AttentionNeeded{Step: UndoPayment, Reason: "Hm.", BeganAt: noon, At: noon}
	for name, want := range map[string]struct {
		given []Event
		then  []string
	}{
		"BeginsWithTheMoney":             {[]Event{cancelling(1000)}, []string{UndoPayment}},
		"StockIsHeldWhileMoneyIsOwed":    {[]Event{cancelling(1000), retried(UndoPayment)}, []string{UndoPayment}},
		"EvenWhereNothingWillBeCaptured": {[]Event{cancelling(1000), certain(retried(UndoPayment))}, []string{UndoPayment}},
		"AndWhereAPersonMustLook":        {[]Event{cancelling(1000), retried(UndoPayment), stuck}, []string{UndoPayment}},
		"ThenTheOrder":                   {[]Event{cancelling(1000), did(UndoPayment)}, []string{EndCancellation}},
		"IsCompleted":                    {[]Event{cancelling(1000), did(UndoPayment), did(EndCancellation)}, []string{"completed"}},
		"NothingPaidIsNotGivenBack":      {[]Event{cancelling(0)}, []string{EndCancellation}},
		"NothingPaidIsCompleted":         {[]Event{cancelling(0), did(EndCancellation)}, []string{"completed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.then, steps(cancellation.react(given(want.given...))))
		})
	}
	require.Equal(t, []Do{{UndoPayment, toUndo{payment.Undo{PaymentID: uuid.UUID{3}, CheckoutID: uuid.UUID{7}, Reason: "Ordered twice."}}}},
		cancellation.react(given(cancelling(1000))).Do, "it yields to nobody, and webhooks wake this saga from now on")
	require.Equal(t, []Do{{EndCancellation, toOrder{order.EndCancellation{OrderID: uuid.UUID{2}}}}}, cancellation.react(given(cancelling(0))).Do)
}

func TestCancellationRecord(t *testing.T) {
	t.Parallel()
	s := given(cancelling(1000))
	no := Outcome{Kind: StepWasRefused, Failure: Failure{Code: "no", Detail: "No."}}
	for _, step := range []string{UndoPayment, EndCancellation} {
		require.IsType(t, AttentionNeeded{}, record(s, tried(step, 0, no), hour), "there is only forward: %s", step)
	}
	unknown := Outcome{Kind: StepIsUnknown, Error: "Hm."}
	first := record(s, tried(UndoPayment, 0, unknown), hour)
	require.IsType(t, AttentionNeeded{}, record(evolve(s, first), tried(UndoPayment, hour, unknown), hour))
	again := record(s, tried(EndCancellation, 9*hour, Outcome{Kind: StepFaulted}), hour)
	require.IsType(t, StepRetried{}, again, "our own database has no deadline")
}

// TestARefusalIsWrittenOnce: a refund that is refused for good stops the cancellation at once. News that change nothing write nothing.
func TestARefusalIsWrittenOnce(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == UndoPayment {
			return payment.Outcome{Result: payment.ResultNotRefunded, Failure: &payment.Failure{Code: payment.CodeRefundOwed, Detail: "No."}}, nil
		}
		return well(ctx, step, n)
	})
	id := uuid.New()
	p.says(orders, p.Orders.Store(), uuid.New(), order.CancellationRequested{CancellationID: id, CustomerID: "ann", Currency: "GBP", Total: 1000, Reason: "Why not."})
	p.reaches(id, NeedsAttention)
	require.NoError(t, p.runner.wake(t.Context(), id))
	require.Equal(t, 2, p.called(UndoPayment), "once by itself, and once for the news")
	types, _ := p.log(id)
	require.Equal(t, []string{"saga.cancellation_started", "saga.attention_needed"}, types)
}

// TestCancellationsAreDriven: by one process, and after a refund that is refused for good the undo asks for another.
func TestCancellationsAreDriven(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == UndoPayment && n < 3 {
			return payment.Outcome{Result: payment.ResultUnknown}, nil
		}
		return well(ctx, step, n)
	})
	id := uuid.New()
	p.says(orders, p.Orders.Store(), uuid.New(), order.CancellationRequested{CancellationID: id, CustomerID: "ann", Currency: "GBP", Total: 1000, Reason: "Why not."})
	s := p.reaches(id, Completed)
	require.Equal(t, 3, s.Step(UndoPayment).Attempts)
	require.Equal(t, 1, p.called(EndCancellation))
	require.Zero(t, p.called(CancelOrder)+p.called(ReopenCart)+p.called(ChargeMoney))
	ended, err := p.checkoutEnded(t.Context(), id)
	require.NoError(t, err)
	require.True(t, ended)
	ended, err = p.checkoutEnded(t.Context(), uuid.New())
	require.NoError(t, err)
	require.False(t, ended, "one that has yet to begin")
}
