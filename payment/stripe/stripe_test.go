package stripe

import (
	"bytes"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"shopping-cart/payment"
	"shopping-cart/payment/conformance"
	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/money"
)

// bundle is a provider that is connected to the server in memory.
type bundle struct {
	*Provider
	*stripetest.Server
	log *bytes.Buffer
}

func setup(t *testing.T) *bundle {
	t.Helper()
	server, stop := stripetest.New()
	t.Cleanup(stop)
	b := &bundle{Server: server, log: &bytes.Buffer{}}
	b.Provider = New(Config{
		SecretKey: stripetest.SecretKey, WebhookSecret: stripetest.WebhookSecret, BaseURL: server.URL,
		Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	return b
}

func (b *bundle) subject() conformance.Subject {
	return conformance.Subject{
		Provider: b.Provider,
		PaymentMethods: conformance.PaymentMethods{
			Good: stripetest.Good, Declined: stripetest.Declined, InsufficientFunds: stripetest.InsufficientFunds,
			Secured: stripetest.Secured, CaptureFails: stripetest.CaptureFails, Flaky: stripetest.Flaky,
			RateLimited: stripetest.RateLimited, Lost: stripetest.Lost, Silent: stripetest.Silent, RefundRefused: stripetest.RefundRefused,
		},
		Approve:         func(reference string) { b.Approve(reference) },
		Deny:            func(reference string) { b.Deny(reference) },
		RefundElsewhere: b.RefundElsewhere,
		LoseDispute:     func(reference string) { b.Dispute(reference, "lost") },
		Webhook: func(id, reference string, at time.Time) (http.Header, []byte) {
			return b.Event(id, "payment_intent.amount_capturable_updated", reference, at)
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Subject { return setup(t).subject() })
}

func callFor(method string) payment.Call {
	return payment.Call{Reference: uuid.NewString(), PaymentMethod: method, Amount: money.Of(1999, "GBP"), RequestedAt: time.Now()}
}

func under(c payment.Call, operation string) payment.Call {
	c.Key = c.Reference + "/" + operation
	return c
}
