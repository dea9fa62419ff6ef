package api

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/saga"
)

// TestARunningCheckoutSaysWhatIsUnderWay looks at a checkout whose charge takes its time.
func TestARunningCheckoutSaysWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			ada := s.Shopper(t)
			begun := ada.StartCheckout(t, ada.Fill(t, s.AddProduct(t, 500)), "sim_timeout_lost") // for the time-out of a call
			var seen []string
			harness.Until(t, "the charge is under way", func() bool {
				now := harness.Get[harness.CheckoutView](t, s, "/v1/checkouts/"+begun.ID.String(), ada.Token)
				require.NotEqual(t, saga.Completed, now.Status, "nobody saw it run: %v", seen)
				for _, step := range now.Steps {
					seen = append(seen, step.Name+" "+string(step.Status))
					if step.Name == saga.ChargeMoney && step.Status == saga.StepIsRunning {
						require.Equal(t, 1, step.Attempts)
						require.NotNil(t, step.StartedAt)
						require.Equal(t, saga.StepIsDone, now.Steps[0].Status, now.Steps[0].Name)
						return true
					}
				}
				return false
			})
			ada.AwaitStatus(t, begun.ID, saga.Completed)
		})
	}
}
