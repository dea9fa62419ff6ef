package stripetest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

type intent struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"`
	Amount             int64             `json:"amount"`
	Capturable         int64             `json:"amount_capturable"`
	Received           int64             `json:"amount_received"`
	CancellationReason *string           `json:"cancellation_reason"`
	CaptureMethod      string            `json:"capture_method"`
	ClientSecret       string            `json:"client_secret"`
	ConfirmationMethod string            `json:"confirmation_method"`
	Created            int64             `json:"created"`
	Currency           string            `json:"currency"`
	LastError          failure           `json:"last_payment_error"`
	Livemode           bool              `json:"livemode"`
	Metadata           map[string]string `json:"metadata"`
	NextAction         map[string]any    `json:"next_action"`
	PaymentMethod      string            `json:"payment_method,omitempty"`
	ReceiptEmail       string            `json:"receipt_email,omitempty"`
	MethodTypes        []string          `json:"payment_method_types"`
	Status             string            `json:"status"`
}

func (s *Server) intent(id string) *intent {
	i := slices.IndexFunc(s.intents, func(i *intent) bool { return i.ID == id })
	if i < 0 {
		return nil
	}
	return s.intents[i]
}

func (s *Server) post(path string, form url.Values) answer {
	switch path {
	case "/v1/payment_intents":
		return s.create(form)
	case "/v1/refunds":
		return s.refund(form)
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, "/v1/payment_intents/"), "/")
	i := s.intent(id)
	if i == nil {
		return missing("intent", id)
	}
	switch verb {
	case "":
		return i.update(form)
	case "confirm":
		return i.confirm(form)
	case "capture":
		return i.capture(form)
	case "cancel":
		return i.cancel(form)
	}
	return missing("", path)
}

func (s *Server) create(form url.Values) answer {
	amount, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	switch {
	case err != nil || amount < 1 || form.Get("capture_method") != "manual" || form.Has("confirm"):
		return refused(failure{"message": "Only manual capture, unconfirmed"})
	case amount < 30:
		return refused(failure{"code": "amount_too_small", "param": "amount"})
	}
	id := s.id("pi")
	i := &intent{
		ID: id, Object: "payment_intent", Amount: amount, CaptureMethod: "manual", ClientSecret: id + "_secret_" + "s3cr3t",
		ConfirmationMethod: "automatic", Created: s.Now().Unix(), Currency: form.Get("currency"), Metadata: metadataOf(form),
		MethodTypes: []string{"card"}, Status: "requires_payment_method",
	}
	s.intents = append(s.intents, i)
	return ok(i)
}

func metadataOf(form url.Values) map[string]string {
	m := map[string]string{}
	for name := range form {
		if key, found := strings.CutPrefix(name, "metadata["); found {
			m[strings.TrimSuffix(key, "]")] = form.Get(name)
		}
	}
	return m
}

func (i *intent) update(form url.Values) answer {
	if i.Status == "canceled" {
		return i.unexpected("update")
	}
	for key, value := range metadataOf(form) {
		i.Metadata[key] = value
	}
	i.ReceiptEmail = form.Get("receipt_email")
	return ok(i)
}

func (i *intent) confirm(form url.Values) answer {
	if i.Status != "requires_payment_method" {
		return i.unexpected("confirm")
	}
	switch method := form.Get("payment_method"); method {
	case Good, CaptureFails, Flaky, RateLimited, Lost, Silent, RefundsPending, RefundRefused:
		i.PaymentMethod, i.Status, i.Capturable, i.LastError = method, "requires_capture", i.Amount, nil
	case Secured:
		i.PaymentMethod, i.Status, i.LastError = method, "requires_action", nil
		i.NextAction = map[string]any{"type": "use_stripe_sdk", "use_stripe_sdk": map[string]any{"type": "three_d_secure_redirect"}}
		if to := form.Get("return_url"); to != "" {
			i.NextAction = map[string]any{"type": "redirect_to_url", "redirect_to_url": map[string]any{"url": to, "return_url": to}}
		}
	case Declined:
		return i.decline("card_declined", "generic_decline")
	case InsufficientFunds:
		return i.decline("card_declined", "insufficient_funds")
	default:
		return missing("payment_method", method)
	}
	return ok(i)
}

// decline answers with the card's details, as Stripe does, so that a test finds them in a log.
func (i *intent) decline(code, reason string) answer {
	i.LastError = failure{
		"type": "card_error", "code": code, "decline_code": reason, "message": "Your card was declined.",
		"payment_method": map[string]any{"id": "pm_1", "object": "payment_method", "card": map[string]any{"last4": "4242"}},
	}
	with := failure{"payment_intent": *i}
	for k, v := range i.LastError {
		with[k] = v
	}
	return failed(http.StatusPaymentRequired, with)
}

func (i *intent) capture(form url.Values) answer {
	amount, err := strconv.ParseInt(form.Get("amount_to_capture"), 10, 64)
	switch {
	case i.Status != "requires_capture":
		return i.unexpected("capture")
	case i.PaymentMethod == CaptureFails:
		return refused(failure{"code": "charge_expired_for_capture"})
	case err != nil || amount < 1 || amount > i.Amount:
		return refused(failure{"code": "amount_too_large", "param": "amount_to_capture"})
	}
	i.Status, i.Capturable, i.Received = "succeeded", 0, amount
	return ok(i)
}

func (i *intent) cancel(form url.Values) answer {
	if i.Status == "canceled" || i.Status == "succeeded" {
		return i.unexpected("cancel")
	}
	reason := form.Get("cancellation_reason")
	i.Status, i.Capturable, i.NextAction, i.CancellationReason = "canceled", 0, nil, &reason
	return ok(i)
}

func (i *intent) unexpected(verb string) answer {
	return refused(failure{
		"code": "payment_intent_unexpected_state", "payment_intent": *i,
		"message": "You cannot " + verb + " this PaymentIntent because it has a status of " + i.Status + ".",
	})
}
