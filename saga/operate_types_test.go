package saga

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

// TestOperateOnGivingBack: a refund and a cancellation only go forward, so what an operator can do about them is have them tried.
func TestOperateOnGivingBack(t *testing.T) {
	t.Parallel()
	noted := StepRefused{Step: RefundMoney, Failure: Failure{Code: payment.CodeRefundFailed}, BeganAt: noon, At: noon}
	for name, c := range map[string]struct {
		given       []Event
		retry, back error // why a retry is refused, and an undoing; nil: it is granted
		skip, word  error // and to skip a step, and to settle it
	}{
		"RefundBegun":           {[]Event{refunding()}, nil, errOneWay, errNotStuck, errNotStuck},
		"RefundRetrying":        {[]Event{refunding(), retried(RefundMoney)}, nil, errOneWay, errNotStuck, errNotStuck},
		"RefundInDoubt":         {[]Event{refunding(), stuckAt(RefundMoney)}, nil, errOneWay, errStepNeeded, errNotInDoubt},
		"RefundNotNoted":        {[]Event{refunding(), did(RefundMoney), stuckAt(NoteRefund)}, nil, errOneWay, errStepNeeded, errNotInDoubt},
		"RefundFailed":          {[]Event{refunding(), noted, Ended{Status: Failed, At: noon}}, errSagaEnded, errSagaEnded, errSagaEnded, errSagaEnded},
		"CancellationBegun":     {[]Event{cancelling(1000)}, nil, errOneWay, errNotStuck, errNotStuck},
		"CancellationInDoubt":   {[]Event{cancelling(1000), stuckAt(UndoPayment)}, nil, errOneWay, errStepNeeded, errNotInDoubt},
		"CancellationNotEnded":  {[]Event{cancelling(0), stuckAt(EndCancellation)}, nil, errOneWay, errStepNeeded, errNotInDoubt},
		"CancellationCompleted": {[]Event{cancelling(0), Ended{Status: Completed, At: noon}}, errSagaEnded, errSagaEnded, errSagaEnded, errSagaEnded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, at := given(c.given...), after(hour)
			events, err := retry(s, "why", at)
			require.ErrorIs(t, err, c.retry)
			_, err = requestCompensation(s, "why", at)
			require.ErrorIs(t, err, c.back)
			_, err = skip(s, "why", at)
			require.ErrorIs(t, err, c.skip)
			for _, outcome := range []payment.Resolution{payment.ResolvedCaptured, payment.ResolvedNotCaptured} {
				_, err = settle(s, outcome)
				require.ErrorIs(t, err, c.word)
			}
			if c.retry != nil {
				require.Empty(t, actionsOf(s))
				return
			}
			granted := []Action{ActRetry}
			if s.Step(UndoPayment).NeedsOperator { // the payment knows whether the provider refused the refund, and decides
				granted = append(granted, ActSettle)
			}
			require.Equal(t, granted, actionsOf(s))
			again := evolve(s, events[0])
			require.Equal(t, Running, again.Status)
			require.Equal(t, after(hour+lease), wakeAt(again))
		})
	}
}

// TestOperateOnGivingBackOverHTTP: what needs a person can be reached by one.
func TestOperateOnGivingBackOverHTTP(t *testing.T) {
	t.Parallel()
	for kind, begins := range map[string]func(s *shop) uuid.UUID{
		refund.Type: func(s *shop) uuid.UUID { id, _ := s.ordersRefund(); return id },
		cancellation.Type: func(s *shop) uuid.UUID {
			id := uuid.New()
			s.says(orders, s.Orders.Store(), uuid.New(), order.CancellationRequested{CancellationID: id, CustomerID: "ann", Currency: "GBP", Total: 1000, Reason: "So."})
			return id
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			last := map[string]string{refund.Type: NoteRefund, cancellation.Type: EndCancellation}[kind]
			s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
				if step == last && n == 1 {
					return payment.Outcome{}, fault.New(fault.Conflict, "no", "No.")
				}
				return well(ctx, step, n)
			})
			id := begins(s)
			s.reaches(id, NeedsAttention)
			for action, want := range map[string]struct{ body, code string }{
				"compensate": {"", "cannot_be_undone"},
				"skip":       {`{"reason":"So."}`, "step_needed"},
				"settle":     {`{"reason":"So.","outcome":"not_captured"}`, "not_in_doubt"},
			} {
				status, problem := s.operates(id, action, want.body)
				require.Equal(t, []any{http.StatusConflict, want.code}, []any{status, problem["code"]}, action)
			}
			require.Zero(t, s.called("payment.cancel")+s.called("payment.settle"), "a refused request changes nothing")
			status, answer := s.operates(id, "retry", "")
			require.Equal(t, http.StatusAccepted, status, answer)
			require.Equal(t, kind, answer["type"])
			s.reaches(id, Completed)
			status, problem := s.operates(uuid.New(), "retry", "")
			require.Equal(t, []any{http.StatusNotFound, "There is no such saga."}, []any{status, problem["detail"]})
		})
	}
}
