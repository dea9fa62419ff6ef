package api

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/app"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// route is a route, and what it asks of a request. Names in braces stand for things that the shopper of the test owns.
type route struct {
	method, path string
	body         string // a good one; empty: the route takes none
	who          string // public, customer, or the scope that it wants
	key, version bool   // demanded
}

var routes = []route{
	{method: "GET", path: "/healthz", who: "public"},
	{method: "GET", path: "/readyz", who: "public"},
	{method: "GET", path: "/metrics", who: "public"},
	{method: "GET", path: "/openapi.json", who: "public"},
	{method: "GET", path: "/swagger", who: "public"},
	{method: "GET", path: "/swagger/", who: "public"},
	{method: "GET", path: "/swagger/*", who: "public"},
	{method: "GET", path: "/console", who: "public"}, // it asks for a token by itself
	{method: "GET", path: "/console/assets/*", who: "public"},
	{method: "GET", path: "/console/*", who: "public"},
	{method: "POST", path: "/console/*", who: "public"},
	{method: "POST", path: "/v1/sessions", who: "public"},
	{method: "GET", path: "/v1/products", who: "public"},
	{method: "GET", path: "/v1/products/{sku}", who: "public"},
	{method: "PUT", path: "/v1/products/{sku}", who: "admin", body: `{"name":"Mug","price":{"amount":500,"currency":"GBP"}}`},
	{method: "POST", path: "/v1/carts", who: "customer", body: `{"currency":"GBP"}`},
	{method: "GET", path: "/v1/carts", who: "customer"},
	{method: "GET", path: "/v1/carts/{cart}", who: "customer"},
	{method: "GET", path: "/v1/carts/{cart}/events", who: "customer"},
	{method: "POST", path: "/v1/carts/{cart}/items", who: "customer", body: `{"sku":"{sku}","quantity":1}`},
	{method: "PATCH", path: "/v1/carts/{cart}/items/{sku}", who: "customer", body: `{"quantity":2}`},
	{method: "DELETE", path: "/v1/carts/{cart}/items/{sku}", who: "customer"},
	{method: "DELETE", path: "/v1/carts/{cart}/items", who: "customer"},
	{method: "POST", path: "/v1/carts/{cart}/reprice", who: "customer"},
	{method: "PUT", path: "/v1/carts/{cart}/adjustments", who: "pricing", body: `{"adjustments":[]}`},
	{method: "POST", path: "/v1/carts/{cart}/merge", who: "customer", body: `{"source_cart_id":"{other}","source_token":"{token}"}`},
	{method: "DELETE", path: "/v1/carts/{cart}", who: "customer"},
	{method: "POST", path: "/v1/carts/{cart}/checkout", who: "customer", key: true, version: true,
		body: `{"payment_method":"sim_ok","email":"ada@example.com"}`},
	{method: "GET", path: "/v1/checkouts/{checkout}", who: "customer"},
	{method: "GET", path: "/v1/checkouts/{checkout}/stream", who: "customer"},
	{method: "POST", path: "/v1/checkouts/{checkout}/cancel", who: "customer", key: true},
	{method: "GET", path: "/v1/orders", who: "customer"},
	{method: "GET", path: "/v1/orders/{order}", who: "customer"},
	{method: "GET", path: "/v1/orders/{order}/timeline", who: "customer"},
	{method: "POST", path: "/v1/orders/{order}/fulfil", who: "admin", key: true},
	{method: "POST", path: "/v1/orders/{order}/cancel", who: "customer", key: true, body: `{"reason":"Ordered twice."}`},
	{method: "POST", path: "/v1/orders/{order}/refunds", who: "admin", key: true, body: `{"reason":"Broken."}`},
	{method: "DELETE", path: "/v1/customers/{customer}/contacts", who: "admin"},
	{method: "GET", path: "/v1/customers/{customer}/export", who: "customer"},
	{method: "POST", path: "/v1/admin/erasures", who: "admin", body: `{"customer_id":"{customer}","reason":"Request 4711."}`},
	{method: "GET", path: "/v1/payments/{payment}", who: "customer"},
	{method: "GET", path: "/v1/stock/{sku}", who: "admin"},
	{method: "PUT", path: "/v1/stock/{sku}", who: "admin", body: `{"on_hand":100}`},
	{method: "POST", path: "/v1/stock/{sku}/adjustments", who: "admin", key: true, body: `{"delta":5,"reason":"A delivery."}`},
	{method: "GET", path: "/v1/stock", who: "admin"},
	{method: "GET", path: "/v1/admin/orders", who: "admin"},
	{method: "GET", path: "/v1/admin/sales", who: "admin"},
	{method: "GET", path: "/v1/admin/audit", who: "admin"},
	{method: "POST", path: "/v1/admin/sign-ins", who: "admin"},
	{method: "GET", path: "/v1/admin/limits", who: "admin"},
	{method: "GET", path: "/v1/admin/overview", who: "admin"},
	{method: "GET", path: "/v1/admin/streams/{module}/{cart}", who: "admin"},
	{method: "GET", path: "/v1/admin/sagas", who: "admin"},
	{method: "GET", path: "/v1/admin/sagas/{checkout}", who: "admin"},
	{method: "POST", path: "/v1/admin/sagas/{checkout}/retry", who: "admin"},
	{method: "POST", path: "/v1/admin/sagas/{checkout}/compensate", who: "admin"},
	{method: "POST", path: "/v1/admin/sagas/{checkout}/skip", who: "admin", body: `{"reason":"Its cart is gone."}`},
	{method: "POST", path: "/v1/admin/sagas/{checkout}/settle", who: "admin", body: `{"outcome":"captured","reason":"They say so."}`},
	{method: "GET", path: "/v1/admin/events", who: "admin"},
	{method: "GET", path: "/v1/admin/subscriptions", who: "admin"},
	{method: "GET", path: "/v1/admin/reconciliation", who: "admin"},
	{method: "POST", path: "/v1/admin/reconciliation", who: "admin"},
	{method: "GET", path: "/v1/admin/log-heads", who: "admin"},
	{method: "POST", path: "/v1/admin/log-heads", who: "admin", body: `{"data":[],"public_key":"` + zeros(32) + `","signature":"` + zeros(64) + `"}`},
	{method: "GET", path: "/v1/admin/parked", who: "admin"},
	{method: "POST", path: "/v1/admin/parked/{parked}/replay", who: "admin"},
	{method: "POST", path: "/v1/admin/parked/{parked}/discard", who: "admin", body: `{"reason":"A duplicate."}`},
	{method: "POST", path: "/v1/admin/projections/{projection}/rebuild", who: "admin"},
	{method: "POST", path: "/v1/admin/tokens/revoke", who: "admin", body: `{"token":"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"}`},
	{method: "GET", path: "/v1/admin/webhooks", who: "admin"},
	{method: "GET", path: "/v1/admin/webhooks/{webhook}", who: "admin"},
	{method: "POST", path: "/v1/admin/webhooks/{webhook}/replay", who: "admin"},
	{method: "POST", path: "/v1/webhooks/payments/{provider}", who: "public"},
	{method: "GET", path: "/simulator/ledger", who: "admin"},
	{method: "GET", path: "/simulator/payments/{payment}", who: "public"},
	{method: "POST", path: "/simulator/payments/{payment}/refund", who: "admin"},
	{method: "POST", path: "/simulator/payments/{payment}/dispute", who: "admin"},
	{method: "POST", path: "/simulator/payments/{payment}/approve", who: "public"},
	{method: "POST", path: "/simulator/payments/{payment}/deny", who: "public"},
}

