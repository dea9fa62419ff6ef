package web_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

// counted is a server without a network, whose clients have any address.
type counted struct {
	*web.Server
	t *testing.T
}

func countRequests(t *testing.T, rates map[web.Class]web.Rates, configure ...func(*web.Config)) counted {
	t.Helper()
	c := web.Config{Auth: names{}, Log: slog.New(slog.DiscardHandler), Limits: web.Limits{Rates: rates}}
	for _, set := range configure {
		set(&c)
	}
	return counted{web.New(c), t}
}

// from sends a request from an address.
func (c counted) from(address, method, path, token string, headers ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(address), 4711).String()
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

const (
	home   = "192.0.2.7"
	office = "192.0.2.8"
)

func rates(perSecond float64, subject, address int) web.Rates {
	return web.Rates{Subject: web.Rate{PerSecond: perSecond, Burst: subject}, Address: web.Rate{PerSecond: perSecond, Burst: address}}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	t.Run("RefuseAndSayWhenToComeBack", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var limited []string
			s := countRequests(t, map[web.Class]web.Rates{web.Edits: rates(0.5, 2, 100)}, func(c *web.Config) {
				c.Limited = func(what, by string) { limited = append(limited, what+" by "+by) }
			})
			s.Customer.POST("/carts", ok)
			require.Equal(t, []int{200, 200}, s.codes(2, home, "POST", "/carts", "ann"))
			time.Sleep(500 * time.Millisecond)
			w := s.from(home, "POST", "/carts", "ann")
			require.Equal(t, http.StatusTooManyRequests, w.Code)
			require.Contains(t, w.Body.String(), `"code":"too_many_requests"`)
			require.Equal(t, "2", w.Header().Get("Retry-After"), "a second and a half")
			require.Equal(t, `"edits";q=2;w=4`, w.Header().Get("RateLimit-Policy"))
			require.Equal(t, `"edits";r=0;t=2`, w.Header().Get("RateLimit"))
			require.Equal(t, []string{"edits by subject"}, limited)

			time.Sleep(2 * time.Second)
			require.Equal(t, http.StatusOK, s.from(home, "POST", "/carts", "ann").Code)
		})
	})
	t.Run("CountEachSubjectAndEachAddress", func(t *testing.T) {
		t.Parallel()
		s := countRequests(t, map[web.Class]web.Rates{web.Reads: rates(0.001, 2, 5)})
		s.Customer.GET("/carts", ok)
		require.Equal(t, []int{200, 200, 429, 429}, s.codes(4, home, "GET", "/carts", "ann"))
		require.Equal(t, []int{429}, s.codes(1, office, "GET", "/carts", "ann"), "a subject at all addresses")
		require.Equal(t, []int{200, 200}, s.codes(2, home, "GET", "/carts", "bob"))
		require.Equal(t, []int{200, 429}, s.codes(2, home, "GET", "/carts", "eve"), "ann's refused requests took nothing from the address")
		require.Equal(t, []int{200, 200, 429}, s.codes(3, office, "GET", "/carts", "eve2"))
	})
	t.Run("CountStrangersByAddress", func(t *testing.T) {
		t.Parallel()
		s := countRequests(t, map[web.Class]web.Rates{web.Searches: rates(0.001, 1, 3)})
		s.Public.GET("/products", ok, web.Limit(web.Searches))
		require.Equal(t, []int{200, 200, 200, 429}, s.codes(4, home, "GET", "/products", ""))
		require.Equal(t, []int{200}, s.codes(1, office, "GET", "/products", ""))
		require.Equal(t, []int{200, 200, 200, 429}, s.codes(4, "2001:db8:1:2:3:4:5:6", "GET", "/products", ""))
		require.Equal(t, []int{429}, s.codes(1, "2001:db8:1:2:ffff::1", "GET", "/products", ""), "one network")
	})
	t.Run("CountEachClassApart", func(t *testing.T) {
		t.Parallel()
		one := rates(0.001, 1, 1)
		s := countRequests(t, map[web.Class]web.Rates{web.Reads: one, web.Edits: one, web.Checkouts: one})
		s.Customer.GET("/cart", ok)
		s.Customer.PUT("/cart", ok)
		s.Customer.POST("/checkout", ok, web.Limit(web.Checkouts))
		s.Customer.POST("/hook", ok, web.Limit(web.Webhooks))
		require.Equal(t, []int{200, 429}, s.codes(2, home, "GET", "/cart", "ann"))
		require.Equal(t, []int{429}, s.codes(1, home, "HEAD", "/cart", "ann"))
		require.Equal(t, []int{200, 429}, s.codes(2, home, "PUT", "/cart", "ann"))
		require.Equal(t, []int{200, 429}, s.codes(2, home, "POST", "/checkout", "ann"))
		require.Equal(t, []int{200, 200, 200}, s.codes(3, home, "POST", "/hook", "ann"), "no limit")
	})
	t.Run("GiveOperatorsBucketsOfTheirOwn", func(t *testing.T) {
		t.Parallel()
		s := countRequests(t, map[web.Class]web.Rates{web.Edits: rates(0.001, 1, 1), web.Operators: rates(0.001, 3, 1)})
		s.Customer.POST("/carts", ok)
		s.Scoped(web.ScopeStockWrite).PUT("/stock", ok)
		require.Equal(t, []int{200, 429}, s.codes(2, home, "POST", "/carts", "ann"))
		require.Equal(t, []int{200, 200, 200, 429}, s.codes(4, home, "POST", "/carts", "root|admin"))
		require.Equal(t, []int{200, 200, 200, 429}, s.codes(4, home, "PUT", "/stock", "erp|stock:write"))
		require.Equal(t, []int{403, 429}, s.codes(2, office, "PUT", "/stock", "bob|other"))
	})
	t.Run("CountBadTokensByAddress", func(t *testing.T) {
		t.Parallel()
		s := countRequests(t, map[web.Class]web.Rates{web.BadTokens: rates(0.001, 1, 3)})
		s.Customer.GET("/cart", ok)
		require.Equal(t, []int{401, 401}, s.codes(2, home, "GET", "/cart", "bad"))
		require.Equal(t, []int{401, 429}, s.codes(2, home, "GET", "/cart", ""))
		require.Equal(t, []int{200}, s.codes(1, home, "GET", "/cart", "ann"), "who has a token is not refused")
	})
	t.Run("LeaveProbesAlone", func(t *testing.T) {
		t.Parallel()
		s := countRequests(t, map[web.Class]web.Rates{web.Reads: rates(0.001, 1, 1)})
		for _, path := range []string{"/healthz", "/readyz"} {
			require.NotContains(t, s.codes(5, home, "GET", path, ""), 429)
		}
		require.Equal(t, []int{404, 404}, s.codes(2, home, "GET", "/nothing", ""))
	})
	t.Run("LimitMetrics", func(t *testing.T) {
		t.Parallel()
		s := countRequests(t, map[web.Class]web.Rates{web.Metrics: rates(0.001, 1, 2)}, func(c *web.Config) { c.Metrics = http.NotFoundHandler() })
		require.Equal(t, []int{404, 404, 429}, s.codes(3, home, "GET", "/metrics", ""))
		require.Equal(t, []int{404}, s.codes(1, office, "GET", "/metrics", ""))
	})
	t.Run("RefuseBeforeTheBodyIsRead", func(t *testing.T) {
		t.Parallel()
		s := countRequests(t, map[web.Class]web.Rates{web.Edits: rates(0.001, 1, 1)})
		handled := 0
		s.Public.POST("/carts", func(c echo.Context) error { handled++; return ok(c) })
		for _, code := range []int{200, 429} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/carts", unreadable{t})
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			require.Equal(t, code, w.Code)
		}
		require.Equal(t, 1, handled)
	})
	t.Run("WarnOfAProxyThatIsNotNamed", func(t *testing.T) {
		t.Parallel()
		logs := &logBook{}
		s := countRequests(t, map[web.Class]web.Rates{web.Reads: rates(0.001, 1, 1)}, func(c *web.Config) {
			c.Log = logs.logger()
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		})
		s.Public.GET("/", ok)
		s.codes(3, office, "GET", "/", "")
		s.from("10.0.0.1", "GET", "/", "", "X-Forwarded-For", office)
		require.NotContains(t, logs.String(), "TRUSTED_PROXIES")
		s.from(office, "GET", "/", "", "X-Forwarded-For", home)
		s.from(office, "GET", "/", "", "X-Forwarded-For", home)
		require.Equal(t, 1, strings.Count(logs.String(), "TRUSTED_PROXIES"))
	})
	t.Run("NeedLittleMemory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := countRequests(t, map[web.Class]web.Rates{web.Reads: rates(1, 1, 2)})
			s.Public.GET("/", ok)
			for i := range 25_000 {
				s.from(fmt.Sprintf("10.0.%d.%d", i/250, i%250), "GET", "/", "")
			}
			require.Equal(t, 10_000, s.Keys(web.Reads))
			time.Sleep(time.Minute)
			for i := range 10_000 {
				s.from(fmt.Sprintf("10.9.%d.%d", i/250, i%250), "GET", "/", "")
				time.Sleep(time.Millisecond)
			}
			require.Less(t, s.Keys(web.Reads), 3000, "full buckets are dropped")
		})
	})
}

