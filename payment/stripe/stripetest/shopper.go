package stripetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// find finds the intent of a payment, by our reference.
func (s *Server) find(reference string) *intent {
	for _, i := range s.intents {
		if i.Metadata["payment"] == reference {
			return i
		}
	}
	return nil
}

// Approve confirms a payment, as the shopper does at the bank. It reports whether the bank was still waiting.
func (s *Server) Approve(reference string) bool { return s.act(reference, "requires_action", nil) }

// Deny rejects a payment, as the shopper does at the bank.
func (s *Server) Deny(reference string) bool {
	return s.act(reference, "requires_action", failure{
		"type": "invalid_request_error", "code": "payment_intent_authentication_failure", "message": "We are unable to authenticate",
	})
}

// TryAnotherCard confirms a declined payment with another card, as the shopper can in the browser.
func (s *Server) TryAnotherCard(reference string) bool {
	return s.act(reference, "requires_payment_method", nil)
}

func (s *Server) act(reference, while string, refused failure) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(reference)
	if i == nil || i.Status != while {
		return false
	}
	i.NextAction, i.LastError, i.Status, i.Capturable = nil, nil, "requires_capture", i.Amount
	if refused != nil {
		i.LastError, i.Status, i.Capturable = refused, "requires_payment_method", 0
	}
	return true
}

// Intents counts the intents of a payment.
func (s *Server) Intents(reference string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.intents {
		if i.Metadata["payment"] == reference {
			n++
		}
	}
	return n
}

// Status returns the status and the id of the first intent of a payment.
func (s *Server) Status(reference string) (status, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(reference); i != nil {
		return i.Status, i.ID
	}
	return "", ""
}

// Known returns what was told of a payment's order and shopper.
func (s *Server) Known(reference string) (metadata map[string]string, receiptEmail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(reference); i != nil {
		return maps.Clone(i.Metadata), i.ReceiptEmail
	}
	return nil, ""
}

// Event returns a webhook of a type about a payment, signed at a time.
func (s *Server) Event(id, kind, reference string, at time.Time) (http.Header, []byte) {
	body := encoded(map[string]any{
		"id": id, "object": "event", "api_version": "2020-08-27", "created": at.Unix(), "type": kind,
		"data": map[string]any{"object": map[string]any{
			"id": "pi_1", "object": "payment_intent", "metadata": map[string]string{"payment": reference}, "client_secret": "pi_1_secret_s3cr3t",
		}},
	})
	return http.Header{"Stripe-Signature": {Sign(WebhookSecret, at, body)}}, body
}

// Sign returns the signature of a body.
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// Account sums up a payment over all its intents, in minor units.
type Account struct {
	Intents            int
	Open               int64 // may still be captured, or authorized with the client secret
	Received, Refunded int64
	Captured           int // number of captured intents
}

// Accounts returns the accounts of all payments, by our reference.
func (s *Server) Accounts() map[string]Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, of := map[string]Account{}, map[string]string{}
	for _, i := range s.intents {
		of[i.ID] = i.Metadata["payment"]
		a := all[of[i.ID]]
		a.Intents++
		a.Received += i.Received
		switch i.Status {
		case "succeeded":
			a.Captured++
		case "canceled":
		default:
			a.Open += i.Amount
		}
		all[of[i.ID]] = a
	}
	for _, d := range s.disputes {
		if d.Status == "lost" {
			a := all[of[d.Intent]]
			a.Refunded += d.Amount
			all[of[d.Intent]] = a
		}
	}
	for _, r := range s.refunds {
		if r.Status == "failed" {
			continue
		}
		a := all[of[r.Intent]]
		a.Refunded += r.Amount
		all[of[r.Intent]] = a
	}
	return all
}
