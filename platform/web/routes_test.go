package web_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/v1/products", ok, web.Query("q"))
	s.Customer.GET("/v1/carts/:id", ok, web.Query("q"))
	s.Customer.DELETE("/v1/carts/:id", ok)
	s.Scoped("admin").PUT("/v1/stock", ok)
	s.Scoped("carts:price", "stock:write").PUT("/v1/prices", ok)
	s.Owned("orders:read").GET("/v1/orders/:id", func(c echo.Context) error { return c.JSON(http.StatusOK, web.CallerOf(c).Operator()) })

	t.Run("PublicNeedsNoToken", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusOK, s.get("/v1/products").StatusCode)
		require.Equal(t, http.StatusOK, s.get("/v1/products", as("bad")...).StatusCode)
	})
	t.Run("CustomerNeedsAToken", func(t *testing.T) {
		t.Parallel()
		for name, headers := range map[string][]string{
			"none": nil, "bad": as("bad"), "another scheme": {"Authorization", "Basic ann"}, "bare": {"Authorization", "ann"},
			"empty": {"Authorization", "Bearer "}, "two": {"Authorization", "Bearer ann", "Authorization", "Bearer bob"},
		} {
			a := s.get("/v1/carts/1", headers...)
			a.refused(t, http.StatusUnauthorized, "unauthorized")
			want := "Bearer" // of a request without a token; what a token lacks is said (RFC 6750)
			if name == "bad" {
				want = `Bearer error="invalid_token", error_description="The access token is not valid."`
			}
			require.Equal(t, want, a.Header.Get("WWW-Authenticate"), name)
		}
	})
	t.Run("TheCallerIsWhoTheTokenSays", func(t *testing.T) {
		t.Parallel()
		require.JSONEq(t, `{"as":"ann"}`, s.get("/v1/carts/1", as("ann")...).body)
		require.JSONEq(t, `{"as":"ann"}`, s.get("/v1/carts/1", "Authorization", "bearer ann").body)
	})
	t.Run("ACustomerMayNotOperate", func(t *testing.T) {
		t.Parallel()
		s.send(http.MethodPut, "/v1/stock", "{}", as("ann")...).refused(t, http.StatusForbidden, "forbidden")
		s.send(http.MethodPut, "/v1/stock", "{}", as("ann|pricing")...).refused(t, http.StatusForbidden, "forbidden")
		s.send(http.MethodPut, "/v1/stock", "{}").refused(t, http.StatusUnauthorized, "unauthorized")
		require.Equal(t, http.StatusOK, s.send(http.MethodPut, "/v1/stock", "{}", as("root|admin")...).StatusCode)
	})
	t.Run("OneOfTheScopesIsEnough", func(t *testing.T) {
		t.Parallel()
		for _, token := range []string{"x|carts:price", "x|pricing", "x|stock:write", "x|admin", "x|other pricing"} {
			require.Equal(t, http.StatusOK, s.send(http.MethodPut, "/v1/prices", "{}", as(token)...).StatusCode)
		}
		p := s.send(http.MethodPut, "/v1/prices", "{}", as("x|other carts:pricey orders:read")...).refused(t, http.StatusForbidden, "forbidden")
		require.Equal(t, "This access token does not allow that. It needs the scope carts:price or stock:write.", p["detail"])
	})
	t.Run("AnOperatorOfARouteUsesWhatCustomersOwn", func(t *testing.T) {
		t.Parallel()
		for token, operator := range map[string]string{"ann": "false", "x|orders:read": "true", "x|admin": "true", "x|stock:write": "false"} {
			require.Equal(t, operator+"\n", s.get("/v1/orders/1", as(token)...).body, token)
		}
	})
	t.Run("EachSaysWhoMayCall", func(t *testing.T) {
		t.Parallel()
		access := s.Access()
		require.Equal(t, web.Access{Public: true}, access["GET /v1/products"])
		require.Equal(t, web.Access{Customers: true, Scopes: []string{"admin"}}, access["DELETE /v1/carts/:id"])
		require.Equal(t, web.Access{Customers: true, Scopes: []string{"orders:read"}}, access["GET /v1/orders/:id"])
		require.Equal(t, web.Access{Scopes: []string{"carts:price", "stock:write"}}, access["PUT /v1/prices"])
	})
	t.Run("AnUnknownRouteIs404ForAnyone", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/", "/v1/nothing", "/v1/carts", "/v1/products/"} {
			s.get(path).refused(t, http.StatusNotFound, "not_found")
		}
	})
	t.Run("AWrongVerbIs405AndNamesTheRightOnes", func(t *testing.T) {
		t.Parallel()
		a := s.send(http.MethodPost, "/v1/carts/1", "{}")
		a.refused(t, http.StatusMethodNotAllowed, "method_not_allowed")
		for _, verb := range []string{"GET", "HEAD", "DELETE"} {
			require.Contains(t, a.Header.Get("Allow"), verb)
		}
	})
	t.Run("HeadIsGetWithoutABody", func(t *testing.T) {
		t.Parallel()
		a := s.send(http.MethodHead, "/v1/products", "")
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Empty(t, a.body)
		require.Equal(t, http.StatusUnauthorized, s.send(http.MethodHead, "/v1/carts/1", "").StatusCode)
	})
	t.Run("NULInTheQueryIs422", func(t *testing.T) {
		t.Parallel()
		p := s.get("/v1/products?q=a%00b").refused(t, http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, "q", field(p))
		s.get("/v1/products?q=%ff").refused(t, http.StatusUnprocessableEntity, "validation_failed")
	})
	t.Run("TheTokenIsAskedForBeforeTheQueryIsJudged", func(t *testing.T) {
		t.Parallel()
		s.get("/v1/carts/1?q=%00").refused(t, http.StatusUnauthorized, "unauthorized")
	})
}

// field is the first field that a problem blames.
func field(problem map[string]any) string {
	errors, _ := problem["errors"].([]any)
	if len(errors) == 0 {
		return ""
	}
	name, _ := errors[0].(map[string]any)["field"].(string)
	return name
}
