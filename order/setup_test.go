package order

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// shop is the module on a database, as in one process.
type shop struct {
	*Module
	t     *testing.T
	pools *database.Pools
	web   *web.Server
}

func open(t *testing.T) *shop { return openAt(t, pgtest.New(t)) }

// openAt starts one more process on the database at url.
func openAt(t *testing.T, url string) *shop {
	t.Helper()
	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	committer := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin})
	log := slog.New(slog.DiscardHandler)
	db := eventstore.Database{Committer: committer, Query: pools.Query, Control: pools.Control, Views: pools.Views, SingleProcess: true, Log: log}
	m := New(Config{Database: db, Payments: noPayments{}})
	server := web.New(web.Config{Auth: names{}, Log: log})
	m.Routes(server)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- committer.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
		pools.Close()
	})
	return &shop{m, t, pools, server}
}

// noPayments know of no refund, and keep nothing of anybody.
type noPayments struct{}

func (noPayments) Refunding(context.Context, uuid.UUID) (int64, error) { return 0, nil }

// runLoops runs the module's loops until the test ends.
func (s *shop) runLoops() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		require.NoError(s.t, <-done)
	})
}

// names uses the token as the name of its bearer; root is an operator.
type names struct{}

func (names) Authenticate(_ context.Context, token string) (web.Caller, error) {
	switch token {
	case "bad":
		return web.Caller{}, errors.New("bad token")
	case "root":
		return web.Caller{Subject: token, Scopes: []string{web.ScopeAdmin}}, nil
	}
	return web.Caller{Subject: token}, nil
}

// answer is a response over HTTP.
type answer struct {
	Status int
	Header http.Header
	Body   map[string]any
}

func (a answer) code() any { return a.Body["code"] }

func (a answer) data() []any {
	data, _ := a.Body["data"].([]any)
	return data
}

// numbersOf returns the numbers of the orders in a list.
func (a answer) numbersOf() []string {
	found := []string{}
	for _, o := range a.data() {
		found = append(found, o.(map[string]any)["number"].(string)) // a panic fails the test
	}
	return found
}

// call sends a request as a bearer, with headers in pairs.
func (s *shop) call(bearer, method, path, body string, headers ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.web.ServeHTTP(w, r)
	a := answer{Status: w.Code, Header: w.Header()}
	if w.Body.Len() > 0 {
		require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &a.Body), w.Body.String())
	}
	return a
}

func (s *shop) handle(cmd Command) error {
	return s.Handle(s.t.Context(), newID(), newID(), cmd)
}

func (s *shop) must(commands ...Command) {
	s.t.Helper()
	for _, cmd := range commands {
		require.NoError(s.t, s.handle(cmd))
	}
}

// placeOrder places an order of the customer.
func (s *shop) placeOrder(customer string, lines ...Line) Place {
	s.t.Helper()
	p := newPlace(lines...)
	p.CustomerID = customer
	s.must(p)
	return p
}

func (s *shop) setOnHand(sku string, onHand int64) {
	s.t.Helper()
	_, err := s.handleStock(s.t.Context(), web.Write{}, sku, eventstore.Note{}, func(stock Stock) ([]StockEvent, error) { return decideSetOnHand(stock, sku, onHand) })
	require.NoError(s.t, err)
}

func (s *shop) order(id uuid.UUID) eventstore.Stream[State] {
	s.t.Helper()
	o, err := orders.Load(s.t.Context(), s.store, id)
	require.NoError(s.t, err)
	return o
}

func (s *shop) stock(sku string) Stock {
	s.t.Helper()
	stock, err := stocks.Load(s.t.Context(), s.store, stockID(sku))
	require.NoError(s.t, err)
	return stock.State
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func line(sku string, quantity int64) Line {
	return Line{SKU: sku, Name: "The " + sku, Quantity: quantity, UnitPrice: 250}
}

// newPlace returns a command for an order of those lines, in pounds.
func newPlace(lines ...Line) Place {
	p := Place{
		OrderID: newID(), CheckoutID: newID(), PaymentID: newID(), CartID: newID(), ContactID: newID(),
		CustomerID: "alice", Currency: "GBP", Lines: lines,
	}
	for _, l := range lines {
		p.Total += l.UnitPrice * l.Quantity
	}
	return p
}

// requireFault checks the code of a refusal.
func requireFault(t require.TestingT, err error, want *fault.Fault) *fault.Fault {
	f, ok := fault.As(err)
	require.True(t, ok, "%v is no fault", err)
	require.Equal(t, want.Code, f.Code)
	return f
}
