package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/payment"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// operatorTour requests operations that the tour of the documents leaves out.
type operatorTour struct {
	*testing.T
	*harness.Site
	ada harness.Shopper
}

func (s operatorTour) request(method, path, token string, body any, headers ...string) harness.Answer {
	s.Helper()
	a := s.Send(s, method, path, token, body, headers...)
	require.Less(s, a.StatusCode, http.StatusMultipleChoices, "%s %s: %s", method, path, a.Text)
	return a
}

// TestOperatorTour requests every operation that the tour of the documents leaves out. The responses are checked against the API document.
func TestOperatorTour(t *testing.T) {
	t.Parallel()
	s := harness.OpenUnchecked(t, harness.DatabaseEach, func(_ testing.TB, c *config.Config) { // at the end an operator states a wrong outcome of a payment
		c.PaymentTimeout, c.StepDeadline = 500*time.Millisecond, 3*time.Second
	})
	tour := operatorTour{t, s, s.Shopper(t)}
	sku := s.AddProduct(t, 500)
	s.SetStock(t, sku, 100)
	tour.carts(sku)
	tour.orders(sku)
	tour.webhooks(sku)
	tour.operators()
	tour.sagas(sku)
}

func (s operatorTour) carts(sku string) {
	s.Helper()
	token := s.ada.Token
	s.request("GET", "/v1/products?q="+url.QueryEscape(sku), "", nil)
	s.request("GET", "/v1/products/"+harness.Escape(sku), "", nil)
	s.request("PUT", "/v1/products/"+harness.Escape(sku), s.Admin, `{"name":"Mug, blue","price":{"amount":500,"currency":"GBP"}}`)
	s.request("GET", "/v1/stock/"+harness.Escape(sku), s.Admin, nil)
	path := "/v1/carts/" + s.ada.Fill(s.T, sku).ID.String()
	s.request("PATCH", path+"/items/"+harness.Escape(sku), token, `{"quantity":2}`)
	s.request("PUT", path+"/adjustments", s.Admin, `{"adjustments":[{"code":"shipping","label":"Shipping","amount":{"amount":399,"currency":"GBP"}}]}`)
	s.request("POST", path+"/reprice", token, nil)
	guest := s.Shopper(s.T)
	s.request("POST", path+"/merge", token, map[string]any{"source_cart_id": guest.Fill(s.T, sku).ID, "source_token": guest.Token})
	s.request("GET", path+"/events", token, nil)
	s.request("GET", "/v1/carts", token, nil)
	s.request("DELETE", path+"/items/"+harness.Escape(sku), token, nil)
	s.request("PUT", path+"/adjustments", s.Admin, `{"adjustments":[]}`)
	s.request("DELETE", path+"/items", token, nil)
	s.request("DELETE", path, token, nil)
}

