package api

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
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
	c := harness.Settings()
	harness.OneDatabase(t, &c)
	c.PaymentProvider, c.PaymentTimeout, c.StripeAPIBase = config.Stripe, time.Second, bank.URL
	c.StripeSecretKey, c.StripeWebhookSecret = stripetest.SecretKey, stripetest.WebhookSecret
	s := &harness.Site{Settings: c, URLs: c.DatabaseURLs(""), Admin: harness.Mint(t, c, "operator", web.ScopeAdmin), Stop: func(*testing.T) {}}
	t.Cleanup(func() { s.Stop(t) })
	s.Start(t)
	sku := s.AddProduct(t, 1999)
	s.SetStock(t, sku, 1000)

	for method, want := range map[string]struct{ failure, payment, intent string }{
		stripetest.Good:              {"", "captured", "succeeded"},
		stripetest.Flaky:             {"", "captured", "succeeded"},
		stripetest.RateLimited:       {"", "captured", "succeeded"},
		stripetest.Lost:              {"", "captured", "succeeded"},
		stripetest.Silent:            {"", "captured", "succeeded"},
		stripetest.Declined:          {"payment_declined", "declined", "canceled"},
		stripetest.InsufficientFunds: {"insufficient_funds", "declined", "canceled"},
		stripetest.CaptureFails:      {"capture_refused", "voided", "canceled"},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			ada := s.Shopper(t)
			a := ada.CheckOut(t, ada.Fill(t, sku), method, harness.NoWait)
			begun := harness.As[harness.CheckoutView](t, a, http.StatusAccepted)
			if want.failure == "" {
				ada.AwaitStatus(t, begun.ID, saga.Completed)
			} else {
				require.Equal(t, want.failure, ada.AwaitStatus(t, begun.ID, saga.Failed).Failure.Code)
			}
			paidAtStripe(t, ada, bank, begun, want.payment, want.intent)
		})
	}
	t.Run("ApprovedAtTheBank", func(t *testing.T) {
		t.Parallel()
		ada := s.Shopper(t)
		asked := asksStripe(t, ada, bank, sku)
		require.True(t, bank.Approve(asked.PaymentID.String()))
		require.Equal(t, http.StatusBadRequest, stripeTells(t, s, bank, asked, time.Now().Add(-time.Hour)).StatusCode)
		require.Equal(t, http.StatusOK, stripeTells(t, s, bank, asked, time.Now()).StatusCode)
		require.Nil(t, ada.AwaitStatus(t, asked.ID, saga.Completed).NextAction)
		paidAtStripe(t, ada, bank, asked, "captured", "succeeded")
		storesNoSecret(t, s) // the webhook held it
	})
	t.Run("DeniedAtTheBank", func(t *testing.T) {
		t.Parallel()
		ada := s.Shopper(t)
		asked := asksStripe(t, ada, bank, sku)
		require.True(t, bank.Deny(asked.PaymentID.String()))
		require.Equal(t, http.StatusOK, stripeTells(t, s, bank, asked, time.Now()).StatusCode)
		require.Equal(t, "authentication_failed", ada.AwaitStatus(t, asked.ID, saga.Failed).Failure.Code)
		paidAtStripe(t, ada, bank, asked, "declined", "canceled")
	})
	t.Run("CancelledWhileTheBankAsks", func(t *testing.T) {
		t.Parallel()
		ada := s.Shopper(t)
		asked := asksStripe(t, ada, bank, sku)
		ada.CancelCheckout(t, asked.ID)
		ada.AwaitStatus(t, asked.ID, saga.Cancelled)
		paidAtStripe(t, ada, bank, asked, "voided", "canceled")
	})
}

// TestStripeLearnsOfTheShopper looks at Stripe for the order, the customer and, with STRIPE_RECEIPTS, the e-mail address. No event holds the address.
func TestStripeLearnsOfTheShopper(t *testing.T) {
	t.Parallel()
	for _, receipts := range []bool{false, true} {
		s, bank := opensWithStripe(t, func(_ testing.TB, c *config.Config) { c.StripeReceipts = receipts })
		sku := s.AddProduct(t, 1999)
		ada := s.Shopper(t)
		done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), stripetest.Good, harness.Waiting), http.StatusCreated)
		o := harness.Get[harness.OrderView](t, s, "/v1/orders/"+done.OrderID.String(), ada.Token)
		known, email := bank.Known(done.PaymentID.String())
		require.Equal(t, o.Number, known["order_number"])
		require.Equal(t, ada.ID.String(), known["customer"])
		require.Len(t, known["source"], 32)
		require.Equal(t, map[bool]string{true: *o.Email}[receipts], email)
		storesNoText(t, s, *o.Email)
		storesNoText(t, s, "127.0.0.1")
	}
}

