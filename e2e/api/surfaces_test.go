package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
)

func adminApart(_ testing.TB, c *config.Config) { c.AdminAddr = "127.0.0.1:0" }

// TestAdminListener goes through every route on both listeners: the public one does not know those for operators, whatever the token.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, adminApart)
	public := &harness.Site{Base: s.Public}
	require.NotEqual(t, s.Base, public.Base)
	var apart []string
	for _, r := range routes {
		path := strings.ReplaceAll(parameter.ReplaceAllString(r.path, uuid.NewString()), "*", "index.html")
		everyone, operators := status(t, public, r.method, path, s.Admin), status(t, s, r.method, path, s.Admin)
		require.NotEqual(t, "no route", operators, "%s %s", r.method, r.path)
		if everyone != operators {
			require.Equal(t, "no route", everyone, "%s %s", r.method, r.path)
			apart = append(apart, r.path)
		}
	}
	for _, r := range routes {
		want := regexp.MustCompile(`^/(v1/admin/|console|metrics|swagger)`).MatchString(r.path)
		require.Equal(t, want, slices.Contains(apart, r.path), r.path)
	}
	require.Equal(t, "no route", status(t, public, http.MethodPatch, "/v1/admin/sagas", s.Admin), "another method tells nothing either")
	shopper := harness.As[map[string]string](t, public.Send(t, http.MethodPost, "/v1/sessions", "", nil), http.StatusCreated)
	require.NotEmpty(t, shopper["token"])
}

// status returns the status of a route, or "no route".
func status(t *testing.T, s *harness.Site, method, path, token string) string {
	t.Helper()
	a, err := s.Ask(t.Context(), method, path, token, nil)
	require.NoError(t, err)
	if strings.Contains(string(a.Text), "There is nothing at this address.") || a.StatusCode == http.StatusMethodNotAllowed {
		return "no route"
	}
	return a.Status
}
