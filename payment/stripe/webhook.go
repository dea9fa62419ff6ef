package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	api "github.com/stripe/stripe-go/v85/webhook"

	"shopping-cart/payment"
)

// Verify reads an event with a valid signature that is no older than five minutes. While a secret is rotated there are several signatures,
// and one must be valid. Only its id, its type and our reference are read, so its version does not matter. A new type needs nothing here: LookUp
// asks Stripe what happened.
func (p *Provider) Verify(header http.Header, body []byte) (payment.Notification, error) {
	if p.webhook == "" {
		return payment.Notification{}, errors.New("no secret for webhooks is configured")
	}
	event, err := api.ConstructEventWithOptions(body, header.Get("Stripe-Signature"), p.webhook,
		api.ConstructEventOptions{Tolerance: api.DefaultTolerance, IgnoreAPIVersionMismatch: true})
	if errors.Is(err, api.ErrNotSigned) || errors.Is(err, api.ErrInvalidHeader) || errors.Is(err, api.ErrNoValidSignature) || errors.Is(err, api.ErrTooOld) {
		return payment.Notification{}, fmt.Errorf("verify the signature: %w", err)
	}
	if err != nil { // the library parses the body after the signature
		return payment.Notification{}, &payment.Unreadable{Reason: "it is not the JSON of an event"}
	}
	n := payment.Notification{ID: event.ID, Type: string(event.Type)}
	var object struct {
		Metadata map[string]string `json:"metadata"`
		Intent   any               `json:"payment_intent"` // of a charge, a refund or a dispute. A refund or dispute made in the dashboard has no metadata of ours
	}
	if event.Data != nil && json.Unmarshal(event.Data.Raw, &object) == nil { // other types are stored without a payment
		n.Reference = object.Metadata[metaPayment]
		if id, ok := object.Intent.(string); ok && n.Reference == "" {
			n.Reference = id
		}
	}
	return n, nil
}

// secretForm matches the secret in a client secret, such as pi_1_secret_2, wherever it stands: also in an address of a bank's page.
var secretForm = regexp.MustCompile(`_secret_[A-Za-z0-9]+`)

// Redact removes client secrets. With one, a browser can confirm the payment of another shopper.
func (p *Provider) Redact(body []byte) []byte {
	return secretForm.ReplaceAll(body, []byte("_secret_redacted"))
}
