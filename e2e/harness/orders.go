//go:build !windows

package harness

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"shopping-cart/saga"
)

// CancelOrder asks for the cancellation of an order, under a new key unless the headers name one.
func (s Shopper) CancelOrder(t testing.TB, id uuid.UUID, headers ...string) Answer {
	t.Helper()
	return s.Send(t, http.MethodPost, "/v1/orders/"+id.String()+"/cancel", s.Token, map[string]any{"reason": "Ordered twice."},
		append([]string{"Idempotency-Key", uuid.NewString()}, headers...)...)
}

func (s *Site) Fulfil(t testing.TB, id uuid.UUID) Answer {
	t.Helper()
	return s.Send(t, http.MethodPost, "/v1/orders/"+id.String()+"/fulfil", s.Admin, nil, "Idempotency-Key", uuid.NewString())
}

type RefundView = saga.RefundView

// Refund asks for a refund in pence, 0 for the remainder, under a new key unless the headers name one.
func (s *Site) Refund(t testing.TB, order uuid.UUID, pence int64, headers ...string) Answer {
	t.Helper()
	body := map[string]any{"reason": "Broken."}
	if pence != 0 {
		body["amount"] = GBP(pence)
	}
	return s.Send(t, http.MethodPost, "/v1/orders/"+order.String()+"/refunds", s.Admin, body,
		append([]string{"Idempotency-Key", uuid.NewString()}, headers...)...)
}

func (s *Site) Order(t testing.TB, id uuid.UUID) OrderView {
	t.Helper()
	return Get[OrderView](t, s, "/v1/orders/"+id.String(), s.Admin)
}

func (s *Site) Payment(t testing.TB, id uuid.UUID) PaymentView {
	t.Helper()
	return Get[PaymentView](t, s, "/v1/payments/"+id.String(), s.Admin)
}

func (s *Site) AdjustStock(t testing.TB, sku string, delta int64) Answer {
	t.Helper()
	return s.Send(t, http.MethodPost, "/v1/stock/"+Escape(sku)+"/adjustments", s.Admin,
		map[string]any{"delta": delta, "reason": "Broken in the store room."}, "Idempotency-Key", uuid.NewString())
}
