package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func TestCompressed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long, short := strings.Repeat(`a long answer, `, 200), "a short answer"
	answer := func(text string) echo.HandlerFunc {
		return func(c echo.Context) error { web.ETag(c, 7); return c.String(http.StatusOK, text) }
	}
	s.Public.GET("/long", answer(long))
	s.Public.GET("/short", answer(short))
	s.Public.GET("/plain", answer(long), web.Uncompressed)
	s.Public.GET("/known", func(c echo.Context) error {
		require.True(t, web.NotModified(c, 7))
		return c.NoContent(http.StatusNotModified)
	})

	ask := func(path, accept string, headers ...string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", accept)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		a, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = a.Body.Close() })
		return a
	}
	text := func(r io.Reader) string {
		all, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(all)
	}

	t.Run("ALongAnswerWhereGzipIsAccepted", func(t *testing.T) {
		for _, accept := range []string{"gzip", "br, gzip;q=0.5", "gzip, deflate, br", "GZIP", "br, GZip;Q=0.5"} {
			a := ask("/long", accept)
			require.Equal(t, "gzip", a.Header.Get("Content-Encoding"), accept)
			require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"))
			require.Equal(t, `"7"`, a.Header.Get("ETag"), "the tag names the version")
			z, err := gzip.NewReader(a.Body)
			require.NoError(t, err)
			require.Equal(t, long, text(z))
		}
	})
	t.Run("OthersAsTheyAre", func(t *testing.T) {
		for _, one := range []struct {
			path, accept, want string
			headers            []string
		}{
			{"/long", "identity", long, nil}, {"/long", "gzip;q=0", long, nil}, {"/long", "gzip; q=0.0", long, nil}, {"/long", "br", long, nil},
			{"/short", "gzip", short, nil}, {"/plain", "gzip", long, nil},
			{"/long", "gzip", long, []string{"Cookie", "secret=1"}}, // BREACH
		} {
			a := ask(one.path, one.accept, one.headers...)
			require.Empty(t, a.Header.Get("Content-Encoding"), "%+v", one)
			require.Equal(t, one.want, text(a.Body), "%+v", one)
			if one.path != "/plain" {
				require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"), "a cache may hold it: %s %s", one.path, one.accept)
			}
		}
	})
	t.Run("TheSecondOfTwoHeaders", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/long", nil)
		require.NoError(t, err)
		r.Header["Accept-Encoding"] = []string{"br", "gzip"}
		a, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, a.Body.Close())
		require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
	})
	t.Run("A304SaysItToo", func(t *testing.T) {
		for _, accept := range []string{"gzip", "identity"} {
			a := ask("/known", accept, "If-None-Match", `"7"`)
			require.Equal(t, http.StatusNotModified, a.StatusCode)
			require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"))
		}
	})
}
