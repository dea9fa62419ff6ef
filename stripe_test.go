package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// TestStripe runs whole checkouts through Stripe's adapter, wired by settings alone.
func TestStripe(t *testing.T) {
	t.Parallel()
	bank, stop := stripetest.New()
	t.Cleanup(stop)
	c := settings()
	oneDatabase(t, &c)
	c.PaymentProvider, c.PaymentTimeout, c.StripeAPIBase = config.Stripe, time.Second, bank.URL
	c.StripeSecretKey, c.StripeWebhookSecret = stripetest.SecretKey, stripetest.WebhookSecret
	s := &site{settings: c, urls: c.DatabaseURLs(""), admin: mint(t, c, "operator", web.ScopeAdmin), stop: func(*testing.T) {}}
	t.Cleanup(func() { s.stop(t) })
	s.start(t)
	sku := s.sells(t, 1999)
	s.stocks(t, sku, 1000)

	for method, want := range map[string]struct{ failure, payment, intent string }{
		stripetest.Good:              {"", "captured", "succeeded"},
		stripetest.Flaky:             {"", "captured", "succeeded"},
		stripetest.Lost:              {"", "captured", "succeeded"},
		stripetest.Silent:            {"", "captured", "succeeded"},
		stripetest.Declined:          {"payment_declined", "declined", "canceled"},
		stripetest.InsufficientFunds: {"insufficient_funds", "declined", "canceled"},
		stripetest.CaptureFails:      {"capture_refused", "voided", "canceled"},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ada := s.shopper(t)
			a := ada.checksOut(t, ada.fills(t, sku), method, noWait)
			begun := as[checkoutView](t, a, http.StatusAccepted)
			if want.failure == "" {
				ada.reaches(t, begun.ID, saga.Completed)
			} else {
				require.Equal(t, want.failure, ada.reaches(t, begun.ID, saga.Failed).Failure.Code)
			}
			ada.paidAtStripe(t, bank, begun, want.payment, want.intent)
		})
	}
	t.Run("ApprovedAtTheBank", func(t *testing.T) {
		t.Parallel()
		ada := s.shopper(t)
		asked := ada.asksStripe(t, bank, sku)
		require.True(t, bank.Approve(asked.PaymentID.String()))
		require.Equal(t, http.StatusBadRequest, s.stripeTells(t, bank, asked, time.Now().Add(-time.Hour)).StatusCode)
		require.Equal(t, http.StatusOK, s.stripeTells(t, bank, asked, time.Now()).StatusCode)
		require.Nil(t, ada.reaches(t, asked.ID, saga.Completed).NextAction)
		ada.paidAtStripe(t, bank, asked, "captured", "succeeded")
	})
	t.Run("DeniedAtTheBank", func(t *testing.T) {
		t.Parallel()
		ada := s.shopper(t)
		asked := ada.asksStripe(t, bank, sku)
		require.True(t, bank.Deny(asked.PaymentID.String()))
		require.Equal(t, http.StatusOK, s.stripeTells(t, bank, asked, time.Now()).StatusCode)
		require.Equal(t, "authentication_failed", ada.reaches(t, asked.ID, saga.Failed).Failure.Code)
		ada.paidAtStripe(t, bank, asked, "declined", "canceled")
	})
	t.Run("CancelledWhileTheBankAsks", func(t *testing.T) {
		t.Parallel()
		ada := s.shopper(t)
		asked := ada.asksStripe(t, bank, sku)
		ada.cancels(t, asked.ID)
		ada.reaches(t, asked.ID, saga.Cancelled)
		ada.paidAtStripe(t, bank, asked, "voided", "canceled")
	})
}

// asksStripe begins a checkout that the storefront must confirm with Stripe's own script.
func (s shopper) asksStripe(t *testing.T, bank *stripetest.Server, sku string) checkoutView {
	t.Helper()
	begun := as[checkoutView](t, s.checksOut(t, s.fills(t, sku), stripetest.Secured, noWait), http.StatusAccepted)
	asked := s.reaches(t, begun.ID, saga.RequiresAction)
	_, id := bank.Status(asked.PaymentID.String())
	require.Equal(t, "use_stripe_sdk", asked.NextAction.Type)
	require.Contains(t, asked.NextAction.ClientSecret, id+"_secret_")
	return asked
}

func (s *site) stripeTells(t *testing.T, bank *stripetest.Server, c checkoutView, at time.Time) answer {
	t.Helper()
	header, body := bank.Event("evt_"+uuid.NewString(), "payment_intent.amount_capturable_updated", c.PaymentID.String(), at)
	a, err := s.ask(t.Context(), http.MethodPost, "/v1/webhooks/payments/stripe", "", string(body),
		"Stripe-Signature", header.Get("Stripe-Signature"))
	require.NoError(t, err)
	return a
}

// paidAtStripe compares our book with Stripe's.
func (s shopper) paidAtStripe(t *testing.T, bank *stripetest.Server, c checkoutView, ours, theirs string) {
	t.Helper()
	var status, id string
	until(t, "the intent is "+theirs, func() bool {
		status, id = bank.Status(c.PaymentID.String())
		return status == theirs && get[paymentView](t, s.site, "/v1/payments/"+c.PaymentID.String(), s.token).Status == ours
	})
	require.Equal(t, 1, bank.Intents(c.PaymentID.String()))
	paid := get[paymentView](t, s.site, "/v1/payments/"+c.PaymentID.String(), s.token)
	require.Equal(t, "stripe", paid.Provider)
	if paid.ProviderReference != "" {
		require.Equal(t, id, paid.ProviderReference)
	}
}
