package api

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/saga"
)

// outcomes are events of a payment, each with how the attempt that it ended came out.
var outcomes = map[string]string{
	"payment.captured": "saga.step_done payment.charge", "payment.declined": "saga.step_refused payment.charge",
	"payment.capture_refused": "saga.step_refused payment.charge", "payment.action_required": "saga.step_waits payment.charge",
	"payment.voided": "saga.step_done payment.undo", "order.placed": "saga.step_done order.place", "order.confirmed": "saga.step_done order.confirm",
	"order.cancelled": "saga.step_done order.cancel", "cart.completed": "saga.step_done cart.complete", "cart.reopened": "saga.step_done cart.reopen",
	"payment.requested": "saga.step_refused payment.charge",
}

// TestNoEffectBeforeItsCause reads the timeline of a checkout with every payment method.
func TestNoEffectBeforeItsCause(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	sku := s.AddProduct(t, 500)
	for _, method := range []string{
		"sim_ok", "sim_declined", "sim_insufficient_funds", "sim_capture_fails", "sim_authorization_expires", "sim_timeout_applied",
		"sim_timeout_lost", "sim_flaky", "sim_void_flaky", "sim_requires_action", "sim_duplicate_webhooks", "sim_amount_refused",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ada := s.Shopper(t)
			begun := ada.StartCheckout(t, ada.Fill(t, sku), method)
			var now harness.CheckoutView
			harness.Until(t, "it has ended, or waits", func() bool {
				now = harness.Get[harness.CheckoutView](t, s, "/v1/checkouts/"+begun.ID.String(), ada.Token)
				return now.Status.Ended() || now.Status == saga.RequiresAction
			})
			if now.Status == saga.RequiresAction {
				s.AnswerAtBank(t, *begun.PaymentID, "deny")
				ada.AwaitStatus(t, begun.ID, saga.Failed)
			}
			isTold(t, harness.Get[harness.List[harness.Entry]](t, s, "/v1/orders/"+begun.OrderID.String()+"/timeline?limit=100", s.Admin).Data)
		})
	}
}

func isTold(t *testing.T, entries []harness.Entry) {
	t.Helper()
	var names []string
	given := map[uuid.UUID]int{}
	for i, e := range entries {
		name := e.Type
		if e.Step != nil {
			name += " " + *e.Step
		}
		names = append(names, name)
		if _, again := given[ofCommand(e)]; e.Command != nil && !again {
			given[*e.Command] = i
		}
	}
	for i, e := range entries {
		if cause, ok := given[e.Causation]; ok && cause != i {
			require.Less(t, cause, i, "%s: %v", e.Type, names)
		}
		if after := slices.Index(names, outcomes[e.Type]); outcomes[e.Type] != "" && after >= 0 {
			require.Less(t, i, after, "%s, then %s: %v", e.Type, outcomes[e.Type], names)
		}
	}
	if requested := slices.Index(names, "payment.requested"); requested >= 0 {
		require.Less(t, slices.Index(names, "saga.step_begun payment.charge"), requested, "%v", names)
	}
	require.Equal(t, "saga.ended", names[len(names)-1], "%v", names)
}