func (c counted) codes(n int, address, method, path, token string) (all []int) {
	c.t.Helper()
	for range n {
		all = append(all, c.from(address, method, path, token).Code)
	}
	return all
}

// unreadable is a body that nobody may read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, http.ErrBodyReadAfterClose
}

var anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)

func TestShowLimits(t *testing.T) {
	t.Parallel()
	s := countRequests(t, map[web.Class]web.Rates{
		web.Edits: {Subject: web.Rate{PerSecond: 2.5, Burst: 2}}, web.Sessions: rates(0.001, 7, 1), web.Operators: rates(1, 10, 1),
	}, func(c *web.Config) {
		c.Limits.Streams = web.StreamLimits{Most: 8, PerAddress: 4, PerSubject: 2, PerObject: 1}
		c.EachLimited = func(each func(what, by string, refused int64)) {
			each("edits", "subject", 2)
			each("units", "guest", 1)
			each("declines", "address", 3)
		}
	})
	s.Customer.POST("/carts", ok)
	s.Public.POST("/sessions", ok, web.Limit(web.Sessions))
	s.codes(4, home, "POST", "/carts", "ann")
	s.codes(2, home, "POST", "/sessions", "")
	require.Equal(t, http.StatusForbidden, s.from(home, "GET", "/v1/admin/limits", "ann").Code)
	w := s.from(home, "GET", "/v1/admin/limits", "root|admin")
	require.Equal(t, http.StatusOK, w.Code)
	body := anyTime.ReplaceAllString(w.Body.String(), "now")
	require.JSONEq(t, `{
		"classes": [
			{"class": "sessions", "subject": null, "address": {"per_second": 0.001, "burst": 1, "refused": 1}},
			{"class": "edits", "subject": {"per_second": 2.5, "burst": 2, "refused": 2}, "address": null},
			{"class": "operators", "subject": {"per_second": 1, "burst": 10, "refused": 0}, "address": null}
		],
		"refused": [
			{"class": "edits", "by": "subject", "key": "ann", "refused": 2, "last_refused_at": "now"},
			{"class": "sessions", "by": "address", "key": "192.0.2.7", "refused": 1, "last_refused_at": "now"}
		],
		"connections": {"open": 0, "limit": 0, "per_address": 0, "refused": 0},
		"streams": {"open": 0, "limit": 8, "per_address": 4, "per_subject": 2, "per_checkout": 1, "refused": 0},
		"guards": [{"what": "declines", "by": "address", "refused": 3}, {"what": "units", "by": "guest", "refused": 1}]
	}`, body)
}

