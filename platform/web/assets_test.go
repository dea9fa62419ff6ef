package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func TestAssets(t *testing.T) {
	t.Parallel()
	script := strings.Repeat("let a = 1;\n", 100)
	assets := web.AssetsOf(map[string][]byte{"a.js": []byte(script), "tiny.svg": []byte("<svg/>")})
	ask := func(name string, stamped bool, headers ...string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), httptest.NewRecorder()
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		require.True(t, assets.Serve(w, r, name, stamped))
		return w
	}

	t.Run("AStampedAddressIsImmutable", func(t *testing.T) {
		require.Equal(t, "public, max-age=31536000, immutable", ask("a.js", true).Header().Get("Cache-Control"))
		require.Equal(t, "public, no-cache", ask("a.js", false).Header().Get("Cache-Control"))
	})
	t.Run("TheStampChangesWithAFile", func(t *testing.T) {
		require.NotEqual(t, assets.Stamp(), web.AssetsOf(map[string][]byte{"a.js": []byte(script + ";"), "tiny.svg": []byte("<svg/>")}).Stamp())
		name, ours := assets.Unstamped(assets.Stamp() + "/pages/a.js")
		require.Equal(t, "pages/a.js", name)
		require.True(t, ours)
		name, ours = assets.Unstamped("0123456789abcdef/a.js")
		require.Equal(t, "a.js", name, "of another version of the program")
		require.False(t, ours)
		name, ours = assets.Unstamped("pages/a.js")
		require.Equal(t, "pages/a.js", name)
		require.False(t, ours)
	})
	t.Run("CompressedOnceAndOnlyWhereShorter", func(t *testing.T) {
		require.Equal(t, "gzip", ask("a.js", true, "Accept-Encoding", "gzip").Header().Get("Content-Encoding"))
		require.Empty(t, ask("tiny.svg", true, "Accept-Encoding", "gzip").Header().Get("Content-Encoding"))
		require.Equal(t, script, ask("a.js", true).Body.String())
	})
	t.Run("VariesBesideTheOrigin", func(t *testing.T) {
		r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), httptest.NewRecorder()
		w.Header().Set("Vary", "Origin")
		require.True(t, assets.Serve(w, r, "a.js", false))
		require.Equal(t, []string{"Origin", "Accept-Encoding"}, w.Header().Values("Vary"))
	})
	t.Run("ATagThatAProxyChangedIsKnown", func(t *testing.T) {
		tag := ask("a.js", true).Header().Get("ETag")
		require.Equal(t, http.StatusNotModified, ask("a.js", true, "If-None-Match", "W/"+tag).Code)
		require.Equal(t, http.StatusNotModified, ask("a.js", true, "If-None-Match", strings.TrimSuffix(tag, `"`)+`-gzip"`).Code)
		require.Equal(t, http.StatusOK, ask("a.js", true, "If-None-Match", `"other"`).Code)
	})
	t.Run("RangesAreIgnored", func(t *testing.T) {
		for _, wanted := range []string{"bytes=0-1", "bytes=" + strings.Repeat("0-0,", 15000) + "0-0"} {
			a := ask("a.js", true, "Range", wanted)
			require.Equal(t, http.StatusOK, a.Code)
			require.Equal(t, script, a.Body.String())
			require.Equal(t, "none", a.Header().Get("Accept-Ranges"))
		}
	})
}
