package stripe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRedact: a stored webhook tells what happened to a payment, and nothing of the shopper.
func TestRedact(t *testing.T) {
	t.Parallel()
	p := &Provider{}
	stored := string(p.Redact([]byte(`{
		"id": "evt_1", "object": "event", "api_version": "2025-03-31.basil", "created": 1760000000, "livemode": false, "type": "payment_intent.payment_failed",
		"request": {"id": "req_1", "idempotency_key": "Ada-4711"},
		"data": {"object": {
			"id": "pi_1", "object": "payment_intent", "amount": 9007199254740991, "amount_received": 0, "currency": "gbp", "status": "requires_payment_method",
			"client_secret": "pi_1_secret_s3cr3t", "customer": "cus_1", "description": "For Ada", "receipt_email": "ada@example.com",
			"next_action": {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.example/pi_1_secret_s3cr3t"}},
			"shipping": {"name": "Ada Byron", "phone": "+44 20 7946 0000", "address": {"city": "London", "line1": "12 Dorset Street"}},
			"metadata": {"payment": "019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b", "note": "Ada wants it blue"},
			"last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds", "message": "Ada's card was declined.",
				"payment_method": {"id": "pm_1", "billing_details": {"name": "Ada Byron", "email": "ada@example.com"}, "card": {"last4": "4242"}}},
			"charges": {"object": "list", "data": [{"id": "ch_1", "status": "failed", "billing_details": {"email": "ada@example.com"},
				"payment_method_details": {"card": {"last4": "4242"}}, "receipt_url": "https://pay.example/ada"}]}
		}, "previous_attributes": {"receipt_email": "ada@example.com"}}}`)))
	require.JSONEq(t, `{
		"id": "evt_1", "object": "event", "api_version": "2025-03-31.basil", "created": 1760000000, "livemode": false, "type": "payment_intent.payment_failed",
		"data": {"object": {
			"id": "pi_1", "object": "payment_intent", "amount": 9007199254740991, "amount_received": 0, "currency": "gbp", "status": "requires_payment_method",
			"metadata": {"payment": "019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"},
			"last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"},
			"charges": {"object": "list", "data": [{"id": "ch_1", "status": "failed"}]}
		}}}`, stored)
	for _, personal := range []string{"secret", "Ada", "ada@", "London", "4242", "cus_1", "+44"} {
		require.NotContains(t, stored, personal)
	}
	require.Contains(t, stored, "9007199254740991", "amounts keep their digits")
	require.Empty(t, p.Redact([]byte(`not JSON`)))
}
