package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// TestRotationLosesNoGuest: the key of customers is replaced, and a guest goes on with the cart and buys.
func TestRotationLosesNoGuest(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	sku := s.AddProduct(t, 500)
	guest := s.Shopper(t)
	mine := guest.Fill(t, sku)
	former := s.Settings.AuthSecret

	s.Stop(t)
	s.Settings.AuthSecret, s.Settings.AuthSecretOld = strings.Repeat("n", 32), []string{former}
	s.Start(t)
	mine = harness.As[harness.CartView](t, guest.Add(t, mine, sku, 1), http.StatusOK)
	done := harness.As[harness.CheckoutView](t, guest.CheckOut(t, mine, "sim_ok", harness.Waiting), http.StatusCreated)
	require.Equal(t, saga.Completed, done.Status)
	later := s.Shopper(t)
	theirs := later.Fill(t, sku)
	merged := map[string]any{"source_cart_id": guest.Fill(t, sku).ID, "source_token": guest.Token}
	harness.As[harness.CartView](t, s.Send(t, "POST", "/v1/carts/"+theirs.ID.String()+"/merge", later.Token, merged), http.StatusOK)

	s.Stop(t)
	s.Settings.AuthSecretOld = nil
	s.Start(t)
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/carts", guest.Token, nil), http.StatusUnauthorized, "unauthorized")
	later.Cart(t, theirs.ID)
}

// TestOnlyGuestsAreMerged: who holds a customer's token does not take the customer's cart with it.
func TestOnlyGuestsAreMerged(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	sku, thief := s.AddProduct(t, 500), s.Shopper(t)
	into := "/v1/carts/" + thief.Fill(t, sku).ID.String() + "/merge"
	for _, token := range []string{harness.Mint(t, s.Settings, "ada"), harness.Mint(t, s.Settings, "ada", web.ScopeAdmin)} {
		victim := harness.Shopper{Site: s, Token: token}
		body := map[string]any{"source_cart_id": victim.Fill(t, sku).ID, "source_token": token}
		harness.RequireProblem(t, s.Send(t, "POST", into, thief.Token, body), http.StatusForbidden, "not_a_guest")
	}
}

// TestKeyOfCustomersMakesNoOperators: a storefront mints customers with AUTH_SECRET, and nothing else.
func TestKeyOfCustomersMakesNoOperators(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	forging := s.Settings
	forging.AdminSecret = s.Settings.AuthSecret
	for _, scope := range append(web.Scopes(), web.ScopeRefundsWrite+":1") {
		a := s.Send(t, "GET", "/v1/carts", harness.Mint(t, forging, "ada", scope), nil)
		p := harness.RequireProblem(t, a, http.StatusUnauthorized, "unauthorized")
		require.Contains(t, p.Detail, "has a scope of operators", scope)
	}
}

// TestRevocation: a revoked token ends at once where it was revoked, and on other replicas shortly after.
func TestRevocation(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	replica := harness.OpenUnchecked(t, func(_ testing.TB, c *config.Config) { c.DatabaseURL = s.Settings.DatabaseURL })
	environ := []string{"ADMIN_SECRET=" + s.Settings.AdminSecret, "AUTH_SECRET=" + s.Settings.AuthSecret, "AUTH_AUDIENCE=" + s.Settings.AuthAudience}
	minted := func() (token, id string) {
		said, complained, status := command(t, environ, "token", "--admin", "--json")
		require.Zero(t, status, complained)
		var found struct{ Token, ID string }
		require.NoError(t, json.Unmarshal([]byte(said), &found))
		return found.Token, found.ID
	}
	lists := func(s *harness.Site, token string) int {
		return s.Send(t, "GET", "/v1/admin/sagas", token, nil).StatusCode
	}
	for _, byID := range []bool{false, true} {
		token, id := minted()
		require.Equal(t, http.StatusOK, lists(s, token))
		require.Equal(t, http.StatusOK, lists(replica, token))
		named := token
		if byID {
			named = id
		}
		said, complained, status := command(t, environ, "token", "revoke", named, "--base-url", s.Base)
		require.Zero(t, status, complained)
		require.Equal(t, "revoked "+id+"\n", said)
		p := harness.RequireProblem(t, s.Send(t, "GET", "/v1/admin/sagas", token, nil), http.StatusUnauthorized, "unauthorized")
		require.Equal(t, "The access token was revoked.", p.Detail)
		harness.Until(t, "the replica refuses the token", func() bool { return lists(replica, token) == http.StatusUnauthorized })
	}
	require.Equal(t, http.StatusOK, lists(replica, s.Admin), "others stay valid")

	revokes := func(by, token string) harness.Answer {
		return s.Send(t, "POST", "/v1/admin/tokens/revoke", by, map[string]any{"token": token}, "Idempotency-Key", uuid.NewString())
	}
	harness.RequireProblem(t, revokes(s.Admin, s.Shopper(t).Token), http.StatusUnprocessableEntity, "not_revocable")
	harness.RequireProblem(t, revokes(s.Admin, s.Admin+"x"), http.StatusUnprocessableEntity, "token_invalid")
	expired := harness.MintFor(t, s.Settings, -time.Minute, "ada", web.ScopeAdmin)
	harness.RequireProblem(t, revokes(s.Admin, expired), http.StatusUnprocessableEntity, "token_invalid")

	s.Stop(t)
	s.Start(t)
	token, _ := minted()
	require.Equal(t, http.StatusOK, lists(s, token))
	harness.As[map[string]any](t, revokes(token, token), http.StatusOK)
	require.Equal(t, http.StatusUnauthorized, lists(s, token), "also the token that asks for it")
}
