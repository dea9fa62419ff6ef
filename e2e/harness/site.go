//go:build !windows

package harness

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/app"
	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/payment/simulator"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
)

// Site is the whole program as main runs it, used over HTTP.
type Site struct {
	Base     string       // URL of the listener that serves everything
	Public   string       // URL of the other listener; "" without ADMIN_ADDR
	Client   *http.Client // nil: Browser
	Settings config.Config
	URLs     map[string]string // of each schema's database
	Admin    string            // an operator's token
	Stop     func(*testing.T)
}

// The AUTH_SECRET and the ADMIN_SECRET of the tests.
const (
	Secret      = "2d5724a228fca7acb1a9d9e9bb6a98d484815863ea9ebce52aa4f7ea8feeecbb"
	AdminSecret = "9d0f7c21b65f4b0e8a3c5d1e2f6a7b8c9e4d3f2a1b0c8d7e6f5a4b3c2d1e0f9a"
)

// From returns the site for a client at an address of the loopback network, such as 127.0.0.2. It keeps so many connections.
func (s *Site) From(t *testing.T, address string, connections int) *Site {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 0))}
	there := *s
	there.Client = &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, IdleConnTimeout: 4 * time.Second,
	}}
	t.Cleanup(there.Client.CloseIdleConnections)
	return &there
}

// Settings returns settings with short deadlines and without databases.
func Settings() config.Config {
	return config.Config{
		HTTPAddr: "127.0.0.1:0", Console: true, MetricsPublic: true, AuthSecret: Secret, AdminSecret: AdminSecret, AuthAudience: Module, PaymentProvider: config.Simulator,
		LogLevel: new(slog.LevelError), LogFormat: "text", Committers: 2, QueueSize: 4096, QueryConnections: 8, SearchConnections: 2,
		SessionTTL: time.Hour, RequestTimeout: 35 * time.Second, ShutdownTimeout: 20 * time.Second,
		SealInterval:   time.Second,
		PaymentTimeout: 300 * time.Millisecond, PaymentConcurrency: 100, PaymentActionTTL: time.Minute, StepDeadline: time.Hour,
	}
}

type Setting func(testing.TB, *config.Config)

func OneDatabase(t testing.TB, c *config.Config) { c.DatabaseURL = pgtest.New(t) }

func DatabaseEach(t testing.TB, c *config.Config) {
	urls := pgtest.NewModules(t)
	c.CartDatabaseURL, c.OrderDatabaseURL, c.PaymentDatabaseURL = urls["cart"], urls["orders"], urls["payment"]
	c.SagaDatabaseURL, c.AuditDatabaseURL, c.SimulatorDatabaseURL = urls["saga"], urls["audit"], urls["simulator"]
}

// Unsealed turns off the seals of the logs, for a test that changes events and looks for what else is wrong then.
func Unsealed(_ testing.TB, c *config.Config) { c.SealInterval = 0 }

// Open runs the program until the test and all its subtests end. Then every promise must have been kept.
func Open(t *testing.T, with ...Setting) *Site {
	t.Helper()
	s := OpenUnchecked(t, with...)
	t.Cleanup(func() {
		if !t.Failed() {
			s.RequirePromises(t)
		}
	})
	return s
}

// OpenUnchecked runs the program like Open, for a test that breaks promises.
func OpenUnchecked(t *testing.T, with ...Setting) *Site {
	t.Helper()
	c := Settings()
	for _, set := range with {
		set(t, &c)
	}
	s := &Site{Settings: c, URLs: c.DatabaseURLs(""), Admin: Mint(t, c, "operator", web.ScopeAdmin), Stop: func(*testing.T) {}}
	require.Len(t, s.URLs, len(migrations.Schemas))
	t.Cleanup(func() { s.Stop(t) })
	s.Start(t)
	return s
}

