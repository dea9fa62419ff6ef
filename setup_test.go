package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/internal/app"
	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/payment/simulator"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// site is the whole program, run as main runs it, and spoken to over HTTP.
type site struct {
	base     string
	settings config.Config
	urls     map[string]string // of each schema's database
	admin    string            // an operator's token
	stop     func(*testing.T)
}

// settings are those of an impatient program without databases.
func settings() config.Config {
	return config.Config{
		HTTPAddr: "127.0.0.1:0", Console: true, AuthSecret: strings.Repeat("s", 32), AuthAudience: module, PaymentProvider: config.Simulator,
		LogLevel: new(slog.LevelError), LogFormat: "text", Committers: 2, QueueSize: 4096, QueryConnections: 8,
		SessionTTL: time.Hour, RequestTimeout: 35 * time.Second, ShutdownTimeout: 20 * time.Second,
		PaymentTimeout: 300 * time.Millisecond, PaymentConcurrency: 100, PaymentActionTTL: time.Minute, StepDeadline: time.Hour,
	}
}

type setting func(testing.TB, *config.Config)

func oneDatabase(t testing.TB, c *config.Config) { c.DatabaseURL = pgtest.New(t) }

func databaseEach(t testing.TB, c *config.Config) {
	urls := pgtest.NewModules(t)
	c.CartDatabaseURL, c.OrderDatabaseURL, c.PaymentDatabaseURL = urls["cart"], urls["orders"], urls["payment"]
	c.SagaDatabaseURL, c.SimulatorDatabaseURL = urls["saga"], urls["simulator"]
}

// open runs the program until the test, and all its subtests, are over; then every promise must have been kept.
func open(t *testing.T, with ...setting) *site {
	t.Helper()
	s := opens(t, with...)
	t.Cleanup(func() {
		if !t.Failed() {
			s.keepsPromises(t)
		}
	})
	return s
}

// opens is open for a test that has promises broken.
func opens(t *testing.T, with ...setting) *site {
	t.Helper()
	c := settings()
	for _, set := range with {
		set(t, &c)
	}
	s := &site{settings: c, urls: c.DatabaseURLs(""), admin: mint(t, c, "operator", web.ScopeAdmin), stop: func(*testing.T) {}}
	require.Len(t, s.urls, len(migrations.Schemas))
	t.Cleanup(func() { s.stop(t) })
	s.start(t)
	return s
}

// start starts the program, and returns when it serves.
func (s *site) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	greeting, ended := make(banner, 1), make(chan error, 1)
	go func() { ended <- app.Run(ctx, s.settings, greeting) }()
	select {
	case text := <-greeting:
		s.base = addressIn(t, text)
	case err := <-ended:
		stop()
		require.NoError(t, err)
		t.Fatal("the program ended at its start")
	}
	s.stop = func(t *testing.T) {
		t.Helper()
		stop()
		browser.CloseIdleConnections() // the server gives one that was never used five seconds
		assert.NoError(t, <-ended, "a program that is asked to stop stops well")
		s.stop = func(*testing.T) {}
	}
}

// banner receives what the program says when it is ready.
type banner chan string

func (b banner) Write(text []byte) (int, error) {
	b <- string(text)
	return len(text), nil
}

var address = regexp.MustCompile(`(http://[^/\s]+)/swagger`)

func addressIn(t testing.TB, greeting string) string {
	found := address.FindStringSubmatch(greeting)
	require.NotNil(t, found, greeting)
	return found[1]
}

func mint(t testing.TB, c config.Config, subject string, scopes ...string) string {
	tokens, err := auth.New([]byte(c.AuthSecret), c.AuthAudience)
	require.NoError(t, err)
	token, _, err := tokens.Mint(subject, scopes, time.Hour)
	require.NoError(t, err)
	return token
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) decode(v any) error { return json.Unmarshal(a.body, v) }

// The server gives a connection that was never used five seconds; one must not be used for the first time just then.
var browser = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 4 * time.Second}}

