package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestCancelRacesCharge cancels checkouts at every moment of their lives. The payment decides, once: what was captured is
// an order, what was cancelled was never captured.
func TestCancelRacesCharge(t *testing.T) {
	t.Parallel()
	s := open(t, databaseEach, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.SimulatorLatency = 10*time.Second, 4*time.Millisecond
	})
	sku := s.sells(t, 1000)
	s.stocks(t, sku, 1000)
	const races = 60
	ends := make([]string, races)
	together(t, 8, func(lane int) (answer, error) {
		for n := lane; n < races; n += 8 {
			ends[n] = cancelRace(t, s, sku, n%12)
		}
		return answer{}, nil
	})
	all := strings.Join(ends, " ")
	require.Contains(t, all, "completed", "no charge ever won")
	require.Contains(t, all, "cancelled", "no cancellation ever won")
}

// TestCancelRacesDoubt cancels checkouts whose payment is in doubt, refused or flaky at that moment. However they end, the
// promises hold, and who was told "too late" was told the truth.
func TestCancelRacesDoubt(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase, func(_ testing.TB, c *config.Config) {
		c.SimulatorLatency = 2 * time.Millisecond
	})
	sku := s.sells(t, 1000)
	s.stocks(t, sku, 1000)
	methods := []string{"sim_timeout_applied", "sim_timeout_lost", "sim_flaky", "sim_capture_fails", "sim_declined", "sim_ok"}
	together(t, 24, func(n int) (answer, error) {
		ada := s.shopper(t)
		c := ada.fills(t, sku)
		begun := ada.starts(t, c, methods[n%len(methods)])
		for range n / len(methods) * 8 {
			ada.checkout(t, begun.ID)
		}
		told := ada.cancels(t, begun.ID)
		end := begun
		until(t, "the checkout ends", func() bool {
			end = ada.awaits(t, begun.ID)
			return end.Status.Ended()
		})
		switch end.Status {
		case saga.Completed:
			refuses(t, told, http.StatusConflict, "too_late")
		case saga.Cancelled:
			as[checkoutView](t, told, http.StatusAccepted, http.StatusOK)
			ada.isOpenAsBefore(t, c, ada.cart(t, c.ID))
		default:
			require.Contains(t, []string{"payment_declined", "capture_refused"}, end.Failure.Code)
			ada.isOpenAsBefore(t, c, ada.cart(t, c.ID))
		}
		return told, nil
	})
}

// awaits is a checkout at its end, or as far as it came while the server let us wait. Whoever asks again and again instead
// takes the time of the work that they wait for.
func (s shopper) awaits(t *testing.T, id uuid.UUID) checkoutView {
	t.Helper()
	return as[checkoutView](t, s.send(t, http.MethodGet, "/v1/checkouts/"+id.String(), s.token, nil, "Prefer", waiting), http.StatusOK)
}

// cancelRace looks at a checkout a few times, which is how time passes, and then cancels it from two tabs.
func cancelRace(t *testing.T, s *site, sku string, looks int) string {
	ada := s.shopper(t)
	c := ada.fills(t, sku)
	begun := ada.starts(t, c, "sim_ok")
	for range looks {
		ada.checkout(t, begun.ID)
	}
	tabs := []answer{ada.cancels(t, begun.ID), ada.cancels(t, begun.ID)}
	end := ada.awaits(t, begun.ID)
	for _, tab := range tabs {
		if end.Status == saga.Completed {
			refuses(t, tab, http.StatusConflict, "too_late")
		} else {
			require.Equal(t, saga.Cancelled, end.Status, fmt.Sprint(end.Failure))
			as[checkoutView](t, tab, http.StatusAccepted, http.StatusOK)
		}
	}
	ledger := strings.Join(s.ledger(t, *begun.PaymentID), " ")
	if end.Status == saga.Completed {
		require.Equal(t, "authorize capture", ledger)
		require.Equal(t, cart.StatusCheckedOut, ada.cart(t, c.ID).Status)
	} else {
		require.Contains(t, []string{"", "authorize void"}, ledger)
		ada.isOpenAsBefore(t, c, ada.cart(t, c.ID))
	}
	return string(end.Status)
}