// Start starts the program, and returns when it serves.
func (s *Site) Start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	greeting, ended := make(banner, 1), make(chan error, 1)
	go func() { ended <- app.Run(ctx, s.Settings, greeting) }()
	select {
	case text := <-greeting:
		s.Base, s.Public = AddressIn(t, text), publicIn(text)
	case err := <-ended:
		stop()
		require.NoError(t, err)
		t.Fatal("the program ended at its start")
	}
	s.Stop = func(t *testing.T) {
		t.Helper()
		stop()
		Browser.CloseIdleConnections() // the server closes a connection without a request after five seconds
		assert.NoError(t, <-ended, "a program that is asked to stop stops well")
		s.Stop = func(*testing.T) {}
	}
}

// banner receives the text that the program prints when it is ready.
type banner chan string

func (b banner) Write(text []byte) (int, error) {
	b <- string(text)
	return len(text), nil
}

var Address = regexp.MustCompile(`(https?://[^/\s]+)/swagger`)

func AddressIn(t testing.TB, greeting string) string {
	found := Address.FindStringSubmatch(greeting)
	require.NotNil(t, found, greeting)
	return found[1]
}

var publicAddress = regexp.MustCompile(`(?m)^  public   (\S+)$`)

// publicIn returns the address for clients in a greeting, or "" if operators use the same.
func publicIn(greeting string) string {
	if found := publicAddress.FindStringSubmatch(greeting); found != nil {
		return found[1]
	}
	return ""
}

// Mint returns a token for an hour: an operator's if it has scopes, else a customer's.
func Mint(t testing.TB, c config.Config, subject string, scopes ...string) string {
	return MintFor(t, c, time.Hour, subject, scopes...)
}

func MintFor(t testing.TB, c config.Config, ttl time.Duration, subject string, scopes ...string) string {
	tokens, err := app.Tokens(c, nil, nil)
	require.NoError(t, err)
	token, _, err := tokens.Mint(subject, scopes, ttl)
	require.NoError(t, err)
	return token
}

// AddProduct adds a new product at a price in pence, and returns its SKU.
func (s *Site) AddProduct(t testing.TB, price int64) string {
	t.Helper()
	sku := "SKU " + uuid.NewString() // contains a space, as real ones may
	s.SetPrice(t, sku, price)
	return sku
}

func (s *Site) SetPrice(t testing.TB, sku string, price int64) {
	t.Helper()
	body := map[string]any{"name": "Mug", "price": GBP(price)}
	As[map[string]any](t, s.Send(t, http.MethodPut, "/v1/products/"+Escape(sku), s.Admin, body), http.StatusOK, http.StatusCreated)
}

// SetStock counts a SKU, so that its stock is tracked.
func (s *Site) SetStock(t testing.TB, sku string, onHand int64) {
	t.Helper()
	body := map[string]any{"on_hand": onHand}
	As[StockView](t, s.Send(t, http.MethodPut, "/v1/stock/"+Escape(sku), s.Admin, body), http.StatusOK)
}

func (s *Site) Stock(t testing.TB, sku string) StockView {
	t.Helper()
	return Get[StockView](t, s, "/v1/stock/"+Escape(sku), s.Admin)
}

func GBP(amount int64) map[string]any { return map[string]any{"amount": amount, "currency": "GBP"} }

func Escape(sku string) string { return strings.ReplaceAll(sku, " ", "%20") }

// Ledger returns the effective operations of a payment at the provider.
func (s *Site) Ledger(t testing.TB, payment uuid.UUID) (operations []string) {
	t.Helper()
	for _, entry := range Get[List[simulator.Entry]](t, s, "/simulator/ledger?reference="+payment.String(), s.Admin).Data {
		operations = append(operations, entry.Operation)
	}
	return operations
}

// AnswerAtBank sends the shopper's answer to the bank.
func (s *Site) AnswerAtBank(t testing.TB, payment uuid.UUID, word string) Answer {
	t.Helper()
	return s.Send(t, http.MethodPost, "/simulator/payments/"+payment.String()+"/"+word, "", nil)
}

func WithShop(_ testing.TB, c *config.Config) { c.Shop = "true" }

// SignInToShop calls the shop's log-in as its page does. It is not part of the API and so not in its document.
func (s *Site) SignInToShop(t testing.TB, name string) Answer {
	t.Helper()
	a, err := s.Ask(t.Context(), http.MethodPost, "/shop/sign-in", "", map[string]any{"name": name})
	require.NoError(t, err)
	return a
}
