package console

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOnlyPathsOfTheConsoleAreGoneBackTo(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"/console", "/console/sagas?status=failed", "/console/streams/cart/x"} {
		require.Equal(t, good, localPath(good))
	}
	for _, bad := range []string{
		"", "/", "/v1/carts", "//evil.example/console", "https://evil.example/console", "/consoles", "/console\\evil", "javascript:alert(1)",
		"/console/sign-in", "/console/sign-out", "/console\r\nSet-Cookie: a=b",
	} {
		require.Equal(t, Path, localPath(bad), bad)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	before := json.RawMessage(`{"status":"open","items":[{"sku":"A","quantity":1}],"note":"x","total":9007199254740991}`)
	after := json.RawMessage(`{"status":"closed","items":[{"sku":"A","quantity":2},{"sku":"B","quantity":1}],"total":9007199254740990}`)
	require.Equal(t, []change{
		{"items[0].quantity", "1", "2"}, {"items[1].quantity", "", "1"}, {"items[1].sku", "", "B"}, {"note", "x", ""},
		{"status", "open", "closed"}, {"total", "9007199254740991", "9007199254740990"},
	}, changes(before, after))
	require.Len(t, changes(nil, before), 5)
	require.Empty(t, changes(after, after))
	require.Empty(t, changes(nil, json.RawMessage("null")))
}

func TestWordsForPeople(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1,234,567", formatCount(1234567))
	require.Equal(t, "-1,234", formatCount(-1234))
	require.Equal(t, "999", formatCount(999))
	for d, text := range map[time.Duration]string{
		0: "0 ms", 12 * time.Millisecond: "12 ms", 1500 * time.Millisecond: "1.5 s", 59 * time.Second: "59 s", 61 * time.Second: "1 min",
		25*time.Hour + time.Minute: "25 h 1 min", 72 * time.Hour: "3 days",
	} {
		require.Equal(t, text, formatDuration(d))
	}
	require.Equal(t, "…2e3f4a5b", short("019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"))
	require.Equal(t, "operator", short("operator"))
	require.Equal(t, "…ü äöüßäö", short("shop:jürgen mü äöüßäö"))
}

// TestASagaSaysWhatItLeavesOut: without its payment the page shows the rest, with a notice.
func TestASagaSaysWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	payment := http.StatusServiceUnavailable
	api := http.NewServeMux()
	api.HandleFunc("/v1/admin/overview", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	api.HandleFunc("/v1/admin/sagas/{id}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"s","type":"checkout","status":"running","payment_id":"p"}`)
	})
	api.HandleFunc("/v1/admin/streams/payment/p", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(payment)
		_, _ = io.WriteString(w, "{}")
	})
	pages := New(Config{API: api})
	for status, missing := range map[int]bool{http.StatusServiceUnavailable: true, http.StatusNotFound: false} {
		payment = status
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/sagas/s", nil)
		r.AddCookie(&http.Cookie{Name: cookieToken, Value: "a.b.c"})
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, missing, strings.Contains(w.Body.String(), "calls to the provider are missing"), status)
	}
}

// TestSagasCanBeFreedWithoutAnOverview: the overview may be missing just when a saga is stuck. Without the scope there is no
// page.
func TestSagasCanBeFreedWithoutAnOverview(t *testing.T) {
	t.Parallel()
	overview := http.StatusServiceUnavailable
	api := http.NewServeMux()
	api.HandleFunc("/v1/admin/overview", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(overview)
		_, _ = io.WriteString(w, `{"code":"forbidden"}`)
	})
	api.HandleFunc("/v1/admin/sagas", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":[]}`) })
	pages := New(Config{API: api})
	status := func(path string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.AddCookie(&http.Cookie{Name: cookieToken, Value: "a.b.c"})
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusServiceUnavailable, status("/console"))
	require.Equal(t, http.StatusOK, status("/console/sagas"))
	overview = http.StatusForbidden
	require.NotEqual(t, http.StatusOK, status("/console/sagas"))
}

// TestReconciliationSaysWhyItCannotLook: whichever source is missing, the page offers to check again.
func TestReconciliationSaysWhyItCannotLook(t *testing.T) {
	t.Parallel()
	api := http.NewServeMux()
	api.HandleFunc("/v1/admin/overview", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	api.HandleFunc("/v1/admin/reconciliation", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"code":"provider_unavailable","detail":"The provider does not answer."}`)
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/reconciliation?look=1", nil)
	r.AddCookie(&http.Cookie{Name: cookieToken, Value: "a.b.c"})
	w := httptest.NewRecorder()
	New(Config{API: api}).ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	for _, said := range []string{"All sources are needed to check the invariants. The provider does not answer.", "Check again"} {
		require.Contains(t, w.Body.String(), said)
	}
	require.NotContains(t, w.Body.String(), "All invariants hold")
}

// TestReconciliationSaysWhatItLeftOutAndDid: the page counts the checkouts left out, and shows a repair in place of its remedy.
func TestReconciliationSaysWhatItLeftOutAndDid(t *testing.T) {
	t.Parallel()
	api := http.NewServeMux()
	api.HandleFunc("/v1/admin/overview", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	api.HandleFunc("/v1/admin/reconciliation", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"checked":{"left_out":3},"next_cursor":null,"data":[
			{"id":"a:1","check":"a","detail":"D.","remedy":"By hand.","streams":[],"healable":true,"healed":true,"done":"refunded 10.00 GBP"}]}`)
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/reconciliation?look=1", nil)
	r.AddCookie(&http.Cookie{Name: cookieToken, Value: "a.b.c"})
	w := httptest.NewRecorder()
	New(Config{API: api}).ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	for _, said := range []string{"3 checkouts and payments of the last minute left out", "Done: refunded 10.00 GBP."} {
		require.Contains(t, w.Body.String(), said)
	}
	require.NotContains(t, w.Body.String(), "By hand.")
}

func TestAScaleEndsInARoundNumber(t *testing.T) {
	t.Parallel()
	for most, top := range map[float64]float64{0: 1, 1: 1, 3: 3, 7: 8, 41: 50, 120: 150, 0.03: 0.03} {
		require.InDelta(t, top, ceiling(most), 1e-9)
	}
}

func TestAFormTokenIsOfOneOperatorsToken(t *testing.T) {
	t.Parallel()
	require.Equal(t, formToken("a.b.c"), formToken("a.b.c"))
	require.NotEqual(t, formToken("a.b.c"), formToken("a.b.d"))
	require.True(t, isToken("eyJ.x-_9.Z"))
	for _, bad := range []string{"", "a.b", "a.b.c;d", "a.b.c d", "a.b.ü"} {
		require.False(t, isToken(bad), bad)
	}
}

// TestCookiesOfHTTPS checks that cookies are bound to the host where browsers come by HTTPS, and only there.
func TestCookiesOfHTTPS(t *testing.T) {
	t.Parallel()
	for _, https := range []bool{false, true} {
		pages := New(Config{HTTPS: https, API: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })})
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Path+"/sign-in", nil))
		cookie, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
		require.NoError(t, err)
		require.Equal(t, https, strings.HasPrefix(cookie.Name, "__Host-"))
		require.Equal(t, https, cookie.Secure)
		require.Equal(t, map[bool]string{false: Path, true: "/"}[https], cookie.Path)
		require.Empty(t, cookie.Domain)
		require.True(t, cookie.HttpOnly)
	}
}
