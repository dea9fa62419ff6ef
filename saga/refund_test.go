package saga

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

func refunding() RefundStarted {
	e := refundOf(payment.RefundOrdered{
		ID: uuid.UUID{6}, OrderID: uuid.UUID{2}, CustomerID: "ann", Amount: money.Of(500, "GBP"), Reason: "Broken.",
	}, uuid.UUID{3}, noon)
	return e
}

func TestRefund(t *testing.T) {
	t.Parallel()
	failed := refused(RefundMoney, payment.CodeRefundFailed)
	for name, want := range map[string]struct {
		given []Event
		then  []string
	}{
		"BeginsWithTheMoney":    {[]Event{refunding()}, []string{RefundMoney}},
		"AsksUntilItIsKnown":    {[]Event{refunding(), retried(RefundMoney)}, []string{RefundMoney}},
		"ThenTellsTheOrder":     {[]Event{refunding(), did(RefundMoney)}, []string{NoteRefund}},
		"IsCompleted":           {[]Event{refunding(), did(RefundMoney), did(NoteRefund)}, []string{"completed"}},
		"RefusedForGoodItFails": {[]Event{refunding(), retried(RefundMoney), failed}, []string{"failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.then, steps(refund.react(given(want.given...))))
		})
	}
	require.Equal(t, []Do{{RefundMoney, toRefund{payment.Refund{PaymentID: uuid.UUID{3}, RefundID: uuid.UUID{6}}}}}, refund.react(given(refunding())).Do)
	require.Equal(t, []Do{{NoteRefund, toOrder{order.RecordRefund{OrderID: uuid.UUID{2}, RefundID: uuid.UUID{6}, Amount: 500}}}},
		refund.react(given(refunding(), did(RefundMoney))).Do)
}

func TestRefundRecord(t *testing.T) {
	t.Parallel()
	s := given(refunding())
	no := Outcome{Kind: StepWasRefused, Failure: Failure{Code: payment.CodeRefundFailed, Detail: "No."}}
	require.IsType(t, StepRefused{}, record(s, tried(RefundMoney, 0, no), hour))
	require.IsType(t, AttentionNeeded{}, record(s, tried(NoteRefund, 0, no), hour), "the order must not refuse")
	for _, o := range []Outcome{{Kind: StepIsUnknown, Error: "Hm."}, {Kind: StepFaulted, Error: "Hm."}} {
		first := record(s, tried(RefundMoney, 0, o), hour)
		require.IsType(t, StepRetried{}, first)
		require.IsType(t, AttentionNeeded{}, record(evolve(s, first), tried(RefundMoney, hour, o), hour), "it is owed: nothing is given up")
	}
}

func TestRefundsAreDriven(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		switch {
		case step == RefundMoney && n == 1:
			return payment.Outcome{Result: payment.ResultUnknown}, nil
		case step == RefundMoney && n == 2:
			return payment.Outcome{Result: payment.ResultUnavailable, Failure: &payment.Failure{Detail: "Away."}}, nil
		}
		return well(ctx, step, n)
	})
	id, _ := p.ordersRefund()
	s := p.reaches(id, Completed)
	require.Equal(t, 3, s.Step(RefundMoney).Attempts)
	require.Equal(t, 1, p.called(NoteRefund))
	types, _ := p.log(id)
	require.Equal(t, []string{"saga.refund_started", "saga.step_retried", "saga.step_retried", "saga.step_done", "saga.step_done", "saga.ended"}, types)
}

// TestAWebhookWakesRefunds: the next try is an hour away, but the provider has news.
func TestAWebhookWakesRefunds(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), well)
	e, paymentID := refunding(), uuid.New()
	id := e.Refund.RefundID
	p.underWay[paymentID] = []uuid.UUID{id}
	_, err := p.store.Do(t.Context(), eventstore.Command{
		Streams: []eventstore.Ref{sagas.Ref(id)},
		Decide: func(tx *eventstore.Tx) error {
			sagas.Append(tx, id, e, StepRetried{Step: RefundMoney, Unknown: true, BeganAt: noon, At: noon, RetryAt: time.Now().Add(hour)})
			return nil
		},
	})
	require.NoError(t, err)
	p.says(payments, p.Payments.Store(), paymentID, payment.Notified{WebhookID: "1", Type: "refunded"})
	p.reaches(id, Completed)
}

// TestARefundInDoubtTooLongIsForAPerson: it is never given up, and news from the provider resume it.
func TestARefundInDoubtTooLongIsForAPerson(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == RefundMoney && n <= 2 {
			return payment.Outcome{Result: payment.ResultUnknown}, nil
		}
		return well(ctx, step, n)
	}, func(c *Config) { c.StepDeadline = time.Nanosecond })
	id, paymentID := p.ordersRefund()
	p.reaches(id, NeedsAttention)
	require.Zero(t, p.called(NoteRefund))
	for kind, owes := range map[string]bool{refund.Type: true, checkout.Type: false, cancellation.Type: false} {
		age, err := p.OldestUnfinished(kind)
		require.NoError(t, err)
		require.Equal(t, owes, age > 0, kind)
	}
	p.says(payments, p.Payments.Store(), paymentID, payment.Notified{WebhookID: "1", Type: "refunded"})
	p.reaches(id, Completed)
}