func (s operatorTour) orders(sku string) {
	s.Helper()
	done := harness.As[harness.CheckoutView](s, s.ada.CheckOut(s.T, s.ada.Fill(s.T, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	order, key := "/v1/orders/"+done.OrderID.String(), []string{"Idempotency-Key", uuid.NewString()}
	s.request("GET", "/v1/checkouts/"+done.ID.String(), s.ada.Token, nil)
	s.request("GET", "/v1/payments/"+done.PaymentID.String(), s.ada.Token, nil)
	s.request("GET", "/v1/orders", s.ada.Token, nil)
	s.request("GET", "/v1/admin/orders?email=ada@example.com", s.Admin, nil)
	s.request("GET", "/simulator/ledger?reference="+done.PaymentID.String(), s.Admin, nil)
	s.request("GET", "/v1/admin/streams/order/"+done.OrderID.String(), s.Admin, nil)
	s.request("GET", "/v1/admin/events?module=order&stream="+done.OrderID.String(), s.Admin, nil)
	s.request("POST", order+"/fulfil", s.Admin, nil, key...)
	flaky := harness.As[harness.CheckoutView](s, s.ada.CheckOut(s.T, s.ada.Fill(s.T, sku), "sim_refund_flaky", harness.Waiting), http.StatusCreated)
	s.request("POST", "/v1/orders/"+flaky.OrderID.String()+"/refunds", s.Admin, `{"reason":"It came broken."}`, "Idempotency-Key", uuid.NewString(), "Prefer", harness.NoWait)
	s.request("DELETE", "/v1/customers/"+s.ada.ID.String()+"/contacts", s.Admin, nil)
}

func (s operatorTour) webhooks(sku string) {
	s.Helper()
	denied := s.ada.CheckOutAtBank(s.T, s.ada.Fill(s.T, sku), "sim_requires_action")
	s.request("POST", "/simulator/payments/"+denied.PaymentID.String()+"/deny", "", nil)
	s.ada.AwaitStatus(s.T, denied.ID, saga.Failed)
	for _, prefer := range []string{harness.NoWait, harness.Waiting} {
		cancelled := s.ada.CheckOutAtBank(s.T, s.ada.Fill(s.T, sku), "sim_requires_action")
		s.request("POST", "/v1/checkouts/"+cancelled.ID.String()+"/cancel", s.ada.Token, nil, "Idempotency-Key", uuid.NewString(), "Prefer", prefer)
	}
	var came []payment.WebhookView
	harness.Until(s, "its webhook came", func() bool {
		came = s.WebhooksOf(s.T, *denied.PaymentID)
		return len(came) > 0 && came[0].Status == "handled"
	})
	s.request("GET", "/v1/admin/webhooks/"+came[0].ID, s.Admin, nil)
	s.request("POST", "/v1/admin/webhooks/"+came[0].ID+"/replay", s.Admin, nil)
}

func (s operatorTour) operators() {
	s.Helper()
	harness.Until(s, "the sales of the day are projected", func() bool {
		return len(harness.Get[harness.List[json.RawMessage]](s, s.Site, "/v1/admin/sales", s.Admin).Data) > 0
	})
	for _, path := range []string{"/v1/admin/overview", "/v1/admin/subscriptions", "/v1/admin/sagas", "/healthz", "/readyz"} {
		s.request("GET", path, s.Admin, nil)
	}
	s.request("POST", "/v1/admin/reconciliation", s.Admin, nil)
	s.request("POST", "/v1/admin/projections/daily_sales/rebuild", s.Admin, nil)
	s.request("POST", "/v1/admin/tokens/revoke", s.Admin, `{"token":"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"}`)
}

// sagas silences the provider, and operators act: one compensates a checkout, one resolves a payment with the wrong outcome.
func (s operatorTour) sagas(sku string) {
	s.Helper()
	compensated := s.LeaveInDoubt(s.T, sku, "authorize")
	s.request("GET", "/v1/admin/sagas/"+compensated.ID.String(), s.Admin, nil)
	s.request("POST", "/v1/admin/sagas/"+compensated.ID.String()+"/compensate", s.Admin, `{"reason":"The goods are broken."}`)
	compensated.RestoreProvider(s.T, "back")
	compensated.AwaitEnd(s.T, saga.Cancelled, "authorize", "void")

	settled := s.LeaveInDoubtWith(s.T, sku, "authorize", "sim_capture_fails")
	settled.Resolve(s.T, "captured")
	settled.RequireOrder(s.T)
	settled.RestoreProvider(s.T, "back")
	harness.Until(s, "the provider says that nothing was captured", func() bool { return settled.Saga(s.T).Status == saga.NeedsAttention })
	s.request("POST", "/v1/admin/sagas/"+settled.ID.String()+"/retry", s.Admin, `{"reason":"The provider is back."}`)
	harness.Until(s, "it says so again", func() bool {
		seen := settled.Saga(s.T)
		return seen.Status == saga.NeedsAttention && len(seen.Actions) == 2
	})
	s.request("POST", "/v1/admin/sagas/"+settled.ID.String()+"/skip", s.Admin, `{"reason":"Paid by transfer."}`)
	settled.Ada.AwaitStatus(s.T, settled.ID, saga.Completed)
	harness.Until(s, "the saga has ended", func() bool { return settled.Saga(s.T).Status == saga.Completed })
}
