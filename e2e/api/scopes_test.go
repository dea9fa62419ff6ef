package api

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/app"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
)

// documentedAccess returns who may call each route according to the API document, named with {} for each parameter.
func documentedAccess(t *testing.T) map[string]web.Access {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string
			Required []string `json:"x-required-scopes"`
			Owned    []string `json:"x-operator-scopes"`
		}
	}
	require.NoError(t, json.Unmarshal(docs.OpenAPI, &document))
	all := map[string]web.Access{}
	for path, methods := range document.Paths {
		for method, o := range methods {
			a := web.Access{Public: len(o.Security) == 0, Customers: len(o.Security) > 0 && len(o.Required) == 0, Scopes: append(o.Required, o.Owned...)}
			if a.Customers && len(a.Scopes) == 0 {
				a.Scopes = []string{web.ScopeAdmin}
			}
			all[parameter.ReplaceAllString(strings.ToUpper(method)+" "+path, "{}")] = a
		}
	}
	all["GET /metrics"] = web.Access{Scopes: []string{web.ScopeMetricsRead}} // with METRICS_PUBLIC=false
	return all
}

// TestScopes goes through all scopes and all routes: exactly the documented scopes pass.
func TestScopes(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) { c.MetricsPublic = false })
	documented := documentedAccess(t)
	t.Run("OfTheServerAreDocumented", func(t *testing.T) {
		p, err := app.New(t.Context(), s.Settings, s.URLs, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		defer p.Close()
		for route, access := range p.Web.Access() {
			if known, ok := documented[parameter.ReplaceAllString(route, "{}")]; ok {
				require.Equal(t, known, access, route)
			} else {
				require.True(t, access.Public, "%s: only pages and assets are not documented", route)
			}
		}
	})
	ada := s.Shopper(t)
	things := harness.CreateOwned(t, s, ada, s.Shopper(t))
	for _, scope := range append(web.Scopes(), web.ScopeRefundsWrite+":100", "openid") {
		t.Run(scope, func(t *testing.T) {
			token := harness.Mint(t, s.Settings, "an operator", scope)
			for _, r := range routes {
				access, ok := documented[parameter.ReplaceAllString(r.method+" "+r.path, "{}")]
				if ok && !access.Public {
					require.Equal(t, grants(scope, access, r), passes(t, s, access, r, things, token), "%s %s", r.method, r.path)
				}
			}
		})
	}
	t.Run("NoToken", func(t *testing.T) {
		harness.RequireProblem(t, s.Send(t, "GET", "/metrics", "", nil), http.StatusUnauthorized, "unauthorized")
	})
}

// owned matches the path of a resource that belongs to a customer.
var owned = regexp.MustCompile(`^/v1/(carts|checkouts|customers|orders|payments)/`)

// grants reports whether the document lets an operator with a scope call a route, for the resource of another customer.
func grants(scope string, a web.Access, r route) bool {
	if scope == "pricing" {
		scope = web.ScopeCartsPrice
	}
	scope = strings.TrimSuffix(scope, ":100")
	return scope == web.ScopeAdmin || slices.Contains(a.Scopes, scope) || a.Customers && !owned.MatchString(r.path)
}

// passes reports whether a route accepts the token of an operator. Then the request fails for another reason, since it has no body
// and names an old version.
func passes(t *testing.T, s *harness.Site, access web.Access, r route, things map[string]string, token string) bool {
	t.Helper()
	path, headers := r.path, []string{"If-Match", `"99"`}
	for name, thing := range things {
		path = strings.ReplaceAll(path, name, harness.Escape(thing))
	}
	if r.method == http.MethodGet {
		headers = nil
	}
	a := s.Send(t, r.method, path, token, nil, headers...)
	if access.Customers {
		return a.StatusCode != http.StatusNotFound
	}
	return a.StatusCode != http.StatusForbidden
}
