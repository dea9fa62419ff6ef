package stripe

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/money"
)

// TestDeclinesAreFinal checks that a declined payment has ended, though Stripe would let the shopper try another card.
func TestDeclinesAreFinal(t *testing.T) {
	t.Parallel()
	t.Run("OfTheCard", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.InsufficientFunds)
		require.Equal(t, payment.Declined, b.do(t, b.Authorize, under(c, "authorize")).Status)
		require.False(t, b.TryAnotherCard(c.Reference))
	})
	denied := func(t *testing.T) (*bundle, payment.Call) {
		b, c := setup(t), callFor(stripetest.Secured)
		b.do(t, b.Authorize, under(c, "authorize"))
		require.True(t, b.Deny(c.Reference))
		return b, c
	}
	t.Run("OfTheBank", func(t *testing.T) {
		t.Parallel()
		b, c := denied(t)
		for range 2 {
			report, err := b.LookUp(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, payment.Declined, report.Status)
			require.Equal(t, payment.CodeAuthenticationFailed, report.Code)
		}
		require.False(t, b.TryAnotherCard(c.Reference))
	})
	t.Run("UnlessAnotherCardCameFirst", func(t *testing.T) {
		t.Parallel()
		b, c := denied(t)
		require.True(t, b.TryAnotherCard(c.Reference))
		report, err := b.LookUp(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.Authorized, report.Status)
	})
	t.Run("VoidedMeanwhile", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.InsufficientFunds)
		b.upset(stripetest.Busy, 1, endsIn("/cancel"))
		_, err := b.Authorize(t.Context(), under(c, "authorize"))
		require.ErrorAs(t, err, new(*payment.Transient))
		require.Equal(t, payment.Voided, b.do(t, b.Void, under(c, "void")).Status)
		answer := b.do(t, b.Authorize, under(c, "authorize"))
		require.Equal(t, []any{payment.Declined, payment.CodeInsufficientFunds}, []any{answer.Status, answer.Code})
	})
	t.Run("NotAnsweredBeforeItIsFinal", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.Declined)
		b.upset(stripetest.ServerError, 1, endsIn("/cancel"))
		_, err := b.Authorize(t.Context(), under(c, "authorize"))
		require.Error(t, err)
		require.Equal(t, payment.Declined, b.do(t, b.Authorize, under(c, "authorize")).Status)
		require.False(t, b.TryAnotherCard(c.Reference))
	})
}

func TestRefundsThatWait(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]payment.Status{"": payment.Refunded, "expired_or_canceled_card": payment.Refused} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			b, c := setup(t), callFor(stripetest.RefundsPending)
			b.do(t, b.Authorize, under(c, "authorize"))
			b.do(t, b.Capture, under(c, "capture"))
			for range 2 {
				_, err := b.Refund(t.Context(), under(c, "refund/1"))
				require.Error(t, err, "neither done nor refused")
				require.False(t, errors.As(err, new(*payment.Transient)), err)
				report, err := b.LookUp(t.Context(), c)
				require.NoError(t, err)
				require.Empty(t, report.Refunded)
				require.Equal(t, []string{under(c, "refund/1").Key}, report.Refunding)
			}
			b.FinishRefunds(reason)
			answer := b.do(t, b.Refund, under(c, "refund/1"))
			require.Equal(t, want, answer.Status)
			require.Equal(t, reason, answer.Code)
			report, err := b.LookUp(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, want == payment.Refunded, len(report.Refunded) == 1)
			require.Empty(t, report.Refunding)
		})
	}
}

// TestRefusedRequests checks that a request that Stripe can never accept is declined at once, and can be voided.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	for name, amount := range map[string]money.Amount{"TooSmall": money.Of(10, "GBP"), "AFractionTooSmall": money.Of(1234, "BHD")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, c := setup(t), callFor(stripetest.Good)
			c.Amount = amount
			answer := b.do(t, b.Authorize, under(c, "authorize"))
			require.Equal(t, payment.Answer{Status: payment.Declined, Code: payment.CodeNotChargeable}, answer)
			report, err := b.LookUp(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, payment.Declined, report.Status)
			require.Equal(t, payment.Refused, b.do(t, b.Capture, under(c, "capture")).Status)
			require.Equal(t, payment.Voided, b.do(t, b.Void, under(c, "void")).Status)
			require.Contains(t, b.log.String(), "level=WARN", "the shop should know")
		})
	}
	t.Run("ARefundOfAFractionTooSmall", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.Good)
		c.Amount = money.Of(1230, "KWD")
		b.do(t, b.Authorize, under(c, "authorize"))
		require.Equal(t, int64(1230), b.do(t, b.Capture, under(c, "capture")).Captured)
		c.Amount = money.Of(123, "KWD")
		c.ProviderReference = "pi_test00000001"
		require.Equal(t, payment.Refused, b.do(t, b.Refund, under(c, "refund/1")).Status)
	})
}

