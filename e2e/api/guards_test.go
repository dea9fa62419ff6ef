package api

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// guarded sets limits of stock and money that the attackers of these tests meet.
func guarded(t testing.TB, c *config.Config) {
	harness.OneDatabase(t, c)
	c.Limits, c.LimitReplicas = "true", 2
	c.LimitSessions, c.LimitReads, c.LimitEdits, c.LimitCheckouts, c.LimitOperators = "none", "none", "none", "none", "none"
	c.CartMaxGuestQuantity, c.CartMaxFailedPayments, c.CartPaymentPause = 20, 2, time.Hour
	c.WaitingPerGuest, c.WaitingPerAddress = 1, 3
}

// TestHeldStock: eight guests of one address hold as much as they can by payments that wait for 3-D Secure, through two replicas at once. A shopper at
// another address buys.
func TestHeldStock(t *testing.T) {
	t.Parallel()
	const stock, guests, held = 100, 8, 20
	s := harness.Open(t, guarded)
	replica := harness.OpenUnchecked(t, guarded, func(_ testing.TB, c *config.Config) { c.DatabaseURL = s.Settings.DatabaseURL })
	sku := s.AddProduct(t, 500)
	s.SetStock(t, sku, stock)

	eve := s.From(t, "127.0.0.2", 16).Shopper(t)
	harness.RequireProblem(t, eve.Add(t, eve.Fill(t), sku, held+1), http.StatusUnprocessableEntity, "too_many_units")

	var all sync.WaitGroup
	var mu sync.Mutex
	refused := map[string]int{}
	var waiting []waitingGuest
	for n := range guests {
		site := []*harness.Site{s, replica}[n%2].From(t, "127.0.0.2", 16)
		guest := site.Shopper(t)
		for range 2 {
			cart := harness.As[harness.CartView](t, guest.Add(t, guest.Fill(t), sku, held), http.StatusOK)
			all.Go(func() {
				a := guest.CheckOut(t, cart, "sim_requires_action", harness.Waiting)
				mu.Lock()
				defer mu.Unlock()
				if a.StatusCode == http.StatusAccepted {
					waiting = append(waiting, waitingGuest{guest, harness.As[harness.CheckoutView](t, a, http.StatusAccepted).ID})
					return
				}
				refused[harness.As[harness.Problem](t, a, http.StatusConflict).Code]++
			})
		}
	}
	all.Wait()
	require.Len(t, waiting, 3)
	require.Equal(t, 2*guests-3, refused["too_many_waiting"]+refused["out_of_stock"], refused)
	require.Positive(t, refused["too_many_waiting"])
	require.EqualValues(t, 3*held, s.Stock(t, sku).Reserved)

	ada := s.From(t, "127.0.0.3", 4).Shopper(t)
	bought := harness.As[harness.CheckoutView](t, ada.CheckOut(t, harness.As[harness.CartView](t, ada.Add(t, ada.Fill(t), sku, held), http.StatusOK),
		"sim_ok", harness.Waiting), http.StatusCreated)
	types := []string{}
	for _, e := range harness.Get[admin.StreamView](t, s, "/v1/admin/streams/order/"+bought.OrderID.String(), s.Admin).Data {
		types = append(types, e.Type)
	}
	require.ElementsMatch(t, []string{"order.placed", "order.confirmed"}, types, "a payment that ends at once is not entered")

	metrics := string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text) + string(replica.Send(t, http.MethodGet, "/metrics", "", nil).Text)
	for _, counted := range []string{`{by="cart",what="units"}`, `{by="address",what="waiting"}`} {
		require.Contains(t, metrics, "shopping_cart_limited_total"+counted)
	}

	for _, w := range waiting {
		w.CancelCheckout(t, w.checkout)
		w.AwaitStatus(t, w.checkout, saga.Cancelled)
	}
	late := s.From(t, "127.0.0.2", 16).Shopper(t)
	again := late.StartCheckout(t, late.Fill(t, sku), "sim_requires_action")
	late.AwaitStatus(t, again.ID, saga.RequiresAction)
	late.CancelCheckout(t, again.ID)
	late.AwaitStatus(t, again.ID, saga.Cancelled)
}

// waitingGuest is a guest with a checkout that waits.
type waitingGuest struct {
	harness.Shopper
	checkout uuid.UUID
}

// TestCardsTriedWithOneCart: after two failed payments the cart must wait, and another cart need not.
func TestCardsTriedWithOneCart(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, guarded)
	sku := s.AddProduct(t, 500)
	eve := s.Shopper(t)
	cart := eve.Fill(t, sku)
	for range 2 {
		harness.RequireProblem(t, eve.CheckOut(t, cart, "sim_declined", harness.Waiting), http.StatusPaymentRequired, "payment_declined")
		cart = eve.Cart(t, cart.ID)
	}
	a := eve.CheckOut(t, cart, "sim_declined", harness.Waiting)
	harness.RequireProblem(t, a, http.StatusTooManyRequests, "too_many_attempts")
	require.Contains(t, string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text), `shopping_cart_limited_total{by="cart",what="attempts"} 1`)
	wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.Greater(t, wait, 3000)
	harness.As[harness.CheckoutView](t, eve.CheckOut(t, eve.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
}
