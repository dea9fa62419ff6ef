package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

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

// kept are the members of a webhook that are stored, at any depth: ids, types, amounts, statuses and times. Everything else may name the
// shopper or hold a secret of theirs.
var kept = map[string]bool{
	"id": true, "object": true, "type": true, "created": true, "livemode": true, "api_version": true, "data": true,
	"amount": true, "amount_capturable": true, "amount_captured": true, "amount_received": true, "amount_refunded": true, "currency": true,
	"status": true, "captured": true, "refunded": true, "paid": true, "disputed": true, "reason": true, "canceled_at": true,
	"cancellation_reason": true, "capture_method": true, "failure_code": true, "failure_reason": true, "last_payment_error": true,
	"code": true, "decline_code": true, "payment_intent": true, "charge": true, "latest_charge": true, "charges": true, "refunds": true,
	"metadata": true, metaPayment: true, metaKey: true,
}

// Redact keeps the members of an event that tell what happened to a payment.
func (p *Provider) Redact(body []byte) []byte {
	var event any
	if json.Unmarshal(body, &event) != nil {
		return nil
	}
	stored, err := json.Marshal(keep(event))
	if err != nil {
		return nil
	}
	return stored
}

func keep(value any) any {
	switch v := value.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(name string, _ any) bool { return !kept[name] })
		for name := range v {
			v[name] = keep(v[name])
		}
	case []any:
		for i := range v {
			v[i] = keep(v[i])
		}
	}
	return value
}
