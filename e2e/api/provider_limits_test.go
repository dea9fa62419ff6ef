package api

import (
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// opensWithStripe runs the program with Stripe in memory.
func opensWithStripe(t *testing.T, with ...harness.Setting) (*harness.Site, *stripetest.Server) {
	t.Helper()
	bank, stop := stripetest.New()
	t.Cleanup(stop)
	stripe := func(t testing.TB, c *config.Config) {
		harness.OneDatabase(t, c)
		c.PaymentProvider, c.PaymentTimeout, c.StripeAPIBase = config.Stripe, time.Second, bank.URL
		c.StripeSecretKey, c.StripeWebhookSecret = stripetest.SecretKey, stripetest.WebhookSecret
	}
	return harness.OpenUnchecked(t, append([]harness.Setting{stripe}, with...)...), bank
}

// TestRateLimitOfTheProvider has the provider refuse the first calls of thirty shoppers by its rate limit. Each purchase is only late: no call
// counts as failed, and the circuit breaker stays closed.
func TestRateLimitOfTheProvider(t *testing.T) {
	t.Parallel()
	const shoppers, refusals = 30, 60
	s, bank := opensWithStripe(t, func(_ testing.TB, c *config.Config) { c.PaymentRate = "none" })
	var asked atomic.Int32
	bank.FaultFor = func(string) stripetest.Fault {
		if asked.Add(1) <= refusals {
			return stripetest.TooMany
		}
		return stripetest.NoFault
	}
	sku := s.AddProduct(t, 1999)
	begun := map[uuid.UUID]harness.Shopper{}
	for range shoppers {
		ada := s.Shopper(t)
		begun[ada.StartCheckout(t, ada.Fill(t, sku), stripetest.Good).ID] = ada
	}
	for id, ada := range begun {
		ada.AwaitStatus(t, id, saga.Completed)
	}
	seen := providerCalls(t, s)
	require.Contains(t, seen, `outcome="limited"`)
	for _, outcome := range []string{"failed", "held_open"} {
		require.NotContains(t, seen, `outcome="`+outcome+`"`, seen)
	}
}

// TestOwnRateLimit checks that the calls from one address wait for their own share, and that a shopper at another address does not wait behind them.
func TestOwnRateLimit(t *testing.T) {
	t.Parallel()
	s, _ := opensWithStripe(t, func(_ testing.TB, c *config.Config) { c.PaymentRate, c.LimitReplicas = "4/s 8", 1 })
	sku := s.AddProduct(t, 1999)
	eve, ada := s.Shopper(t), apart(t, s, 0)
	var hers []harness.CheckoutView
	for range 8 {
		hers = append(hers, eve.StartCheckout(t, eve.Fill(t, sku), stripetest.Good))
	}
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), stripetest.Good, harness.Waiting), http.StatusCreated)
	last := eve.Checkout(t, hers[len(hers)-1].ID)
	require.Equal(t, saga.Running, last.Status, "it came before, and waits for its share")
	for _, c := range hers {
		eve.AwaitStatus(t, c.ID, saga.Completed)
	}
	seen := providerCalls(t, s)
	require.Contains(t, seen, `outcome="held_rate"`)
	require.NotContains(t, seen, `outcome="failed"`)
}

// TestGuestsOfOneAddressDoNotOpenTheBreaker has twelve guests of one address try cards that hang. Shoppers at other addresses buy meanwhile.
func TestGuestsOfOneAddressDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	sku := s.AddProduct(t, 1999)
	unkind := s.From(t, "127.0.0.2", 16)
	var hanging []harness.CheckoutView
	var eve harness.Shopper
	for range 12 {
		eve = unkind.Shopper(t)
		hanging = append(hanging, eve.StartCheckout(t, eve.Fill(t, sku), "sim_timeout_lost"))
	}
	harness.Until(t, "the cards hang", func() bool {
		failed := regexp.MustCompile(`operation="authorize",outcome="failed".* (\d+)\n`).FindStringSubmatch(providerCalls(t, s))
		return failed != nil && len(failed[1]) > 1
	})
	for n := range 3 {
		ada := apart(t, s, n)
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	}
	eve.AwaitStatus(t, hanging[11].ID, saga.Completed)
	require.NotContains(t, providerCalls(t, s), `outcome="held_open"`)
}

// providerCalls returns the metrics of the calls to the provider.
func providerCalls(t *testing.T, s *harness.Site) string {
	t.Helper()
	var calls []string
	for line := range strings.Lines(string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text)) {
		if strings.HasPrefix(line, "shopping_cart_provider_call_duration_seconds_count") {
			calls = append(calls, line)
		}
	}
	return strings.Join(calls, "")
}
