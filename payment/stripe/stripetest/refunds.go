package stripetest

import (
	"net/url"
	"slices"
	"strconv"
)

type refund struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Amount   int64             `json:"amount"`
	Created  int64             `json:"created"`
	Currency string            `json:"currency"`
	Metadata map[string]string `json:"metadata"`
	Intent   string            `json:"payment_intent"`
	Failure  string            `json:"failure_reason,omitempty"`
	Status   string            `json:"status"`
}

func (s *Server) refund(form url.Values) answer {
	i := s.intent(form.Get("payment_intent"))
	if i == nil {
		return missing("payment_intent", form.Get("payment_intent"))
	}
	left := s.refundable(i)
	amount, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	switch {
	case i.Status != "succeeded":
		return i.unexpected("refund")
	case s.disputed(i):
		return refused(failure{"code": "charge_disputed"})
	case left > 0 && i.PaymentMethod == RefundRefused:
		return refused(failure{"code": "insufficient_capabilities_for_transfer"})
	case left == 0:
		return refused(failure{"code": "charge_already_refunded"})
	case err != nil || amount < 1 || amount > left:
		return refused(failure{"param": "amount", "message": "Refund amount is greater than unrefunded amount on charge"})
	}
	r := &refund{
		ID: s.id("re"), Object: "refund", Amount: amount, Created: s.Now().Unix(), Currency: i.Currency,
		Metadata: metadataOf(form), Intent: i.ID, Status: "succeeded",
	}
	if i.PaymentMethod == RefundsPending {
		r.Status = "pending"
	}
	s.refunds = append(s.refunds, r)
	return ok(r)
}

// FinishRefunds ends the pending refunds: they succeed, or fail for a reason.
func (s *Server) FinishRefunds(failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refunds {
		if r.Status != "pending" {
			continue
		}
		r.Status, r.Failure = "succeeded", failure
		if failure != "" {
			r.Status = "failed"
		}
	}
}

// dispute is a demand of a shopper's bank to return money.
type dispute struct {
	ID       string `json:"id"`
	Object   string `json:"object"`
	Amount   int64  `json:"amount"`
	Created  int64  `json:"created"`
	Currency string `json:"currency"`
	Intent   string `json:"payment_intent"`
	Status   string `json:"status"`
}

// refundable returns the received amount that was not returned.
func (s *Server) refundable(i *intent) int64 {
	left := i.Received
	for _, r := range s.refunds {
		if r.Intent == i.ID && r.Status != "failed" {
			left -= r.Amount
		}
	}
	for _, d := range s.disputes {
		if d.Intent == i.ID && d.Status == "lost" {
			left -= d.Amount
		}
	}
	return left
}

// disputed reports whether a dispute of an intent is open.
func (s *Server) disputed(i *intent) bool {
	return slices.ContainsFunc(s.disputes, func(d *dispute) bool { return d.Intent == i.ID && d.Status == "needs_response" })
}

// RefundElsewhere refunds a payment in the dashboard.
func (s *Server) RefundElsewhere(reference string, amount int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(reference)
	s.refunds = append(s.refunds, &refund{
		ID: s.id("re"), Object: "refund", Amount: amount, Created: s.Now().Unix(), Currency: i.Currency,
		Metadata: map[string]string{}, Intent: i.ID, Status: "succeeded",
	})
}

// Dispute opens a dispute about all that is left of a payment, or changes its status: needs_response, won or lost.
func (s *Server) Dispute(reference, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(reference)
	for _, d := range s.disputes {
		if d.Intent == i.ID {
			d.Status = status
			return
		}
	}
	s.disputes = append(s.disputes, &dispute{
		ID: s.id("dp"), Object: "dispute", Amount: s.refundable(i), Created: s.Now().Unix(), Currency: i.Currency, Intent: i.ID, Status: status,
	})
}
