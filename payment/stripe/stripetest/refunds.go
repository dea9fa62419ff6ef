package stripetest

import (
	"net/url"
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
	left := i.Received
	for _, r := range s.refunds {
		if r.Intent == i.ID && r.Status != "failed" {
			left -= r.Amount
		}
	}
	amount, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	switch {
	case i.Status != "succeeded":
		return i.unexpected("refund")
	case left == 0:
		return refused(failure{"code": "charge_already_refunded"})
	case err != nil || amount < 1 || amount > left:
		return refused(failure{"param": "amount", "message": "Refund amount is greater than unrefunded amount on charge"})
	}
	r := &refund{
		ID: s.id("re"), Object: "refund", Amount: amount, Created: s.Now().Unix(), Currency: i.Currency,
		Metadata: metadataOf(form), Intent: i.ID, Status: "succeeded",
	}
	if i.Method == RefundsPending {
		r.Status = "pending"
	}
	s.refunds = append(s.refunds, r)
	return ok(r)
}

// SettleRefunds ends those that are pending: they succeed, or fail for a reason.
func (s *Server) SettleRefunds(failure string) {
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
