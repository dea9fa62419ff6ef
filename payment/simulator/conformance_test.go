package simulator

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/payment/conformance"
	"shopping-cart/platform/money"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Subject {
		b := setup(t)
		say := func(word string) func(string) {
			return func(reference string) { b.send("POST", "/simulator/payments/"+reference+"/"+word, "") }
		}
		return conformance.Subject{
			Provider: b.Simulator,
			PaymentMethods: conformance.PaymentMethods{
				Good: tokenOK, Declined: tokenDeclined, InsufficientFunds: tokenInsufficientFunds, Secured: tokenRequiresAction,
				CaptureFails: tokenCaptureFails, Flaky: tokenFlaky, Lost: tokenTimeoutLost, Silent: tokenTimeoutApplied,
				RateLimited: tokenRateLimited, RefundRefused: tokenRefundRefused,
			},
			Approve: say("approve"), Deny: say("deny"),
			RefundElsewhere: func(reference string, amount int64) {
				back := money.Of(amount, "GBP")
				_, err := b.refundCaptured(t.Context(), reference, payment.ElsewhereRefund, &back)
				require.NoError(t, err)
			},
			LoseDispute: func(reference string) {
				_, err := b.refundCaptured(t.Context(), reference, payment.ElsewhereDispute, nil)
				require.NoError(t, err)
			},
			Webhook: func(id, reference string, at time.Time) (http.Header, []byte) {
				body, err := json.Marshal(event{ID: id, Type: "payment.authorized", Reference: reference, CreatedAt: at})
				require.NoError(t, err)
				return http.Header{signatureHeader: {b.sign(at, body)}}, body
			},
		}
	})
}