// try asks, and holds the answer against the API document.
func (s *site) try(ctx context.Context, method, path, token string, body any, headers ...string) (answer, error) {
	a, err := s.ask(ctx, method, path, token, body, headers...)
	if err == nil {
		err = asDocumented(a.Response, a.body)
	}
	return a, err
}

// ask sends a request. A nil body is none, a string goes as it is, and anything else as JSON. An empty token is none.
func (s *site) ask(ctx context.Context, method, path, token string, body any, headers ...string) (answer, error) {
	var payload []byte
	switch body := body.(type) {
	case nil:
	case string:
		payload = []byte(body)
	default:
		payload, _ = json.Marshal(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(payload))
	if err != nil {
		return answer{}, err
	}
	if len(payload) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := browser.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response, text}, err
}

func (s *site) send(t testing.TB, method, path, token string, body any, headers ...string) answer {
	t.Helper()
	a, err := s.try(t.Context(), method, path, token, body, headers...)
	require.NoError(t, err)
	return a
}

// as decodes an answer, which must have one of the statuses.
func as[T any](t testing.TB, a answer, statuses ...int) (v T) {
	t.Helper()
	require.Contains(t, statuses, a.StatusCode, "%s %s: %s", a.Request.Method, a.Request.URL.Path, a.body)
	require.NoError(t, json.Unmarshal(a.body, &v), string(a.body))
	return v
}

// problem is a refusal, with the members that only some have.
type problem struct {
	web.Problem
	CheckoutID uuid.UUID `json:"checkout_id"`
	Version    int64     `json:"version"`
	Lines      []struct {
		SKU                  string `json:"sku"`
		Requested, Available int64
		Was, Now             struct{ Amount int64 }
	} `json:"lines"`
}

// refuses checks that an answer is a refusal, whole and with that code.
func refuses(t testing.TB, a answer, status int, code string) problem {
	t.Helper()
	p := as[problem](t, a, status)
	require.Equal(t, code, p.Code, string(a.body))
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Detail)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Type)
	require.Equal(t, a.Header.Get("X-Request-Id"), p.RequestID)
	return p
}

// The views of the API, and what one needs to read them.
type (
	cartView     = cart.View
	checkoutView = saga.CheckoutView
	orderView    = order.View
	paymentView  = payment.View
	stockView    = order.StockView
	list[T any]  struct {
		Data       []T     `json:"data"`
		NextCursor *string `json:"next_cursor"`
	}
)

func get[T any](t testing.TB, s *site, path, token string) T {
	t.Helper()
	return as[T](t, s.send(t, http.MethodGet, path, token, nil), http.StatusOK)
}

// sells puts a new product into the price book, at a price in pence, and gives its SKU.
func (s *site) sells(t testing.TB, price int64) string {
	t.Helper()
	sku := "SKU " + uuid.NewString() // with a space, as they occur
	s.prices(t, sku, price)
	return sku
}

func (s *site) prices(t testing.TB, sku string, price int64) {
	t.Helper()
	body := map[string]any{"name": "Mug", "price": gbp(price)}
	as[map[string]any](t, s.send(t, http.MethodPut, "/v1/products/"+escape(sku), s.admin, body), http.StatusOK, http.StatusCreated)
}

// stocks counts a SKU, so that its stock is tracked.
func (s *site) stocks(t testing.TB, sku string, onHand int64) {
	t.Helper()
	body := map[string]any{"on_hand": onHand}
	as[stockView](t, s.send(t, http.MethodPut, "/v1/stock/"+escape(sku), s.admin, body), http.StatusOK)
}

func (s *site) stock(t testing.TB, sku string) stockView {
	t.Helper()
	return get[stockView](t, s, "/v1/stock/"+escape(sku), s.admin)
}

func gbp(amount int64) map[string]any { return map[string]any{"amount": amount, "currency": "GBP"} }
func escape(sku string) string        { return strings.ReplaceAll(sku, " ", "%20") }

// shopper is a guest.
type shopper struct {
	*site
	token string
	id    uuid.UUID
}

func (s *site) shopper(t testing.TB) shopper {
	t.Helper()
	session := as[web.Session](t, s.send(t, http.MethodPost, "/v1/sessions", "", nil), http.StatusCreated)
	return shopper{s, session.Token, session.CustomerID}
}

