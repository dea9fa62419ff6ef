package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestOperators: a provider falls silent in the middle of a payment and stays so past STEP_DEADLINE. Operators find the checkout,
// and whatever they do about it, right or wrong, every promise holds in the end.
func TestOperators(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.StepDeadline = 200*time.Millisecond, time.Second
	})
	sku := s.AddProduct(t, 500)
	s.SetStock(t, sku, 100)
	const taken, notTaken = "capture", "authorize" // the last thing that the provider did
	t.Run("CapturedAndSettledSo", func(t *testing.T) {
		d := s.LeaveInDoubt(t, sku, taken)
		isHeld(t, d)
		d.Resolve(t, "captured")
		d.RequireOrder(t)
		d.RestoreProvider(t, "back")
		d.AwaitEnd(t, saga.Completed, "authorize", "capture")
	})
	t.Run("NotCapturedAndSettledSo", func(t *testing.T) {
		d := s.LeaveInDoubt(t, sku, notTaken)
		d.Resolve(t, "not_captured")
		isOpenAgain(t, d)
		d.RestoreProvider(t, "back")
		d.AwaitEnd(t, saga.Cancelled, "authorize", "void")
	})
	t.Run("CapturedThoughSettledNot", func(t *testing.T) {
		d := s.LeaveInDoubt(t, sku, taken)
		d.Resolve(t, "not_captured")
		isOpenAgain(t, d)
		d.RestoreProvider(t, "back")
		d.AwaitEnd(t, saga.Cancelled, "authorize", "capture", "refund")
	})
	t.Run("NotCapturedThoughSettledSo", func(t *testing.T) {
		d := s.LeaveInDoubt(t, sku, notTaken)
		d.Resolve(t, "captured")
		d.RequireOrder(t)
		d.RestoreProvider(t, "back")
		d.AwaitEnd(t, saga.Completed, "authorize", "capture") // it is captured now
	})
	t.Run("RetriedOnceTheProviderIsBack", func(t *testing.T) {
		d := s.LeaveInDoubt(t, sku, taken)
		d.RestoreProvider(t, "back")
		body := map[string]any{"outcome": "not_captured", "reason": "I guess so."}
		harness.RequireProblem(t, d.Act(t, "settle", body), http.StatusConflict, "provider_answers")
		require.Equal(t, saga.NeedsAttention, d.Ada.Checkout(t, d.ID).Status, "a refused request changes nothing")
		harness.As[saga.View](t, d.Act(t, "retry", nil), http.StatusAccepted)
		d.AwaitEnd(t, saga.Completed, "authorize", "capture")
	})
	t.Run("CompensatedInDoubtAndCaptured", func(t *testing.T) {
		d := s.LeaveInDoubt(t, sku, taken)
		harness.As[saga.View](t, d.Act(t, "compensate", nil), http.StatusAccepted)
		harness.Until(t, "it needs attention again", func() bool { return d.Ada.Checkout(t, d.ID).Status == saga.NeedsAttention })
		isHeld(t, d)
		harness.RequireProblem(t, d.Act(t, "compensate", nil), http.StatusConflict, "already_compensating")
		harness.RequireProblem(t, d.Act(t, "settle", map[string]any{"outcome": "captured", "reason": "No."}), http.StatusConflict, "cannot_be_captured")
		d.RestoreProvider(t, "back")
		harness.As[saga.View](t, d.Act(t, "retry", nil), http.StatusAccepted)
		d.AwaitEnd(t, saga.Cancelled, "authorize", "capture", "refund")
	})
	t.Run("CompensatedInDoubtAndNotCaptured", func(t *testing.T) {
		d := s.LeaveInDoubt(t, sku, notTaken)
		harness.As[saga.View](t, d.Act(t, "compensate", map[string]any{"reason": "The goods are broken."}), http.StatusAccepted)
		d.RestoreProvider(t, "back")
		d.AwaitEnd(t, saga.Cancelled, "authorize", "void")
	})
	t.Run("WhileTheShopperIsAtTheirBank", func(t *testing.T) {
		ada := s.Shopper(t)
		c := ada.Fill(t, sku)
		d := harness.Doubt{Site: s, Ada: ada, Cart: c, CheckoutView: ada.CheckOutAtBank(t, c, "sim_requires_action")}
		harness.RequireProblem(t, d.Act(t, "skip", map[string]any{"reason": "No."}), http.StatusConflict, "not_stuck")
		harness.RequireProblem(t, d.Act(t, "settle", map[string]any{"outcome": "captured", "reason": "No."}), http.StatusConflict, "not_stuck")
		harness.As[saga.View](t, d.Act(t, "retry", nil), http.StatusAccepted)
		ada.AwaitStatus(t, d.ID, saga.RequiresAction)
		harness.As[saga.View](t, d.Act(t, "compensate", nil), http.StatusAccepted)
		d.AwaitEnd(t, saga.Cancelled)
	})
	t.Run("NothingOnceItHasEnded", func(t *testing.T) {
		ada := s.Shopper(t)
		c := ada.Fill(t, sku)
		d := harness.Doubt{Site: s, Ada: ada, Cart: c, CheckoutView: harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)}
		require.Empty(t, d.Saga(t).Actions)
		reason := map[string]any{"reason": "No."}
		for action, body := range map[string]map[string]any{
			"retry": reason, "compensate": nil, "skip": reason, "settle": {"outcome": "captured", "reason": "No."},
		} {
			harness.RequireProblem(t, d.Act(t, action, body), http.StatusConflict, "saga_ended")
		}
		for _, body := range []map[string]any{{"outcome": "captured"}, {"outcome": "perhaps", "reason": "No."}, {"outcome": "captured", "reason": " "}} {
			harness.RequireProblem(t, d.Act(t, "settle", body), http.StatusUnprocessableEntity, "validation_failed")
		}
	})
}

// isHeld: nothing is given back, and nothing sold.
func isHeld(t *testing.T, d harness.Doubt) {
	t.Helper()
	require.Equal(t, cart.StatusCheckingOut, d.Ada.Cart(t, d.CartID).Status)
	require.Equal(t, order.StatusPending, d.Order(t).Status)
}

// isOpenAgain: the shopper need not wait for the void.
func isOpenAgain(t *testing.T, d harness.Doubt) {
	t.Helper()
	harness.Until(t, "the cart is open", func() bool { return d.Ada.Cart(t, d.CartID).Status == cart.StatusOpen })
	require.Equal(t, order.StatusCancelled, d.Order(t).Status)
}