// zeros is that many zero bytes in Base64.
func zeros(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

func TestRoutes(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	t.Run("AreServedAndDocumented", func(t *testing.T) { servedAndDocumented(t, s) })
	t.Run("RefuseInOrder", func(t *testing.T) { refusedInOrder(t, s) })
	t.Run("CheckoutRefusesInOrder", func(t *testing.T) { checkoutRefusals(t, s) })
	t.Run("CancelRefusesInOrder", func(t *testing.T) { cancelRefusals(t, s) })
	t.Run("ParametersAreDocumented", func(t *testing.T) { parametersHeldAgainstDocument(t, s) })
	t.Run("RefuseUnknownParameters", func(t *testing.T) { unknownParameters(t, s) })
	t.Run("AnswerWhatIsKnownWith304", func(t *testing.T) { knownAnswers(t, s) })
	t.Run("Nowhere", func(t *testing.T) { nowhere(t, s) })
	t.Run("BadTokens", func(t *testing.T) { badTokens(t, s) })
	t.Run("Health", func(t *testing.T) { health(t, s) })
	t.Run("Webhooks", func(t *testing.T) { webhooks(t, s) })
}

var parameter = regexp.MustCompile(`:\w+|\{\w+\}`)

// servedAndDocumented: the table above, the program and its API document name the same routes.
func servedAndDocumented(t *testing.T, s *harness.Site) {
	p, err := app.New(t.Context(), s.Settings, s.URLs, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer p.Close()
	served, tested, documented := p.Web.Paths(), []string(nil), []string(nil)
	for i := range served {
		served[i] = parameter.ReplaceAllString(served[i], "{}")
	}
	for _, r := range routes {
		tested = append(tested, parameter.ReplaceAllString(r.method+" "+r.path, "{}"))
	}
	require.ElementsMatch(t, served, tested)

	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(docs.OpenAPI, &document))
	for path, methods := range document.Paths {
		for method := range methods {
			documented = append(documented, parameter.ReplaceAllString(strings.ToUpper(method)+" "+path, "{}"))
		}
	}
	of := []string{"GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /swagger", "GET /swagger/", "GET /swagger/*",
		"GET /console", "GET /console/*", "GET /console/assets/*", "POST /console/*"}
	served = slices.DeleteFunc(served, func(r string) bool { return slices.Contains(of, r) }) // what probes and browsers ask for
	documented = slices.DeleteFunc(documented, func(r string) bool { return slices.Contains(of, r) })
	require.ElementsMatch(t, served, documented)
}

// refusedInOrder climbs the ladder of refusals: whoever fails at a rung and at all above it hears of the rung only.
func refusedInOrder(t *testing.T, s *harness.Site) {
	ada, eve := s.Shopper(t), s.Shopper(t)
	things := harness.CreateOwned(t, s, ada, s.Shopper(t))
	tokens := map[string]string{"customer": ada.Token, "admin": s.Admin, "pricing": harness.Mint(t, s.Settings, "pricing", "pricing")}
	owns := regexp.MustCompile(`\{(cart|checkout|order|payment)\}`)
	for _, r := range routes {
		if r.who == "public" {
			continue
		}
		t.Run(r.method+r.path, func(t *testing.T) {
			path, body := r.path, r.body
			for name, thing := range things {
				path, body = strings.ReplaceAll(path, name, harness.Escape(thing)), strings.ReplaceAll(body, name, thing)
			}
			send := func(path, token, body string, headers ...string) harness.Answer {
				return s.Send(t, r.method, path, token, body, headers...)
			}
			bad := ""
			if r.body != "" {
				bad = "{"
			}
			require.Equal(t, "Bearer", refusedAs(t, send(path, "", bad), http.StatusUnauthorized, "unauthorized").Get("WWW-Authenticate"))
			if r.who != "customer" {
				harness.RequireProblem(t, send(path, ada.Token, bad), http.StatusForbidden, "forbidden")
			}
			if name := owns.FindString(r.path); name != "" {
				for _, id := range []string{"7", uuid.NewString(), uuid.Nil.String(), strings.ToUpper(uuid.NewString()) + "0"} {
					harness.RequireProblem(t, send(strings.Replace(path, things[name], id, 1), tokens[r.who], bad), http.StatusNotFound, "not_found")
				}
				if r.who == "customer" {
					harness.RequireProblem(t, send(path, eve.Token, bad), http.StatusNotFound, "not_found")
				}
			}
			if r.body != "" {
				harness.RequireProblem(t, send(path, tokens[r.who], bad), http.StatusBadRequest, "malformed_json")
				harness.RequireProblem(t, send(path, tokens[r.who], body, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "unsupported_media_type")
				harness.RequireProblem(t, send(path, tokens[r.who], `"`+strings.Repeat("x", 1<<20)+`"`), http.StatusRequestEntityTooLarge, "body_too_large")
				harness.RequireProblem(t, send(path, tokens[r.who], `[]`), http.StatusUnprocessableEntity, "validation_failed")
				harness.RequireProblem(t, send(path, tokens[r.who], strings.Replace(body, "{", `{"colour":"red",`, 1)), http.StatusUnprocessableEntity, "unknown_field")
			}
			if r.key {
				harness.RequireProblem(t, send(path, tokens[r.who], body), http.StatusBadRequest, "idempotency_key_required")
				harness.RequireProblem(t, send(path, tokens[r.who], body, "Idempotency-Key", "two words"), http.StatusBadRequest, "idempotency_key_invalid")
			}
			if r.version {
				harness.RequireProblem(t, send(path, tokens[r.who], body, "Idempotency-Key", "k"), http.StatusPreconditionRequired, "precondition_required")
			}
			if r.method != http.MethodGet && owns.MatchString(r.path) && strings.Contains(r.path, "/carts/") {
				stale := []string{"Idempotency-Key", "stale", "If-Match", `"99"`}
				require.NotEmpty(t, refusedAs(t, send(path, tokens[r.who], body, stale...), http.StatusPreconditionFailed, "version_mismatch").Get("ETag"))
			}
		})
	}
	c := ada.Cart(t, uuid.MustParse(things["{cart}"]))
	require.EqualValues(t, 2, c.Version, "a refused request changes nothing")
}

func refusedAs(t *testing.T, a harness.Answer, status int, code string) http.Header {
	t.Helper()
	harness.RequireProblem(t, a, status, code)
	return a.Header
}

// checkoutRefusals are those of the state, after everything else.
func checkoutRefusals(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	empty := ada.Fill(t)
	harness.RequireProblem(t, ada.CheckOut(t, empty, "sim_ok", harness.NoWait), http.StatusConflict, "cart_empty")
	for field, body := range map[string]string{
		"payment_method":   `{"payment_method":"cash","email":"ada@example.com"}`,
		"email":            `{"payment_method":"sim_ok","email":"ada"}`,
		"shipping_address": `{"payment_method":"sim_ok","email":"ada@example.com","shipping_address":"London"}`,
	} {
		p := harness.RequireProblem(t, s.Send(t, "POST", harness.CheckoutPath(empty), ada.Token, body), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, field, p.Errors[0].Field)
	}
	stale := empty
	stale.Version++
	harness.RequireProblem(t, ada.CheckOut(t, stale, "sim_ok", harness.NoWait), http.StatusPreconditionFailed, "version_mismatch")
	key := []string{"Idempotency-Key", uuid.NewString()}
	harness.RequireProblem(t, ada.CheckOut(t, empty, "sim_ok", harness.NoWait, key...), http.StatusConflict, "cart_empty")
	c := harness.As[harness.CartView](t, ada.Add(t, empty, sku, 1), http.StatusOK)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting, key...), http.StatusCreated) // a refusal leaves no receipt
	closed := ada.Cart(t, c.ID)
	p := harness.RequireProblem(t, ada.CheckOut(t, closed, "sim_ok", harness.NoWait), http.StatusConflict, "cart_closed")
	require.Equal(t, done.ID, p.CheckoutID)
	require.NotEmpty(t, p.Detail)
}