// TestAmountsThatStripeCountsOtherwise sends amounts in currencies with other units at Stripe, and reads them back.
func TestAmountsThatStripeCountsOtherwise(t *testing.T) {
	t.Parallel()
	for currency, units := range map[string]string{"ISK": "500000", "MGA": "50", "JPY": "5000"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			b, c := setup(t), callFor(stripetest.Good)
			c.Amount = money.Of(5000, currency)
			var created string
			b.OnRequest = func(r *http.Request, body []byte, _ int, _ []byte) {
				if r.URL.Path == toCreate {
					created = string(body)
				}
			}
			b.do(t, b.Authorize, under(c, "authorize"))
			require.Contains(t, created, "amount="+units+"&")
			require.Contains(t, created, "currency="+strings.ToLower(currency))
			require.Equal(t, int64(5000), b.do(t, b.Capture, under(c, "capture")).Captured)
		})
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	b, c, now := setup(t), callFor(stripetest.Good), time.Now()
	header, body := b.Event("evt_1", "payment_intent.succeeded", c.Reference, now)
	good := header.Get("Stripe-Signature")
	t.Run("WhileTheSecretIsRolled", func(t *testing.T) {
		t.Parallel()
		_, other, _ := strings.Cut(stripetest.Sign("whsec_new", now, body), ",")
		n, err := b.Verify(http.Header{"Stripe-Signature": {good + "," + other}}, body)
		require.NoError(t, err)
		require.Equal(t, payment.Notification{ID: "evt_1", Type: "payment_intent.succeeded", Reference: c.Reference}, n)
	})
	t.Run("OfAnotherSecret", func(t *testing.T) {
		t.Parallel()
		_, err := b.Verify(http.Header{"Stripe-Signature": {stripetest.Sign("whsec_new", now, body)}}, body)
		require.Error(t, err)
	})
	t.Run("OnlyTheRightScheme", func(t *testing.T) {
		t.Parallel()
		_, err := b.Verify(http.Header{"Stripe-Signature": {strings.Replace(good, "v1=", "v0=", 1)}}, body)
		require.Error(t, err)
	})
	t.Run("WithoutASecretNothingIsBelieved", func(t *testing.T) {
		t.Parallel()
		_, err := New(Config{}).Verify(http.Header{"Stripe-Signature": {stripetest.Sign("", now, body)}}, body)
		require.Error(t, err)
	})
	t.Run("OfNoPaymentOfOurs", func(t *testing.T) {
		t.Parallel()
		for _, object := range []string{`{"id":"acct_1"}`, `{"metadata":{}}`, `{"metadata":null}`, `{"metadata":7}`} {
			body := []byte(`{"id":"evt_2","object":"event","type":"account.updated","data":{"object":` + object + `}}`)
			n, err := b.Verify(http.Header{"Stripe-Signature": {stripetest.Sign(stripetest.WebhookSecret, now, body)}}, body)
			require.NoError(t, err, object)
			require.Equal(t, payment.Notification{ID: "evt_2", Type: "account.updated"}, n)
		}
	})
}

// TestDisputes checks that only a lost dispute counts as a refund.
func TestDisputes(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(stripetest.Good)
	b.do(t, b.Authorize, under(c, "authorize"))
	b.do(t, b.Capture, under(c, "capture"))
	for status, found := range map[string]int{"needs_response": 0, "won": 0, "lost": 1} {
		b.Dispute(c.Reference, status)
		report, err := b.LookUp(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, report.Elsewhere, found, status)
	}
}

// TestWebhooksOfWhatWasMadeElsewhere resolves webhooks that hold only the id of the intent.
func TestWebhooksOfWhatWasMadeElsewhere(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(stripetest.Good)
	b.do(t, b.Authorize, under(c, "authorize"))
	_, intent := b.Status(c.Reference)
	for _, kind := range []string{"refund.created", "charge.dispute.created", "charge.dispute.closed"} {
		body := []byte(`{"id":"evt_1","object":"event","type":"` + kind + `","data":{"object":{"id":"x_1","metadata":{},"payment_intent":"` + intent + `"}}}`)
		n, err := b.Verify(http.Header{"Stripe-Signature": {stripetest.Sign(stripetest.WebhookSecret, time.Now(), body)}}, body)
		require.NoError(t, err)
		require.Equal(t, payment.Notification{ID: "evt_1", Type: kind, Reference: intent}, n)
		reference, err := b.FindReference(t.Context(), n.Reference)
		require.NoError(t, err)
		require.Equal(t, c.Reference, reference)
	}
	reference, err := b.FindReference(t.Context(), "pi_of_somebody_else")
	require.NoError(t, err)
	require.Empty(t, reference)
}
