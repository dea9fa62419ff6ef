package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/client"
	"shopping-cart/internal/app"
	"shopping-cart/order"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
	"shopping-cart/platform/money"
	"shopping-cart/platform/telemetry"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// Shop is the whole program on a database, with products in stock and open carts of one customer.
type Shop struct {
	*app.App
	URL      string // of the database
	address  string // of the API
	Client   *client.Client
	Token    string // the customer's
	Operator string // an operator's token
	Caller   web.Caller
	provider *memoryProvider
	SKUs     []string
	carts    []uuid.UUID // open, with one line of the first SKU
	fresh    []uuid.UUID // unused ones
	taken    atomic.Int64
	origin   uuid.UUID // the original of all other carts
	Stop     func() error
}

const (
	benchCustomer   = "0199c0de-0000-7000-8000-000000000001"
	benchProducts   = 1000   // as in sql/setup.sql
	benchCarts      = 10_000 // as in sql/setup.sql, so that locks collide equally often
	ShopCartVersion = 2      // of an opened and filled cart
	fillers         = 32     // concurrent requests that fill the shop
)

// The secrets sign the tokens and the webhooks of this process and of those that it starts.
var secret, adminSecret = rand.Text() + rand.Text(), rand.Text() + rand.Text()

// Settings returns the program's settings for a database that others may use too.
func Settings(url string) (config.Config, error) {
	settings, err := config.Load()
	if err != nil {
		return settings, err
	}
	settings.DatabaseURL, settings.CartDatabaseURL, settings.OrderDatabaseURL = url, "", ""
	settings.PaymentDatabaseURL, settings.SagaDatabaseURL, settings.AuditDatabaseURL, settings.SimulatorDatabaseURL = "", "", "", ""
	settings.AuthSecret, settings.AdminSecret, settings.SimulatorSecret = secret, adminSecret, secret
	settings.SimulatorLatency, settings.Limits, settings.CartMaxEvents = 0, "false", 1_000_000
	settings.AdminAddr, settings.TLSCert, settings.TLSKey = "", "", ""
	return settings, nil
}

// OpenShop runs the program on a migrated database and fills it over its own API.
func OpenShop(ctx context.Context, url string, products, carts int) (s *Shop, err error) {
	settings, err := Settings(url)
	if err != nil {
		return nil, err
	}
	log, err := telemetry.Log(os.Stderr, "error", settings.LogFormat)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	s = &Shop{
		URL: url, address: address, Client: client.New("http://"+address, fillers), Caller: web.Caller{Subject: benchCustomer},
		provider: newMemoryProvider(),
	}
	if s.App, err = app.New(ctx, settings, settings.DatabaseURLs(""), listener.Addr(), log, s.provider); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.App.Serve(serving, app.Listeners{Public: listener}, settings.ShutdownTimeout) }()
	s.Stop = func() error {
		end()
		defer s.App.Close()
		return <-ended
	}
	if err := s.fill(ctx, settings, products, carts); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// fill makes products with stock, and opens the carts.
func (s *Shop) fill(ctx context.Context, settings config.Config, products, carts int) error {
	tokens, err := app.Tokens(settings, nil, nil)
	if err != nil {
		return err
	}
	if s.Token, _, err = tokens.Mint(benchCustomer, nil, 24*time.Hour); err != nil {
		return err
	}
	if s.Operator, _, err = tokens.Mint("operator", []string{web.ScopeAdmin}, auth.OperatorTTL); err != nil {
		return err
	}
	for n := range products {
		s.SKUs = append(s.SKUs, fmt.Sprintf("%06d", 100_000+n))
	}
	product := map[string]any{"name": "WHITE HANGING HEART T-LIGHT HOLDER", "price": money.Of(255, "GBP")}
	err = client.Parallel(ctx, fillers, products, func(ctx context.Context, n int) error {
		put := client.Call{Method: http.MethodPut, Path: "/v1/products/" + s.SKUs[n], Token: s.Operator, Body: product}
		if _, err := s.Client.Do(ctx, put); err != nil {
			return err
		}
		put.Path, put.Body = "/v1/stock/"+s.SKUs[n], map[string]any{"on_hand": 1_000_000_000}
		_, err := s.Client.Do(ctx, put)
		return err
	})
	if err != nil {
		return err
	}
	if s.origin, err = s.OpenCart(ctx, s.SKUs[0], 6); err != nil {
		return err
	}
	s.carts, err = s.copyCarts(ctx, carts, false)
	return err
}