func cancelRefusals(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	harness.RequireProblem(t, ada.CancelCheckout(t, done.ID), http.StatusConflict, "too_late")
	declined := harness.RequireProblem(t, ada.CheckOut(t, ada.Fill(t, sku), "sim_declined", harness.Waiting), http.StatusPaymentRequired, "payment_declined")
	harness.RequireProblem(t, ada.CancelCheckout(t, declined.CheckoutID), http.StatusConflict, "checkout_failed")
	c := ada.Fill(t, sku)
	asked := ada.CheckOutAtBank(t, c, "sim_requires_action")
	key := uuid.NewString()
	first := harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, asked.ID, "Idempotency-Key", key), http.StatusAccepted, http.StatusOK)
	require.Equal(t, asked.ID, first.ID)
	ada.AwaitStatus(t, asked.ID, saga.Cancelled)
	for _, key := range []string{key, uuid.NewString()} { // again, and by another tab
		require.Equal(t, saga.Cancelled, harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, asked.ID, "Idempotency-Key", key), http.StatusOK).Status)
	}
	require.Equal(t, "true", ada.CancelCheckout(t, asked.ID, "Idempotency-Key", key).Header.Get("Idempotent-Replayed"))
	other := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	harness.RequireProblem(t, ada.CancelCheckout(t, other.ID, "Idempotency-Key", key), http.StatusUnprocessableEntity, "idempotency_key_reused")
	harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, other.ID, "Prefer", harness.Waiting), http.StatusOK)
	ada.RequireReopened(t, c, ada.Cart(t, c.ID))
}