// storesNoText requires that no event and no state holds a text.
func storesNoText(t *testing.T, s *harness.Site, text string) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.Settings.DatabaseURL)
	require.NoError(t, err)
	defer db.Close(context.Background())
	for _, table := range []string{"cart.events", "orders.events", "payment.events", "payment.streams", "saga.events", "saga.streams"} {
		var found int
		require.NoError(t, db.QueryRow(t.Context(), "select count(*) from "+table+" t where strpos(t::text, $1) > 0", text).Scan(&found))
		require.Zero(t, found, table)
	}
}

// asksStripe begins a checkout that the storefront must confirm with Stripe's own script.
func asksStripe(t *testing.T, s harness.Shopper, bank *stripetest.Server, sku string) harness.CheckoutView {
	t.Helper()
	begun := harness.As[harness.CheckoutView](t, s.CheckOut(t, s.Fill(t, sku), stripetest.Secured, harness.NoWait), http.StatusAccepted)
	asked := s.AwaitStatus(t, begun.ID, saga.RequiresAction)
	_, id := bank.Status(asked.PaymentID.String())
	require.Equal(t, "use_stripe_sdk", asked.NextAction.Type)
	require.Contains(t, asked.NextAction.ClientSecret, id+"_secret_")
	keepsNoSecret(t, s, asked)
	return asked
}

// keepsNoSecret checks that only the shopper who asks gets the client secret: no table holds it, and no operator sees it.
func keepsNoSecret(t *testing.T, s harness.Shopper, asked harness.CheckoutView) {
	t.Helper()
	seen := harness.Get[harness.CheckoutView](t, s.Site, "/v1/checkouts/"+asked.ID.String(), s.Admin)
	require.Equal(t, &saga.ActionView{Type: "use_stripe_sdk"}, seen.NextAction)
	for _, path := range []string{
		"/v1/admin/sagas/" + asked.ID.String(), "/v1/admin/streams/saga/" + asked.ID.String(), "/v1/admin/streams/payment/" + asked.PaymentID.String(),
		"/v1/orders/" + asked.OrderID.String() + "/timeline",
	} {
		require.NotContains(t, string(s.Send(t, http.MethodGet, path, s.Admin, nil).Text), "_secret_s", path)
	}
	storesNoSecret(t, s.Site)
}

func storesNoSecret(t *testing.T, s *harness.Site) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.Settings.DatabaseURL)
	require.NoError(t, err)
	defer db.Close(context.Background())
	for _, table := range []string{
		"saga.events", "saga.streams", "saga.outbox", "saga.receipts", "payment.events", "payment.streams", "payment.outbox", "payment.receipts", "payment.webhooks",
	} {
		var found int
		require.NoError(t, db.QueryRow(t.Context(), "select count(*) from "+table+" t where t::text like '%\\_secret\\_s%'").Scan(&found))
		require.Zero(t, found, table)
	}
	var bodies int
	require.NoError(t, db.QueryRow(t.Context(), `select count(*) from payment.webhooks where convert_from(body, 'UTF8') like '%\_secret\_s%'`).Scan(&bodies))
	require.Zero(t, bodies)
}

func stripeTells(t *testing.T, s *harness.Site, bank *stripetest.Server, c harness.CheckoutView, at time.Time) harness.Answer {
	t.Helper()
	header, body := bank.Event("evt_"+uuid.NewString(), "payment_intent.amount_capturable_updated", c.PaymentID.String(), at)
	a, err := s.Ask(t.Context(), http.MethodPost, "/v1/webhooks/payments/stripe", "", string(body),
		"Stripe-Signature", header.Get("Stripe-Signature"))
	require.NoError(t, err)
	return a
}

// paidAtStripe compares our book with Stripe's.
func paidAtStripe(t *testing.T, s harness.Shopper, bank *stripetest.Server, c harness.CheckoutView, ours, theirs string) {
	t.Helper()
	var status, id string
	harness.Until(t, "the intent is "+theirs, func() bool {
		status, id = bank.Status(c.PaymentID.String())
		return status == theirs && harness.Get[harness.PaymentView](t, s.Site, "/v1/payments/"+c.PaymentID.String(), s.Token).Status == ours
	})
	require.Equal(t, 1, bank.Intents(c.PaymentID.String()))
	paid := harness.Get[harness.PaymentView](t, s.Site, "/v1/payments/"+c.PaymentID.String(), s.Token)
	require.Equal(t, "stripe", paid.Provider)
	if paid.ProviderReference != "" {
		require.Equal(t, id, paid.ProviderReference)
	}
}
