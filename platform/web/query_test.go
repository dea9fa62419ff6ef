package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func TestQuery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/orders", ok, web.Query("email", "status"), web.Paged)
	s.Public.GET("/none", ok)
	s.Public.GET("/page", ok, web.AnyQuery)
	s.Customer.GET("/mine", ok)

	t.Run("WhatIsDeclaredPasses", func(t *testing.T) {
		t.Parallel()
		for _, query := range []string{"", "?", "?email=a%40b.c&status=x", "?limit=5&cursor=x"} {
			require.Equal(t, http.StatusOK, s.get("/orders"+query).StatusCode, query)
		}
		require.Equal(t, http.StatusOK, s.get("/page?utm_source=a&utm_source=b&%ff").StatusCode)
	})
	t.Run("AnUnknownOneIsNamed", func(t *testing.T) {
		t.Parallel()
		for query, detail := range map[string]string{
			"?emial=a":     `There is no query parameter "emial" here. Did you mean "email"?`,
			"?Email=a":     `There is no query parameter "Email" here. Did you mean "email"?`,
			"?colour=a":    `There is no query parameter "colour" here. It takes: email, status, limit, cursor.`,
			"?email=a&=":   `There is no query parameter "" here. It takes: email, status, limit, cursor.`,
			"?limits[]=10": `There is no query parameter "limits[]" here. It takes: email, status, limit, cursor.`,
		} {
			p := s.get("/orders"+query).refused(t, 422, "unknown_parameter")
			require.Equal(t, detail, p["detail"])
		}
		p := s.get("/none?x=1").refused(t, 422, "unknown_parameter")
		require.Equal(t, `There is no query parameter "x" here. This address takes none.`, p["detail"])
		require.Equal(t, "x", field(p))
		s.get("/none?"+strings.Repeat("x", 10_000)).refused(t, 422, "unknown_parameter")
	})
	t.Run("TwiceIsRefused", func(t *testing.T) {
		t.Parallel()
		p := s.get("/orders?limit=1&email=a&limit=1").refused(t, 422, "unknown_parameter")
		require.Equal(t, "limit", field(p))
		require.Equal(t, `The query parameter "limit" is given more than once.`, p["detail"])
	})
	t.Run("BlankIsRefused", func(t *testing.T) {
		t.Parallel()
		for _, query := range []string{"status=", "status", "status=+", "status=%C2%A0%E3%80%80", "email=a&status=%20%20"} {
			p := s.get("/orders?"+query).refused(t, 422, "validation_failed")
			require.Equal(t, []any{map[string]any{"field": "status", "code": "required",
				"detail": "It must not be blank. Leave the parameter out where there is nothing to say."}}, p["errors"], query)
		}
		s.get("/orders?x=").refused(t, 422, "unknown_parameter")
	})
	t.Run("ProbesTakeNone", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/healthz", "/readyz"} {
			require.Equal(t, http.StatusOK, s.get(path).StatusCode)
			s.get(path+"?zzz=1").refused(t, 422, "unknown_parameter")
		}
	})
	t.Run("WhatCannotBeReadIsRefused", func(t *testing.T) {
		t.Parallel()
		for _, query := range []string{"?email=%zz", "?email=a;status=b", "?email=%ff", "?%00=a", "?email=a%0Ab", "?email=%1b"} {
			s.get("/orders"+query).refused(t, 422, "validation_failed")
		}
		for _, query := range []string{"?email=%ff", "?email=%1b"} {
			p := s.get("/orders"+query).refused(t, 422, "validation_failed")
			require.Equal(t, "It must be valid UTF-8 without control characters.", p["errors"].([]any)[0].(map[string]any)["detail"])
		}
	})
	t.Run("TheTokenIsAskedForFirst", func(t *testing.T) {
		t.Parallel()
		s.get("/mine?x=1").refused(t, 401, "unauthorized")
	})
	t.Run("HeadIsRefusedLikeGet", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, 422, s.send(http.MethodHead, "/orders?x=1", "").StatusCode)
	})
}
