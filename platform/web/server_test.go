package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/", ok)
	for _, id := range []string{"a", "order-47.11_x", strings.Repeat("x", 128)} {
		require.Equal(t, id, s.get("/", "X-Request-Id", id).Header.Get("X-Request-Id"))
	}
	for _, id := range []string{"", "a b", "<script>", strings.Repeat("x", 129), "ü"} {
		made, err := uuid.Parse(s.get("/", "X-Request-Id", id).Header.Get("X-Request-Id"))
		require.NoError(t, err)
		require.EqualValues(t, 7, made.Version())
	}
	require.NotEmpty(t, s.get("/nothing").Header.Get("X-Request-Id"))
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Customer.POST("/v1/carts/:id", ok, web.AnyQuery)
	a := s.send("POST", "/v1/carts/7?token=hunter2", `{"card":"4111-1111"}`, "Authorization", "Bearer ann")
	require.Equal(t, http.StatusOK, a.StatusCode)

	var entry map[string]any
	require.NoError(t, json.Unmarshal([]byte(strings.TrimSpace(s.logs.String())), &entry))
	require.Equal(t, "POST", entry["method"])
	require.Equal(t, "/v1/carts/:id", entry["route"])
	require.EqualValues(t, 200, entry["status"])
	require.Equal(t, "ann", entry["subject"])
	require.Equal(t, a.Header.Get("X-Request-Id"), entry["request_id"])
	require.EqualValues(t, len(a.body), entry["bytes"])
	for _, secret := range []string{"hunter2", "4111-1111", "Bearer"} {
		require.NotContains(t, s.logs.String(), secret)
	}
}

// TestFloodsAreSampled checks that anybody may send any number of bad requests without filling the log.
func TestFloodsAreSampled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logs := &logBook{}
		s := web.New(web.Config{Auth: names{}, Log: logs.logger(), Limits: web.Limits{Rates: map[web.Class]web.Rates{
			web.Edits: {Address: web.Rate{PerSecond: 1e-9, Burst: 1}},
		}}})
		s.Customer.GET("/v1/carts", ok)
		s.Public.GET("/v1/bad", fails(fault.New(fault.Malformed, "some_bad", "Bad.")))
		s.Public.POST("/v1/carts", ok)
		s.Public.POST("/v1/webhooks", fails(fault.New(fault.Malformed, "some_forged", "Forged.")), web.Limit(web.Webhooks))
		send := func(method, path, token string) {
			r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			s.ServeHTTP(httptest.NewRecorder(), r)
		}
		send("POST", "/v1/carts", "")
		for range 100 {
			send("GET", "/nothing", "")
			send("GET", "/v1/carts", "bad")
			send("POST", "/v1/carts", "")
			send("POST", "/v1/webhooks", "")
			send("GET", "/v1/carts", "ann")
			send("GET", "/v1/bad", "")
		}
		lines := func(text string) int { return strings.Count(logs.String(), text) }
		for flood, text := range map[string]string{
			"unknown": `"route":"none","status":404`, "unauthorized": `"status":401`, "limited": `"status":429`, "forged": `"route":"/v1/webhooks","status":400`,
		} {
			require.Equal(t, 20, lines(text), flood)
		}
		require.Equal(t, 101, lines(`"status":200`))
		require.Equal(t, 100, lines(`"route":"/v1/bad","status":400`))
		require.Contains(t, logs.String(), `"address":"192.0.2.1"`)
		require.Contains(t, logs.String(), `"reason":"unauthorized: The access token is not valid. (a bad token)"`)
		require.Zero(t, lines(`"unwritten"`))
		time.Sleep(time.Second)
		send("GET", "/nothing", "")
		require.Equal(t, 1, lines(`"unwritten":80`))
	})
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	s := newSite(t, func(c *web.Config) {
		c.Observe = func(_ context.Context, method, route string, status int, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, method+" "+route+" "+http.StatusText(status))
		}
	})
	s.Customer.GET("/v1/carts/:id", ok)
	s.get("/v1/carts/1", as("ann")...)
	s.get("/v1/carts/2")
	s.get("/nothing")
	s.send("BREW", "/v1/carts/1", "")
	s.Public.GET("/gone", fails(errors.New("x")))
	s.get("/gone")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{
		"GET /v1/carts/:id OK", "GET /v1/carts/:id Unauthorized", "GET none Not Found", "other none Method Not Allowed",
		"GET /gone Internal Server Error",
	}, seen)
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/healthz", "/nothing"} {
		h := s.get(path).Header
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, "DENY", h.Get("X-Frame-Options"))
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"))
		require.NotEmpty(t, h.Get("Cache-Control"))
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) { c.CORSOrigins = []string{"https://shop.example"} })
	s.Customer.POST("/v1/carts", ok)

	asked := s.send("OPTIONS", "/v1/carts", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, http.StatusNoContent, asked.StatusCode)
	require.Equal(t, "https://shop.example", asked.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, asked.Header.Get("Access-Control-Allow-Headers"), "Idempotency-Key")
	sent := s.send("POST", "/v1/carts", "{}", "Origin", "https://shop.example")
	require.Equal(t, http.StatusUnauthorized, sent.StatusCode)
	require.Equal(t, "https://shop.example", sent.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, sent.Header.Get("Access-Control-Expose-Headers"), "ETag")
	require.Empty(t, s.get("/healthz", "Origin", "https://evil.example").Header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, newSite(t).get("/healthz", "Origin", "https://shop.example").Header.Get("Access-Control-Allow-Origin"))
}