func nowhere(t *testing.T, s *harness.Site) {
	for _, path := range []string{"/", "/v1", "/v1/nothing", "/v1/carts/" + uuid.NewString() + "/nothing", "/simulator"} {
		harness.RequireProblem(t, s.Send(t, "GET", path, "", nil), http.StatusNotFound, "not_found")
	}
	allowed := map[string][]string{}
	for _, r := range routes {
		if !strings.HasPrefix(r.path, "/swagger") {
			path := parameter.ReplaceAllString(r.path, "x")
			allowed[path] = append(allowed[path], r.method)
			if r.method == "GET" {
				allowed[path] = append(allowed[path], "HEAD")
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(allowed)) {
		a := s.Send(t, "TRACE", path, "", nil)
		require.Equal(t, http.StatusMethodNotAllowed, a.StatusCode, path)
		named := strings.Split(strings.ReplaceAll(a.Header.Get("Allow"), " ", ""), ",")
		named = slices.DeleteFunc(named, func(method string) bool { return method == "OPTIONS" })
		require.ElementsMatch(t, allowed[path], named, path)
		require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	}
}

func badTokens(t *testing.T, s *harness.Site) {
	of := func(secret, audience string, ttl time.Duration) string {
		c := s.Settings
		c.AdminSecret, c.AuthAudience = secret, audience
		return harness.MintFor(t, c, ttl, "operator", web.ScopeAdmin)
	}
	secret := s.Settings.AdminSecret
	parts := strings.Split(s.Admin, ".")
	for name, token := range map[string]string{
		"Expired":         of(secret, harness.Module, -time.Minute),
		"AnotherAudience": of(secret, "another", time.Hour),
		"AnotherSecret":   of(strings.Repeat("x", 32), harness.Module, time.Hour),
		"CustomersSecret": of(s.Settings.AuthSecret, harness.Module, time.Hour),
		"NoAlgorithm":     "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".",
		"NoSignature":     parts[0] + "." + parts[1] + ".",
		"NoToken":         "hello",
	} {
		t.Run(name, func(t *testing.T) {
			harness.RequireProblem(t, s.Send(t, "GET", "/v1/admin/sagas", token, nil), http.StatusUnauthorized, "unauthorized")
		})
	}
}

func health(t *testing.T, s *harness.Site) {
	alive := harness.As[map[string]string](t, s.Send(t, "GET", "/healthz", "", nil), http.StatusOK)
	require.Equal(t, map[string]string{"status": "ok", "build": app.ThisBuild().ID()}, alive)
	ready := harness.As[struct{ Status string }](t, s.Send(t, "GET", "/readyz", "", nil), http.StatusOK)
	require.Equal(t, "ready", ready.Status)
	metrics := string(s.Send(t, "GET", "/metrics", "", nil).Text)
	for _, about := range []string{"http", "batch", "outbox", "saga", "pool"} {
		require.Contains(t, metrics, about)
	}
	a := s.Send(t, "GET", "/healthz", "", nil, "X-Request-Id", "mine-47")
	require.Equal(t, "mine-47", a.Header.Get("X-Request-Id"))
	require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	require.Equal(t, http.StatusOK, s.Send(t, "GET", "/swagger", "", nil).StatusCode)
}

func webhooks(t *testing.T, s *harness.Site) {
	path := "/v1/webhooks/payments/simulator"
	body := `{"id":"evt_1","type":"payment.authorized","reference":"` + uuid.NewString() + `"}`
	harness.RequireProblem(t, s.Send(t, "POST", path, "", body), http.StatusBadRequest, "bad_signature")
	harness.RequireProblem(t, s.Send(t, "POST", path, "", body, "Simulator-Signature", "t=1,v1=00"), http.StatusBadRequest, "bad_signature")
	harness.RequireProblem(t, s.Send(t, "POST", "/v1/webhooks/payments/nobody", "", body), http.StatusNotFound, "not_found")
	for _, word := range []string{"approve", "deny"} {
		harness.RequireProblem(t, s.Send(t, "POST", "/simulator/payments/"+uuid.NewString()+"/"+word, "", nil), http.StatusNotFound, "not_found")
	}
	harness.RequireProblem(t, s.Send(t, "GET", "/simulator/payments/nobody", "", nil), http.StatusNotFound, "not_found")
}

// parametersHeldAgainstDocument: each route takes the query parameters that the document names, and no other one.
func parametersHeldAgainstDocument(t *testing.T, s *harness.Site) {
	p, err := app.New(t.Context(), s.Settings, s.URLs, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer p.Close()
	documented := documentedParameters(t)
	open := []string{"/swagger", "/swagger/", "/swagger/*", "/console", "/console/*", "/console/assets/*"}
	declared := p.Web.Parameters()
	for _, route := range p.Web.Paths() {
		names, strict := declared[route]
		_, path, _ := strings.Cut(route, " ")
		require.Equal(t, !slices.Contains(open, path), strict, "%s: only pages and assets take any query", route)
		if strict {
			require.ElementsMatch(t, documented[parameter.ReplaceAllString(route, "{}")], names, route)
		}
	}
}

// documentedParameters are the query parameters that the document names, by route.
func documentedParameters(t *testing.T) map[string][]string {
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
		}
	}
	require.NoError(t, json.Unmarshal(docs.OpenAPI, &document))
	documented := map[string][]string{}
	for path, methods := range document.Paths {
		for method, operation := range methods {
			route := parameter.ReplaceAllString(strings.ToUpper(method)+" "+path, "{}")
			documented[route] = []string{}
			for _, parameter := range operation.Parameters {
				if parameter.In == "query" {
					documented[route] = append(documented[route], parameter.Name)
				}
			}
		}
	}
	return documented
}

// unknownParameters are refused on every route of the API, also where a caller may do everything, and so are blank ones.
func unknownParameters(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	things := harness.CreateOwned(t, s, ada, s.Shopper(t))
	tokens := map[string]string{"public": "", "customer": ada.Token, "admin": s.Admin, "pricing": harness.Mint(t, s.Settings, "pricing", "pricing")}
	documented := documentedParameters(t)
	for _, r := range routes {
		if strings.HasPrefix(r.path, "/swagger") || strings.HasPrefix(r.path, "/console") {
			continue // pages
		}
		path := r.path
		for name, thing := range things {
			path = strings.ReplaceAll(path, name, harness.Escape(thing))
		}
		for _, query := range []string{"?emial=a", "?limit=1&limit=1"} {
			harness.RequireProblem(t, s.Send(t, r.method, path+query, tokens[r.who], nil), http.StatusUnprocessableEntity, "unknown_parameter")
		}
		for _, name := range documented[parameter.ReplaceAllString(r.method+" "+r.path, "{}")] {
			blank := harness.RequireProblem(t, s.Send(t, r.method, path+"?"+name+"=%20", tokens[r.who], nil), http.StatusUnprocessableEntity, "validation_failed")
			require.Equal(t, name, blank.Errors[0].Field, "%s %s", r.method, r.path)
		}
		if r.who != "public" {
			harness.RequireProblem(t, s.Send(t, r.method, path+"?emial=a", "", nil), http.StatusUnauthorized, "unauthorized")
		}
	}
}

// knownAnswers: a read whose answer has an ETag answers 304 to it, and its operation says so.
func knownAnswers(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	things := harness.CreateOwned(t, s, ada, s.Shopper(t))
	tokens := map[string]string{"public": "", "customer": ada.Token, "admin": s.Admin}
	var document struct {
		Paths map[string]map[string]struct{ Responses map[string]any }
	}
	require.NoError(t, json.Unmarshal(docs.OpenAPI, &document))
	documented, tagged := []string(nil), []string(nil)
	for path, methods := range document.Paths {
		if methods["get"].Responses["304"] != nil {
			documented = append(documented, parameter.ReplaceAllString(path, "{}"))
		}
	}
	for _, r := range routes {
		if r.method != "GET" {
			continue
		}
		path := r.path
		for name, thing := range things {
			path = strings.ReplaceAll(path, name, harness.Escape(thing))
		}
		tag := s.Send(t, "GET", path, tokens[r.who], nil).Header.Get("ETag")
		if tag == "" {
			continue
		}
		if strings.HasPrefix(path, "/v1/") {
			tagged = append(tagged, parameter.ReplaceAllString(r.path, "{}"))
		}
		for _, named := range []string{tag, "W/" + tag, strings.TrimSuffix(tag, `"`) + `-gzip"`, `"other", ` + tag, "*"} {
			a := s.Send(t, "GET", path, tokens[r.who], nil, "If-None-Match", named)
			require.Equal(t, http.StatusNotModified, a.StatusCode, "%s with %s", r.path, named)
			require.Equal(t, tag, a.Header.Get("ETag"), r.path)
			require.Empty(t, a.Text)
		}
		require.Equal(t, http.StatusOK, s.Send(t, "GET", path, tokens[r.who], nil, "If-None-Match", `"other"`).StatusCode, r.path)
	}
	require.ElementsMatch(t, documented, tagged)
}