// fills opens a cart with one of each SKU.
func (s shopper) fills(t testing.TB, skus ...string) cartView {
	t.Helper()
	c := as[cartView](t, s.send(t, http.MethodPost, "/v1/carts", s.token, map[string]any{"currency": "GBP"}), http.StatusCreated)
	for _, sku := range skus {
		c = as[cartView](t, s.adds(t, c, sku, 1), http.StatusOK)
	}
	return c
}

func (s shopper) adds(t testing.TB, c cartView, sku string, quantity int, headers ...string) answer {
	t.Helper()
	body := map[string]any{"sku": sku, "quantity": quantity}
	return s.send(t, http.MethodPost, "/v1/carts/"+c.ID.String()+"/items", s.token, body, headers...)
}

func (s shopper) cart(t testing.TB, id uuid.UUID) cartView {
	t.Helper()
	return get[cartView](t, s.site, "/v1/carts/"+id.String(), s.token)
}

const (
	noWait  = "respond-async"
	waiting = "wait=30"
)

// checksOut checks a cart out at the version that was seen, under a new key unless the headers name one.
func (s shopper) checksOut(t testing.TB, c cartView, method, prefer string, headers ...string) answer {
	t.Helper()
	return s.send(t, http.MethodPost, checkoutPath(c), s.token, paying(method), append([]string{
		"Idempotency-Key", uuid.NewString(), "If-Match", tag(c.Version), "Prefer", prefer}, headers...)...)
}

func checkoutPath(c cartView) string { return "/v1/carts/" + c.ID.String() + "/checkout" }
func tag(version int64) string       { return fmt.Sprintf("%q", fmt.Sprint(version)) }

func paying(method string) map[string]any {
	return map[string]any{"payment_method": method, "email": "ada@example.com", "shipping_address": map[string]any{"city": "London"}}
}

// starts checks a cart out and does not wait for its end.
func (s shopper) starts(t testing.TB, c cartView, method string) checkoutView {
	t.Helper()
	return as[checkoutView](t, s.checksOut(t, c, method, noWait), http.StatusAccepted)
}

func (s shopper) checkout(t testing.TB, id uuid.UUID) checkoutView {
	t.Helper()
	return get[checkoutView](t, s.site, "/v1/checkouts/"+id.String(), s.token)
}

// patience is the deadline of whatever a test waits for.
const patience = 30 * time.Second

// reaches waits until a checkout stands there.
func (s shopper) reaches(t testing.TB, id uuid.UUID, status saga.Status) (c checkoutView) {
	t.Helper()
	until(t, "the checkout becomes "+string(status), func() bool {
		c = s.checkout(t, id)
		return c.Status == status
	})
	return c
}

// until waits for what must come. It asks on the test's own goroutine: what it asks may fail the test.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // the machine may be busy with much else
	defer cancel()
	require.True(t, eventually(ctx, holds), "in vain: until "+what)
}

// eventually asks again and again, until it holds or ctx is done.
func eventually(ctx context.Context, holds func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if holds() {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func (s shopper) cancels(t testing.TB, id uuid.UUID, headers ...string) answer {
	t.Helper()
	return s.send(t, http.MethodPost, "/v1/checkouts/"+id.String()+"/cancel", s.token, nil,
		append([]string{"Idempotency-Key", uuid.NewString()}, headers...)...)
}

// ledger is what took effect at the provider for a payment.
func (s *site) ledger(t testing.TB, payment uuid.UUID) (operations []string) {
	t.Helper()
	for _, entry := range get[list[simulator.Entry]](t, s, "/simulator/ledger?reference="+payment.String(), s.admin).Data {
		operations = append(operations, entry.Operation)
	}
	return operations
}

// bank is what the shopper says there.
func (s *site) bank(t testing.TB, payment uuid.UUID, word string) answer {
	t.Helper()
	return s.send(t, http.MethodPost, "/simulator/payments/"+payment.String()+"/"+word, "", nil)
}