// OpenCart opens a cart of the customer with one line.
func (s *Shop) OpenCart(ctx context.Context, sku string, quantity int) (uuid.UUID, error) {
	post := client.Call{Method: http.MethodPost, Path: "/v1/carts", Token: s.Token, Key: uuid.NewString(), Body: map[string]any{"currency": "GBP"}}
	opened, _, err := client.Ask[struct{ ID uuid.UUID }](ctx, s.Client, post)
	if err == nil {
		post.Path, post.Key = "/v1/carts/"+opened.ID.String()+"/items", uuid.NewString()
		post.Body = map[string]any{"sku": sku, "quantity": quantity}
		_, err = s.Client.Do(ctx, post)
	}
	return opened.ID, err
}

// prepare makes enough fresh carts for a measurement.
func (s *Shop) prepare(ctx context.Context, rate float64, d time.Duration) error {
	if rate == 0 {
		rate = 1000
	}
	s.fresh, s.taken = s.fresh[min(int(s.taken.Load()), len(s.fresh)):], atomic.Int64{}
	if missing := 256 + int(2*rate*d.Seconds()) - len(s.fresh); missing > 0 {
		more, err := s.copyCarts(ctx, missing, true)
		s.fresh = append(s.fresh, more...)
		return err
	}
	return nil
}

// count adds the program's writes during the run to a sample.
func (s *Shop) count(run func() (Sample, error)) (Sample, error) {
	counts := s.Databases[s.URL].Committer.Counts
	before := counts()
	sample, err := run()
	after := counts()
	sample.Commands, sample.Appends = after.Commands-before.Commands, after.Events-before.Events
	return sample, err
}

// setQuantity changes the quantity, since a command that changes nothing appends nothing.
func (s *Shop) setQuantity(ctx context.Context, id uuid.UUID, turn int64) error {
	_, err := s.App.Carts.SetQuantity(ctx, s.Caller, s.Write(nil), id, s.SKUs[0], 1+turn%cart.MaxQuantity)
	return err
}

// Write returns the metadata of a request. The id is random, like one derived from an Idempotency-Key.
func (s *Shop) Write(version *int64) web.Write {
	return web.Write{
		ID: uuid.New(), Fingerprint: make([]byte, 16), IfMatch: version, Actor: s.Caller.Subject, Caller: s.Caller, Correlation: uuid.New(),
	}
}

func (s *Shop) load(ctx context.Context, id uuid.UUID) error {
	_, err := s.App.Carts.Authorize(ctx, s.Caller, id)
	return err
}

func (s *Shop) checkOut(ctx context.Context, _ int64) error {
	n := s.taken.Add(1) - 1
	if n >= int64(len(s.fresh)) {
		return ErrSpent
	}
	_, err := s.CheckOutCart(ctx, s.fresh[n], ShopCartVersion)
	return err
}

// CheckOutCart runs a checkout without HTTP, from the shopper's order to the end of the saga.
func (s *Shop) CheckOutCart(ctx context.Context, id uuid.UUID, version int64) (saga.CheckoutView, error) {
	contact := order.Contact{CustomerID: s.Caller.Subject, Email: "ada@example.com"}
	begun, err := s.Sagas.CheckOut(ctx, contact, cart.CheckOut{CartID: id, Caller: s.Caller, PaymentMethod: "sim_ok", Write: s.Write(&version)})
	if err != nil {
		return saga.CheckoutView{}, err
	}
	done, err := s.Sagas.Await(ctx, begun.CheckoutID)
	if err == nil && done.Status != saga.Completed {
		err = fmt.Errorf("the checkout became %s", done.Status)
	}
	return done, err
}
