package api

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
)

// damageToWhatWasGivenBack breaks each promise that is made about refunds and cancellations.
func (s *mixedShop) damageToWhatWasGivenBack() []damage {
	refunded, given, refund := s.refunded.ID.String(), s.given.ID.String(), s.refund.String()
	paid, back := *s.refunded.PaymentID, *s.given.PaymentID
	bank := func(sql string, payment uuid.UUID) func(t *testing.T) {
		return func(t *testing.T) { s.exec(t, sql, payment) }
	}
	return []damage{
		{"RefundTheyNeverMade", bank(`delete from simulator.ledger where operation = 'refund' and reference = '%s'`, paid),
			[]string{"refunds_differ:" + refunded}, false},
		{"CancelledAndNotGivenBack", bank(`delete from simulator.ledger where operation = 'refund' and reference = '%s'`, back),
			[]string{"captured_without_order:" + given}, false},
		{"CancelledAndGivenBackTwice", bank(`insert into simulator.ledger (reference, operation, amount, currency, at)
			select reference, operation, amount, currency, at from simulator.ledger where operation = 'refund' and reference = '%s'`, back),
			[]string{"refunds_differ:" + given, "refunded_too_much:" + given}, false},
		{"OrderNotToldOfItsRefund", func(t *testing.T) { s.forgets(t, "orders", s.refunded.OrderID, "confirmed") },
			[]string{"order_refunds_differ:" + refunded}, true},
		{"OrderToldOfAnotherRefund", func(t *testing.T) {
			s.forges(t, "orders", s.refunded.OrderID, "order.refunded", fmt.Sprintf(`{"refund_id":"%s","amount":1}`, uuid.New()), "confirmed")
		}, []string{"order_refunds_differ:" + refunded}, false},
		{"OrderToldOfAnotherAmount", func(t *testing.T) {
			s.exec(t, `update orders.events set data = jsonb_set(data::jsonb, '{amount}', '199') where stream = '%[1]s' and type = 'order.refunded';
				update orders.streams set fold = 0 where id = '%[1]s'`, s.refunded.OrderID)
		}, []string{"order_refunds_differ:" + refunded}, false},
		{"RefundNeverBegun", func(t *testing.T) {
			s.forgets(t, "orders", s.refunded.OrderID, "confirmed")
			s.forgets(t, "payment", paid, "captured")
			s.loses(t, "saga", s.refund)
		}, []string{"refund_forgotten:" + refunded}, true},
		{"RefundEndedTooEarly", func(t *testing.T) { s.forgets(t, "payment", paid, "captured") },
			[]string{"refund_forgotten:" + refunded}, true},
		{"RefundEndedOtherwise", func(t *testing.T) {
			s.forges(t, "saga", s.refund, "saga.ended", `{"status":"failed"}`, "failed")
		}, []string{"ends_differ:" + refund}, false},
		{"RefundOverdue", func(t *testing.T) {
			s.forgets(t, "saga", s.refund, "running")
			s.exec(t, `update saga.events set data = jsonb_set(data::jsonb, '{at}', '"2020-01-01T00:00:00Z"') where stream = '%s'`, s.refund)
		}, []string{"saga_overdue:" + refund}, true},
		{"RefundNeedsAttention", func(t *testing.T) {
			s.forges(t, "saga", s.refund, "saga.attention_needed", `{"step":"payment.refund","reason":"x"}`, "needs_attention")
		}, []string{"saga_needs_attention:" + refund}, false},
		{"CancellationNeverBegun", func(t *testing.T) {
			s.forgets(t, "orders", s.given.OrderID, "cancelling")
			s.loses(t, "saga", s.cancellation)
		}, []string{"cancellation_forgotten:" + given}, true},
		{"CancellationEndedTooEarly", func(t *testing.T) { s.forgets(t, "orders", s.given.OrderID, "cancelling") },
			[]string{"cancellation_forgotten:" + given}, true},
		{"CancellationOfAnOrderThatIsSold", func(t *testing.T) {
			s.forgets(t, "orders", s.given.OrderID, "cancelling")
			s.forgets(t, "orders", s.given.OrderID, "confirmed")
		}, []string{"ends_differ:" + s.cancellation.String(), "order_refunds_differ:" + given}, false},
	}
}