func TestARequestThatTakesTooLongIs503(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) { c.Timeout = 20 * time.Millisecond })
	s.Public.GET("/", func(c echo.Context) error {
		<-c.Request().Context().Done()
		return c.Request().Context().Err()
	})
	a := s.get("/")
	a.refused(t, http.StatusServiceUnavailable, "unavailable")
	require.Equal(t, "1", a.Header.Get("Retry-After"))
}

func TestPreferWaitGivesTheRequestMoreTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/", func(c echo.Context) error {
		deadline, _ := c.Request().Context().Deadline()
		return c.JSON(http.StatusOK, time.Until(deadline) > 40*time.Second)
	})
	require.JSONEq(t, "false", s.get("/").body)
	require.JSONEq(t, "true", s.get("/", "Prefer", "wait=30").body)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) {
		c.Ready = func(context.Context) web.Readiness { return web.Readiness{Ready: true} }
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("figures")) })
	})
	require.Equal(t, http.StatusOK, s.get("/healthz").StatusCode)
	require.Equal(t, http.StatusOK, s.get("/readyz").StatusCode)
	require.Equal(t, "figures", s.get("/metrics").body)
}

func TestReadinessIsSharedForASecondAndSaysWhichModuleIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const why = "The database of CART_DATABASE_URL cannot be used: it only takes reads."
		works := web.ModuleReadiness{Module: "order", Status: web.ModuleReady}
		away := web.ModuleReadiness{Module: "cart", Status: web.ModuleAway, Reason: why}
		answer, asked := web.Readiness{Ready: true, Modules: []web.ModuleReadiness{works}}, 0
		s := web.New(web.Config{Ready: func(context.Context) web.Readiness { asked++; return answer }})
		ask := func() (int, string) {
			r := httptest.NewRecorder()
			s.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
			return r.Code, r.Body.String()
		}
		for range 5 {
			status, body := ask()
			require.Equal(t, http.StatusOK, status)
			require.JSONEq(t, `{"status":"ready","modules":[{"module":"order","status":"ready"}],"warnings":[]}`, body)
		}
		require.Equal(t, 1, asked)

		time.Sleep(time.Second)
		answer = web.Readiness{Ready: true, Modules: []web.ModuleReadiness{away, works}}
		status, body := ask()
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, `{"status":"degraded","modules":[
			{"module":"cart","status":"away","reason":"`+why+`"},{"module":"order","status":"ready"}],"warnings":[]}`, body)

		time.Sleep(time.Second)
		answer.Ready = false
		status, body = ask()
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, body, `"detail":"The service is not ready. `+why+`"`)
		require.Contains(t, body, `"modules":[{"module":"cart"`)
		require.Equal(t, 3, asked)
	})
}

func TestDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) { c.OpenAPI = []byte(`{"openapi":"3.0.3"}`) })
	require.JSONEq(t, `{"openapi":"3.0.3"}`, s.get("/openapi.json").body)
	for _, path := range []string{"/swagger", "/swagger/"} {
		require.Equal(t, "/swagger/index.html", s.get(path).Header.Get("Location"))
	}
	require.Equal(t, http.StatusNotFound, s.get("/swagger/doc.json").StatusCode, "the library's own document")
	page := s.get("/swagger/index.html")
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, page.Header.Get("Content-Type"), "text/html")
	start := s.get("/swagger/start.js").body
	require.Contains(t, start, `url: "/openapi.json"`)
	require.Equal(t, 1, strings.Count(start, "url: "), "the page shows our document only")
	require.NotContains(t, start, "persistAuthorization", "a browser must not keep an operator's token")
	require.NotContains(t, page.body+start, "https://", "the page must work offline")
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "script-src 'self';")
	for _, address := range regexp.MustCompile(`"\./([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		require.Contains(t, s.get("/swagger/"+address[1]).Header.Get("Cache-Control"), "immutable", address[1])
	}
	for file, kind := range map[string]string{"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "javascript", "swagger-ui-standalone-preset.js": "javascript"} {
		a := s.get("/swagger/" + file)
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Contains(t, a.Header.Get("Content-Type"), kind)
		require.NotEmpty(t, a.body)
	}
}

type clerk struct{}

func (clerk) MintGuest(subject string, ttl time.Duration) (string, time.Time, error) {
	return subject, time.Now().Add(ttl), nil
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Sessions(clerk{}, time.Hour)
	s.Customer.GET("/me", ok)

	a := s.send("POST", "/v1/sessions", "")
	require.Equal(t, http.StatusCreated, a.StatusCode)
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	var session web.Session
	require.NoError(t, json.Unmarshal([]byte(a.body), &session))
	require.EqualValues(t, 7, session.CustomerID.Version())
	require.WithinDuration(t, time.Now().Add(time.Hour), session.ExpiresAt, time.Minute)
	require.Contains(t, s.get("/me", as(session.Token)...).body, session.CustomerID.String())
	s.send("POST", "/v1/sessions", "x", "Content-Type", "text/plain").refused(t, 415, "unsupported_media_type")
}

func TestRunFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) { c.Timeout = 5 * time.Second })
	entered := make(chan struct{})
	s.Public.GET("/slow", func(c echo.Context) error {
		close(entered)
		select {
		case <-s.Draining(): // answers only once the server has begun to stop
			return ok(c)
		case <-c.Request().Context().Done():
			return c.Request().Context().Err()
		}
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.url = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended, answered := make(chan error, 1), make(chan answer, 1)
	go func() { ended <- s.Run(ctx, listener, nil) }()
	go func() { answered <- s.get("/slow") }()

	<-entered
	stop()
	require.Equal(t, http.StatusOK, (<-answered).StatusCode)
	require.NoError(t, <-ended)
	_, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.Error(t, err, "it must have stopped accepting")
}

func TestRunSaysThatItStopsBeforeItDoes(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) { c.DrainDelay = time.Hour })
	s.Public.GET("/quick", ok)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.url = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener, nil) }()
	require.Equal(t, http.StatusOK, s.get("/readyz").StatusCode)

	stop()
	<-s.Draining()
	require.Equal(t, http.StatusServiceUnavailable, s.get("/readyz").StatusCode)
	require.Equal(t, http.StatusOK, s.get("/quick").StatusCode, "who comes meanwhile is served")
	require.NoError(t, listener.Close()) // nobody waits for the hour
	require.Error(t, <-ended)
}

func TestRunCutsOffWhatOutlivesTheGrace(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) { c.Grace = 10 * time.Millisecond })
	entered := make(chan struct{})
	s.Public.GET("/stuck", func(c echo.Context) error {
		close(entered)
		<-c.Request().Context().Done()
		return c.Request().Context().Err()
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener, nil) }()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)

	<-entered
	stop()
	require.ErrorIs(t, <-ended, context.DeadlineExceeded)
}
