package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/config"
)

// TestSimulatorIsGoneWithStripe: neither its routes nor its webhook exist while payments are real.
func TestSimulatorIsGoneWithStripe(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) {
		c.PaymentProvider, c.StripeAPIBase = config.Stripe, "http://127.0.0.1:1"
		c.StripeSecretKey, c.StripeWebhookSecret = stripetest.SecretKey, stripetest.WebhookSecret
	})
	for _, r := range routes {
		if strings.HasPrefix(r.path, "/simulator/") {
			path := parameter.ReplaceAllString(r.path, uuid.NewString())
			require.Equal(t, "no route", status(t, s, r.method, path, s.Admin), path)
		}
	}
	a, err := s.Ask(t.Context(), http.MethodPost, "/v1/webhooks/payments/simulator", "", "{}")
	require.NoError(t, err)
	harness.RequireProblem(t, a, http.StatusNotFound, "not_found")
	a, err = s.Ask(t.Context(), http.MethodPost, "/v1/webhooks/payments/stripe", "", "{}")
	require.NoError(t, err)
	harness.RequireProblem(t, a, http.StatusBadRequest, "bad_signature")
	require.Empty(t, warnings(t, s))
}

// TestPretendedPaymentsAreSaid: whoever names a database and simulates payments reads so in the log, at /readyz and in the console.
func TestPretendedPaymentsAreSaid(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	require.Len(t, warnings(t, s), 1)
	require.Contains(t, warnings(t, s)[0], "Payments are simulated although a database is named: no money moves.")
	overview := harness.Get[struct{ Warnings []string }](t, s, "/v1/admin/overview", s.Admin)
	require.Equal(t, warnings(t, s), overview.Warnings)
	page, err := s.Ask(t.Context(), http.MethodGet, "/console", "", nil, "Cookie", "console="+s.Admin)
	require.NoError(t, err)
	require.Contains(t, string(page.Text), warnings(t, s)[0])

	_, complained, status := command(t, []string{
		"HTTP_ADDR=" + strings.TrimPrefix(s.Base, "http://"), "DATABASE_URL=" + s.Settings.DatabaseURL, "PAYMENT_PROVIDER=simulator", "AUTH_SECRET=" + harness.Secret, "ADMIN_SECRET=" + harness.AdminSecret,
	})
	require.Equal(t, 1, status, "the port is taken")
	require.Contains(t, complained, warnings(t, s)[0])
}

func warnings(t *testing.T, s *harness.Site) []string {
	t.Helper()
	return harness.Get[struct{ Warnings []string }](t, s, "/readyz", "").Warnings
}
