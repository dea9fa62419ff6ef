package saga

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

// operates acts as an operator.
func (s *shop) operates(id uuid.UUID, action, body string, headers ...string) (int, map[string]any) {
	s.t.Helper()
	w, answer := s.call(http.MethodPost, "/v1/admin/sagas/"+id.String()+"/"+action, body, append([]string{"Authorization", "Bearer root"}, headers...)...)
	return w.Code, answer
}

// claimed is a charge that counts on a person's word, and a provider that says what it says.
func claimed(says payment.Outcome) play {
	return func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		switch step {
		case ChargeMoney:
			return payment.Outcome{Result: payment.ResultCaptured, ByHand: true}, nil
		case VerifyPayment:
			return says, nil
		}
		return well(ctx, step, n)
	}
}

// dyingPayments are those of a process that dies once a payment has decided.
type dyingPayments struct{ Payments }

func (d dyingPayments) Cancel(ctx context.Context, w web.Write, c payment.Cancel) (bool, error) {
	_, err := d.Store().Do(ctx, eventstore.Command{
		ID: w.ID, Fingerprint: w.Fingerprint, Streams: []eventstore.Ref{payments.Ref(c.PaymentID)},
		Decide: func(tx *eventstore.Tx) error {
			payments.Append(tx, c.PaymentID, payment.UndoRequested{CheckoutID: c.CheckoutID, Code: payment.CodeCancelled})
			return nil
		},
	})
	return false, cmp.Or(err, errors.New("the process dies once the payment has decided"))
}

func TestOperateOverHTTP(t *testing.T) {
	t.Parallel()
	t.Run("WhatTheProviderConfirmsIsCompleted", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, claimed(payment.Outcome{Result: payment.ResultCaptured}))
		id := s.seals(1000)
		require.True(t, s.reaches(id, Completed).Step(ChargeMoney).Unverified)
		types, _ := s.log(id)
		require.Equal(t, 1, s.called(VerifyPayment))
		require.Contains(t, types, "saga.step_assumed")
	})
	t.Run("WhatTheProviderDeniesNeedsAttentionUntilItIsSkipped", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, claimed(no("capture_refused")))
		id := s.seals(1000)
		s.reaches(id, NeedsAttention)
		_, mine := s.call(http.MethodGet, "/v1/checkouts/"+id.String(), "", "Prefer", "wait=30")
		require.Equal(t, "completed", mine["status"], "the shopper has their order")
		_, theirs := s.call(http.MethodGet, "/v1/admin/sagas/"+id.String(), "", "Authorization", "Bearer root")
		require.Equal(t, "needs_attention", theirs["status"])
		require.Equal(t, []any{"retry", "skip"}, theirs["actions"])
		status, _ := s.operates(id, "retry", "")
		require.Equal(t, http.StatusAccepted, status)
		s.eventually("it is denied again", func() bool { return s.called(VerifyPayment) == 2 })
		s.reaches(id, NeedsAttention)
		for range 2 {
			status, _ = s.operates(id, "skip", `{"reason":"Paid by transfer."}`, "Idempotency-Key", "k")
			require.Equal(t, http.StatusAccepted, status)
		}
		s.reaches(id, Completed)
		types, _ := s.log(id)
		require.Equal(t, []string{"saga.step_skipped", "saga.ended"}, types[len(types)-2:])
	})
	t.Run("ThePaymentHasTheLastWordOnACompensation", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			switch step {
			case ChargeMoney:
				return toBank, nil
			case "payment.cancel":
				return payment.Outcome{}, errTooLate
			}
			return well(ctx, step, n)
		})
		id := s.seals(1000)
		s.reaches(id, RequiresAction)
		status, problem := s.operates(id, "compensate", "")
		require.Equal(t, []any{http.StatusConflict, "too_late"}, []any{status, problem["code"]})
		types, _ := s.log(id)
		require.NotContains(t, types, "saga.compensation_requested")
	})
	t.Run("ACompensationIsRepeatedAfterThePaymentDecidedAlone", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			switch {
			case step == ChargeMoney && n == 1:
				return toBank, nil
			case step == ChargeMoney:
				return no(payment.CodeCancelled), nil
			}
			return well(ctx, step, n)
		}, func(c *Config) { c.Payments = dyingPayments{c.Payments} })
		id := s.seals(1000)
		s.reaches(id, RequiresAction)
		status, _ := s.operates(id, "compensate", "", "Idempotency-Key", "k")
		require.Equal(t, http.StatusInternalServerError, status)
		s.reaches(id, Cancelled)
		status, problem := s.operates(id, "compensate", "", "Idempotency-Key", "other")
		require.Equal(t, []any{http.StatusConflict, "saga_ended"}, []any{status, problem["code"]})
		status, _ = s.operates(id, "compensate", "", "Idempotency-Key", "k")
		require.Equal(t, http.StatusAccepted, status)
	})
	t.Run("WithNothingToPayTheSagaHas", func(t *testing.T) {
		t.Parallel()
		g := newGate(t)
		s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			if step == PlaceOrder && n == 1 {
				g.pass()
				return payment.Outcome{}, fault.New(fault.Unavailable, "away", "Away.")
			}
			return well(ctx, step, n)
		})
		id := s.seals(0)
		<-g.reached
		s.eventually("it has begun", func() bool { return s.number("select count(*) from saga.streams") == 1 })
		status, _ := s.operates(id, "compensate", `{"reason":"A fraud."}`)
		require.Equal(t, http.StatusAccepted, status)
		close(g.open)
		s.reaches(id, Cancelled)
		require.Zero(t, s.called("payment.cancel"))
	})
	t.Run("WhatIsSettledWakesTheSaga", func(t *testing.T) {
		t.Parallel()
		known := make(chan struct{})
		s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			if step != ChargeMoney {
				return well(ctx, step, n)
			}
			select {
			case <-known:
				return well(ctx, step, n)
			default:
				return payment.Outcome{Result: payment.ResultUnknown}, nil
			}
		})
		s.runner.stepDeadline = 0
		id := s.seals(1000)
		s.reaches(id, NeedsAttention)
		close(known)
		require.NoError(t, s.stepSettled(t.Context(), eventstore.Message[payment.Resolved]{
			Event: payment.Resolved{CheckoutID: id, Outcome: payment.ResolvedCaptured, Reason: "So."},
		}))
		saga, err := sagas.Load(t.Context(), s.store, id)
		require.NoError(t, err)
		require.Equal(t, Completed, saga.State.Status, "at once, not when a sweep comes by")
		types, _ := s.log(id)
		require.Contains(t, types, "saga.step_settled")
	})
}
