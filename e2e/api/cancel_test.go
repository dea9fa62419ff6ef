package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestCancelRacesCharge cancels checkouts at every moment of their lives. The payment decides, once: what was captured is
// an order, what was cancelled was never captured.
func TestCancelRacesCharge(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.SimulatorLatency = 10*time.Second, 25*time.Millisecond
	})
	sku := s.AddProduct(t, 1000)
	s.SetStock(t, sku, 1000)
	const races = 60
	ends := make([]string, races)
	harness.RunTogether(t, 8, func(lane int) (harness.Answer, error) {
		for n := lane; n < races; n += 8 {
			ends[n] = cancelRace(t, s, sku, n%12)
		}
		return harness.Answer{}, nil
	})
	all := strings.Join(ends, " ")
	require.Contains(t, all, "completed", "no charge ever won")
	require.Contains(t, all, "cancelled", "no cancellation ever won")
}

// TestCancelRacesDoubt cancels checkouts whose payment is in doubt, refused or flaky at that moment. However they end, the
// promises hold, and who was told "too late" was told the truth.
func TestCancelRacesDoubt(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) {
		c.SimulatorLatency = 2 * time.Millisecond
	})
	sku := s.AddProduct(t, 1000)
	s.SetStock(t, sku, 1000)
	methods := []string{"sim_timeout_applied", "sim_timeout_lost", "sim_flaky", "sim_capture_fails", "sim_declined", "sim_ok"}
	harness.RunTogether(t, 24, func(n int) (harness.Answer, error) {
		ada := s.Shopper(t)
		c := ada.Fill(t, sku)
		begun := ada.StartCheckout(t, c, methods[n%len(methods)])
		for range n / len(methods) * 8 {
			ada.Checkout(t, begun.ID)
		}
		told := ada.CancelCheckout(t, begun.ID)
		end := begun
		harness.Until(t, "the checkout ends", func() bool {
			end = awaits(t, ada, begun.ID)
			return end.Status.Ended()
		})
		switch end.Status {
		case saga.Completed:
			harness.RequireProblem(t, told, http.StatusConflict, "too_late")
		case saga.Cancelled:
			harness.As[harness.CheckoutView](t, told, http.StatusAccepted, http.StatusOK)
			ada.RequireReopened(t, c, ada.Cart(t, c.ID))
		default:
			require.Contains(t, []string{"payment_declined", "capture_refused"}, end.Failure.Code)
			ada.RequireReopened(t, c, ada.Cart(t, c.ID))
		}
		return told, nil
	})
}

// awaits is a checkout at its end, or as far as it came while the server let us wait. Whoever asks again and again instead
// takes the time of the work that they wait for.
func awaits(t *testing.T, s harness.Shopper, id uuid.UUID) harness.CheckoutView {
	t.Helper()
	return harness.As[harness.CheckoutView](t, s.Send(t, http.MethodGet, "/v1/checkouts/"+id.String(), s.Token, nil, "Prefer", harness.Waiting), http.StatusOK)
}

// cancelRace looks at a checkout a few times, which is how time passes, and then cancels it from two tabs.
func cancelRace(t *testing.T, s *harness.Site, sku string, looks int) string {
	ada := s.Shopper(t)
	c := ada.Fill(t, sku)
	begun := ada.StartCheckout(t, c, "sim_ok")
	for range looks {
		ada.Checkout(t, begun.ID)
	}
	tabs := []harness.Answer{ada.CancelCheckout(t, begun.ID), ada.CancelCheckout(t, begun.ID)}
	end := awaits(t, ada, begun.ID)
	for _, tab := range tabs {
		if end.Status == saga.Completed {
			harness.RequireProblem(t, tab, http.StatusConflict, "too_late")
		} else {
			require.Equal(t, saga.Cancelled, end.Status, fmt.Sprint(end.Failure))
			harness.As[harness.CheckoutView](t, tab, http.StatusAccepted, http.StatusOK)
		}
	}
	ledger := strings.Join(s.Ledger(t, *begun.PaymentID), " ")
	if end.Status == saga.Completed {
		require.Equal(t, "authorize capture", ledger)
		require.Equal(t, cart.StatusCheckedOut, ada.Cart(t, c.ID).Status)
	} else {
		require.Contains(t, []string{"", "authorize void"}, ledger)
		ada.RequireReopened(t, c, ada.Cart(t, c.ID))
	}
	return string(end.Status)
}