// BenchmarkRateLimits measures a whole request in process, with limits and without.
func BenchmarkRateLimits(b *testing.B) {
	for name, limits := range map[string]map[web.Class]web.Rates{
		"Without": nil, "With": {web.Reads: rates(1, 1e9, 1e9)},
		"Refused": {web.Reads: rates(1e-9, 1, 1e9)},
	} {
		b.Run(name, func(b *testing.B) {
			s := web.New(web.Config{Auth: names{}, Log: slog.New(slog.DiscardHandler), Limits: web.Limits{Rates: limits}})
			s.Customer.GET("/v1/carts/:id", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
			var callers []*http.Request
			for i := range 1000 {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/carts/1", nil)
				r.RemoteAddr = fmt.Sprintf("10.0.%d.%d:4711", i/250, i%250)
				r.Header.Set("Authorization", "Bearer customer-"+strconv.Itoa(i))
				callers = append(callers, r)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.ServeHTTP(&nobody{}, callers[i%len(callers)])
			}
		})
	}
}

// nobody drops an answer.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header {
	if n.header == nil {
		n.header = http.Header{}
	}
	return n.header
}
func (*nobody) Write(p []byte) (int, error) { return len(p), nil }
func (*nobody) WriteHeader(int)             {}

// TestRefusedRequestsAreHeldBack checks that the answer 429 waits, that it waits no longer than the server runs, and that unknown
// addresses are limited.
func TestRefusedRequestsAreHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := web.New(web.Config{Log: slog.New(slog.DiscardHandler), Limits: web.Limits{Delay: time.Second, Rates: map[web.Class]web.Rates{
			web.BadTokens: {Address: web.Rate{PerSecond: 0.1, Burst: 1}},
		}}})
		get := func(ctx context.Context) (status int, took time.Duration) {
			r, w, began := httptest.NewRequestWithContext(ctx, http.MethodGet, "/wp-login.php", nil), httptest.NewRecorder(), time.Now()
			s.ServeHTTP(w, r)
			return w.Code, time.Since(began)
		}
		status, took := get(t.Context())
		require.Equal(t, http.StatusNotFound, status)
		require.Zero(t, took)
		status, took = get(t.Context())
		require.Equal(t, http.StatusTooManyRequests, status)
		require.Equal(t, time.Second, took)
		gone, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, took = get(gone)
		require.Equal(t, 100*time.Millisecond, took)
	})
}
