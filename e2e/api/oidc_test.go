package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// customersOf trusts a provider for customers, and operatorsOf for operators.
func customersOf(p *provider) harness.Setting {
	return func(_ testing.TB, c *config.Config) {
		c.AuthIssuers = []string{p.URL + ";name=login;audience=" + storefront}
	}
}

func operatorsOf(p *provider) harness.Setting {
	return func(_ testing.TB, c *config.Config) {
		c.AdminIssuers = []string{p.URL + ";name=staff;claim=permissions"}
	}
}

// TestCustomersOfAnIssuer: people sign in at a real OpenID Connect provider and buy with its tokens, while it changes its keys and is
// away.
func TestCustomersOfAnIssuer(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	s := harness.Open(t, harness.OneDatabase, customersOf(p))
	sku := s.AddProduct(t, 500)
	ada := harness.Shopper{Site: s, Token: p.signIn(t, "test-user2")}
	mine := ada.Fill(t, sku)
	require.Equal(t, "login|id2", mine.CustomerID)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, mine, "sim_ok", harness.Waiting), http.StatusCreated)
	require.Equal(t, saga.Completed, done.Status)

	guest := s.Shopper(t)
	into := "/v1/carts/" + ada.Fill(t, sku).ID.String() + "/merge"
	theirs := map[string]any{"source_cart_id": guest.Fill(t, sku).ID, "source_token": guest.Token}
	harness.As[harness.CartView](t, s.Send(t, "POST", into, ada.Token, theirs), http.StatusOK)
	eve := harness.Shopper{Site: s, Token: p.signIn(t, "test-user@127.0.0.1")}
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/carts/"+mine.ID.String(), eve.Token, nil), http.StatusNotFound, "not_found")
	stolen := map[string]any{"source_cart_id": mine.ID, "source_token": ada.Token}
	harness.RequireProblem(t, s.Send(t, "POST", "/v1/carts/"+eve.Fill(t, sku).ID.String()+"/merge", eve.Token, stolen), http.StatusForbidden, "not_a_guest")

	p.grant(time.Hour, web.ScopeAdmin) // it may say what it likes
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/admin/orders", ada.Token, nil), http.StatusForbidden, "forbidden")
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/carts", p.toolToken(t), nil), http.StatusUnauthorized, "unauthorized") // the audience is not the storefront

	before := ada.Token
	p.rotate(t, jose.ES256, true)
	ada.Token = p.signIn(t, "test-user2")
	ada.Cart(t, mine.ID)
	require.Equal(t, http.StatusOK, s.Send(t, "GET", "/v1/carts", before, nil).StatusCode, "the former key is still published")

	p.stop()
	ada.Cart(t, mine.ID)
	require.Equal(t, http.StatusOK, s.Send(t, "GET", "/v1/carts", before, nil).StatusCode, "its keys are known")
	s.Stop(t)
	s.Start(t)
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/carts", ada.Token, nil), http.StatusServiceUnavailable, "issuer_unavailable")
	require.Equal(t, http.StatusCreated, s.Send(t, "POST", "/v1/sessions", "", nil).StatusCode, "guests do without it")
	p.start(t)
	harness.Until(t, "the keys are fetched", func() bool { return s.Send(t, "GET", "/v1/carts", ada.Token, nil).StatusCode == http.StatusOK })
}

// TestOperatorsOfAnIssuer: a tool of operators gets its tokens, with scopes, from a real OpenID Connect provider.
func TestOperatorsOfAnIssuer(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.rotate(t, jose.EdDSA, false)
	s := harness.Open(t, harness.OneDatabase, operatorsOf(p))
	p.grant(time.Hour, web.ScopeStockWrite, "offline_access")
	token, path := p.toolToken(t), "/v1/stock/"+harness.Escape(s.AddProduct(t, 500))
	harness.As[map[string]any](t, s.Send(t, "PUT", path, token, `{"on_hand":7}`), http.StatusOK, http.StatusCreated)
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/admin/orders", token, nil), http.StatusForbidden, "forbidden")

	revoke := s.Send(t, "POST", "/v1/admin/tokens/revoke", s.Admin, map[string]any{"token": token}, "Idempotency-Key", uuid.NewString())
	id := harness.As[struct{ ID string }](t, revoke, http.StatusOK).ID
	require.True(t, strings.HasPrefix(id, "staff|"), id)
	harness.RequireProblem(t, s.Send(t, "GET", path, token, nil), http.StatusUnauthorized, "unauthorized")
	require.Equal(t, http.StatusOK, s.Send(t, "GET", path, p.toolToken(t), nil).StatusCode, "another one of the same tool")

	p.grant(13*time.Hour, web.ScopeAdmin)
	refused := harness.RequireProblem(t, s.Send(t, "GET", path, p.toolToken(t), nil), http.StatusUnauthorized, "unauthorized")
	require.Contains(t, refused.Detail, "12 hours")
}
