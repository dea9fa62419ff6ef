package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// showcase is a visit to operations that the tour does not come by.
type showcase struct {
	*testing.T
	*site
	ada shopper
}

func (s showcase) shows(method, path, token string, body any, headers ...string) answer {
	s.Helper()
	a := s.send(s, method, path, token, body, headers...)
	require.Less(s, a.StatusCode, http.StatusMultipleChoices, "%s %s: %s", method, path, a.body)
	return a
}

// TestShowcase asks every operation that the tour leaves out for what it grants, and holds the answers against the API document.
func TestShowcase(t *testing.T) {
	t.Parallel()
	s := opens(t, databaseEach, func(_ testing.TB, c *config.Config) { // an operator says at the end that money came which did not
		c.PaymentTimeout, c.StepDeadline = 200*time.Millisecond, time.Second
	})
	show := showcase{t, s, s.shopper(t)}
	sku := s.sells(t, 500)
	s.stocks(t, sku, 100)
	show.carts(sku)
	show.orders(sku)
	show.webhooks(sku)
	show.operators()
	show.sagas(sku)
}

func (s showcase) carts(sku string) {
	s.Helper()
	token := s.ada.token
	s.shows("GET", "/v1/products?q="+url.QueryEscape(sku), "", nil)
	s.shows("GET", "/v1/products/"+escape(sku), "", nil)
	s.shows("PUT", "/v1/products/"+escape(sku), s.admin, `{"name":"Mug, blue","price":{"amount":500,"currency":"GBP"}}`)
	s.shows("GET", "/v1/stock/"+escape(sku), s.admin, nil)
	path := "/v1/carts/" + s.ada.fills(s.T, sku).ID.String()
	s.shows("PATCH", path+"/items/"+escape(sku), token, `{"quantity":2}`)
	s.shows("PUT", path+"/adjustments", s.admin, `{"adjustments":[{"code":"shipping","label":"Shipping","amount":{"amount":399,"currency":"GBP"}}]}`)
	s.shows("POST", path+"/reprice", token, nil)
	guest := s.shopper(s.T)
	s.shows("POST", path+"/merge", token, map[string]any{"source_cart_id": guest.fills(s.T, sku).ID, "source_token": guest.token})
	s.shows("GET", path+"/events", token, nil)
	s.shows("GET", "/v1/carts", token, nil)
	s.shows("DELETE", path+"/items/"+escape(sku), token, nil)
	s.shows("PUT", path+"/adjustments", s.admin, `{"adjustments":[]}`)
	s.shows("DELETE", path+"/items", token, nil)
	s.shows("DELETE", path, token, nil)
}

func (s showcase) orders(sku string) {
	s.Helper()
	done := as[checkoutView](s, s.ada.checksOut(s.T, s.ada.fills(s.T, sku), "sim_ok", waiting), http.StatusCreated)
	order, key := "/v1/orders/"+done.OrderID.String(), []string{"Idempotency-Key", uuid.NewString()}
	s.shows("GET", "/v1/checkouts/"+done.ID.String(), s.ada.token, nil)
	s.shows("GET", "/v1/payments/"+done.PaymentID.String(), s.ada.token, nil)
	s.shows("GET", "/v1/orders", s.ada.token, nil)
	s.shows("GET", "/v1/admin/orders?email=ada@example.com", s.admin, nil)
	s.shows("GET", "/simulator/ledger?reference="+done.PaymentID.String(), s.admin, nil)
	s.shows("GET", "/v1/admin/streams/order/"+done.OrderID.String(), s.admin, nil)
	s.shows("GET", "/v1/admin/events?module=order&stream="+done.OrderID.String(), s.admin, nil)
	s.shows("POST", order+"/fulfil", s.admin, nil, key...)
	unsure := as[checkoutView](s, s.ada.checksOut(s.T, s.ada.fills(s.T, sku), "sim_refund_flaky", waiting), http.StatusCreated)
	s.shows("POST", "/v1/orders/"+unsure.OrderID.String()+"/refunds", s.admin, `{"reason":"It came broken."}`, "Idempotency-Key", uuid.NewString(), "Prefer", noWait)
	s.shows("DELETE", "/v1/customers/"+s.ada.id.String()+"/contacts", s.admin, nil)
}

func (s showcase) webhooks(sku string) {
	s.Helper()
	denied := s.ada.asksForAction(s.T, s.ada.fills(s.T, sku), "sim_requires_action")
	s.shows("POST", "/simulator/payments/"+denied.PaymentID.String()+"/deny", "", nil)
	s.ada.reaches(s.T, denied.ID, saga.Failed)
	for _, prefer := range []string{noWait, waiting} {
		cancelled := s.ada.asksForAction(s.T, s.ada.fills(s.T, sku), "sim_requires_action")
		s.shows("POST", "/v1/checkouts/"+cancelled.ID.String()+"/cancel", s.ada.token, nil, "Idempotency-Key", uuid.NewString(), "Prefer", prefer)
	}
	var came []payment.WebhookView
	until(s, "its webhook came", func() bool {
		came = s.webhooksOf(s.T, *denied.PaymentID)
		return len(came) > 0 && came[0].Status == "handled"
	})
	s.shows("GET", "/v1/admin/webhooks/"+came[0].ID, s.admin, nil)
	s.shows("POST", "/v1/admin/webhooks/"+came[0].ID+"/replay", s.admin, nil)
}

func (s showcase) operators() {
	s.Helper()
	until(s, "the sales of the day are told", func() bool {
		return len(get[list[json.RawMessage]](s, s.site, "/v1/admin/sales", s.admin).Data) > 0
	})
	for _, path := range []string{"/v1/admin/overview", "/v1/admin/subscriptions", "/v1/admin/sagas", "/healthz", "/readyz"} {
		s.shows("GET", path, s.admin, nil)
	}
	s.shows("POST", "/v1/admin/reconciliation", s.admin, nil)
	s.shows("POST", "/v1/admin/projections/daily_sales/rebuild", s.admin, nil)
}

// sagas has the provider fall silent, and operators act: one checkout is undone, one is settled by an operator who errs.
func (s showcase) sagas(sku string) {
	s.Helper()
	undone := s.doubts(s.T, sku, "authorize")
	s.shows("GET", "/v1/admin/sagas/"+undone.ID.String(), s.admin, nil)
	s.shows("POST", "/v1/admin/sagas/"+undone.ID.String()+"/compensate", s.admin, `{"reason":"The goods are broken."}`)
	undone.provider(s.T, "back")
	undone.ends(s.T, saga.Cancelled, "authorize", "void")

	settled := s.doubtsOf(s.T, sku, "authorize", "sim_capture_fails")
	settled.settles(s.T, "captured")
	settled.isAnOrder(s.T)
	settled.provider(s.T, "back")
	until(s, "the provider says that nothing was captured", func() bool { return settled.seen(s.T).Status == saga.NeedsAttention })
	s.shows("POST", "/v1/admin/sagas/"+settled.ID.String()+"/retry", s.admin, `{"reason":"The provider is back."}`)
	until(s, "it says so again", func() bool {
		seen := settled.seen(s.T)
		return seen.Status == saga.NeedsAttention && len(seen.Actions) == 2
	})
	s.shows("POST", "/v1/admin/sagas/"+settled.ID.String()+"/skip", s.admin, `{"reason":"Paid by transfer."}`)
	settled.ada.reaches(s.T, settled.ID, saga.Completed)
	until(s, "the saga has ended", func() bool { return settled.seen(s.T).Status == saga.Completed })
}
