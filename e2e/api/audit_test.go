package api

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/audit"
	"shopping-cart/e2e/harness"
	"shopping-cart/platform/web"
)

// TestAudit checks that the audit holds each change by an operator, each reading of personal data by one and each sign-in, and no
// request of a shopper.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	sku := s.AddProduct(t, 1000)
	ada := s.Shopper(t)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	order := done.OrderID.String()
	bob := harness.Mint(t, s.Settings, "bob", web.ScopeAdmin)
	entries := func(query string) []audit.View {
		return harness.Get[web.Page[audit.View]](t, s, "/v1/admin/audit?"+query, s.Admin).Data
	}

	added := entries("object=" + url.QueryEscape(sku))
	require.Len(t, added, 1)
	require.Equal(t, []string{"operator", "127.0.0.1", web.Changed, "PUT /v1/products/:sku"}, []string{added[0].Actor, added[0].Address, added[0].Action, added[0].Route})

	request := uuid.NewString()
	body := map[string]any{"amount": harness.GBP(250), "reason": "A scratch."}
	a := s.Send(t, http.MethodPost, "/v1/orders/"+order+"/refunds", bob, body, "Idempotency-Key", uuid.NewString(), "X-Request-Id", request, "Prefer", harness.Waiting)
	require.Equal(t, http.StatusCreated, a.StatusCode)
	harness.Get[map[string]any](t, s, "/v1/orders/"+order, bob)
	harness.Get[map[string]any](t, s, "/v1/orders/"+order, ada.Token)
	harness.Get[map[string]any](t, s, "/v1/admin/orders?email=ada@example.com", bob)
	harness.Get[map[string]any](t, s, "/v1/products/"+url.PathEscape(sku), "")

	about := entries("object=" + order)
	require.Len(t, about, 2, "the owner's reading is not recorded")
	require.Equal(t, []string{web.ReadData, "GET /v1/orders/:id"}, []string{about[0].Action, about[0].Route})
	require.Equal(t, []string{web.Changed, "A scratch.", request}, []string{about[1].Action, about[1].Reason, about[1].RequestID})
	require.Len(t, entries("actor=bob&action=read"), 2)
	require.Empty(t, entries("actor="+ada.ID.String()))

	require.Equal(t, http.StatusNoContent, s.Send(t, http.MethodDelete, "/v1/customers/"+ada.ID.String()+"/contacts", s.Admin, nil).StatusCode)
	require.Empty(t, entries("object=" + order)[1].Reason, "it may name the customer")

	refused := s.Send(t, http.MethodPost, "/v1/orders/"+order+"/fulfil", ada.Token, nil, "Idempotency-Key", uuid.NewString())
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
	require.Len(t, entries("object="+order), 2, "no operator's request")

	require.Equal(t, http.StatusNoContent, s.Send(t, http.MethodPost, "/v1/admin/sign-ins", bob, nil).StatusCode)
	require.Len(t, entries("action=signed_in&actor=bob"), 1)
}

// TestAuditAway checks that an operator can change nothing while it cannot be recorded, and that shoppers do not notice.
func TestAuditAway(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	sku := s.AddProduct(t, 1000)
	s.Exec(t, "audit", "alter table audit.streams rename to away")
	a := s.Send(t, http.MethodPut, "/v1/products/"+url.PathEscape(sku), s.Admin, map[string]any{"name": "Mug", "price": harness.GBP(1)})
	require.GreaterOrEqual(t, a.StatusCode, http.StatusInternalServerError)
	ada := s.Shopper(t)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	require.EqualValues(t, 1000, done.Total.Amount)
	s.Exec(t, "audit", "alter table audit.away rename to streams")
}
