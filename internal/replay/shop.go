package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"shopping-cart/client"
	"shopping-cart/platform/money"
)

// shop plays baskets through the API, as a storefront would.
type shop struct {
	client   *client.Client
	operator string // token
	run      string // part of every key, so that each run is new to the server
	Parallel int
	progress Progress

	mu     sync.Mutex
	guests map[string]*guest // guests of this run by customer, or by invoice if the customer is unknown
}

// guest is a shopper with a session.
type guest struct {
	once  sync.Once
	token string
	err   error
}

// played is the result of a basket.
type played struct {
	order string        // its id; empty if there is none
	took  time.Duration // from the checkout request until its end
	err   error         // the reason for no order
}

// stock puts the products into the price book.
func (s *shop) stock(ctx context.Context, products []Product) error {
	tick, done := s.progress.Show("products", len(products))
	defer done()
	return client.Parallel(ctx, s.Parallel, len(products), func(ctx context.Context, i int) error {
		p := products[i]
		_, err := s.client.Do(ctx, client.Call{
			Method: http.MethodPut, Path: "/v1/products/" + url.PathEscape(p.SKU), Token: s.operator, Key: s.key("product", i),
			Body: map[string]any{"name": p.Name, "price": money.Of(p.Price, TradeCurrency)},
		})
		tick()
		return err
	})
}

// key returns the Idempotency-Key of one step of this run.
func (s *shop) key(step string, numbers ...int) string {
	key := s.run + "-" + step
	for _, n := range numbers {
		key += "-" + strconv.Itoa(n)
	}
	return key
}

// playAll plays every basket. It records a refused basket, and ends the run if the server is gone.
func (s *shop) playAll(ctx context.Context, baskets []basket) ([]played, error) {
	lines := 0
	for _, b := range baskets {
		lines += len(b.Lines)
	}
	tick, done := s.progress.Show("lines", lines)
	defer done()
	all := make([]played, len(baskets))
	return all, client.Parallel(ctx, s.Parallel, len(baskets), func(ctx context.Context, i int) error {
		all[i] = s.play(ctx, i, baskets[i], tick)
		var no *client.Refusal
		if err := all[i].err; err != nil && !errors.As(err, &no) && !errors.Is(err, errNoOrder) {
			return fmt.Errorf("invoice %s: %w", baskets[i].invoice, err)
		}
		return nil
	})
}

var errNoOrder = errors.New("no order")

// play takes one basket from a cart to its order.
func (s *shop) play(ctx context.Context, number int, b basket, tick func()) (p played) {
	var who *guest
	if who, p.err = s.guest(ctx, number, b); p.err != nil {
		return p
	}
	cart, version, err := s.fill(ctx, number, b, who, tick)
	if err != nil {
		p.err = err
		return p
	}
	began := time.Now()
	p.order, p.err = s.checkOut(ctx, client.Call{
		Method: http.MethodPost, Path: "/v1/carts/" + cart + "/checkout", Token: who.token, IfMatch: version, Wait: true,
		Key: s.key("checkout", number), Body: map[string]any{
			"payment_method": "sim_ok", "email": b.email(), "shipping_address": map[string]string{"country": b.country},
		},
	})
	p.took = time.Since(began)
	return p
}

func (b basket) email() string {
	name := "customer-" + b.customer
	if b.customer == "" {
		name = "invoice-" + b.invoice
	}
	return EmailName(name) + "@example.com"
}

// EmailName keeps the characters that any e-mail address may hold.
func EmailName(text string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, text)
}

// guest returns the buyer of a basket, and opens a session at their first purchase.
func (s *shop) guest(ctx context.Context, number int, b basket) (*guest, error) {
	name := "customer " + b.customer
	if b.customer == "" {
		name = "invoice " + b.invoice
	}
	s.mu.Lock()
	g := s.guests[name]
	if g == nil {
		g = &guest{}
		s.guests[name] = g
	}
	s.mu.Unlock()
	g.once.Do(func() {
		type session struct{ Token string }
		opened, _, err := client.Ask[session](ctx, s.client, client.Call{Method: http.MethodPost, Path: "/v1/sessions", Key: s.key("session", number)})
		g.token, g.err = opened.Token, err
	})
	return g, g.err
}

// fill makes a cart and adds the lines one by one. It returns the version with the total of the invoice.
func (s *shop) fill(ctx context.Context, number int, b basket, who *guest, tick func()) (cart, version string, err error) {
	type view struct {
		ID    string
		Total money.Amount
	}
	made, got, err := client.Ask[view](ctx, s.client, client.Call{
		Method: http.MethodPost, Path: "/v1/carts", Token: who.token, Key: s.key("cart", number),
		Body: map[string]string{"currency": TradeCurrency},
	})
	for i, line := range b.Lines {
		if err != nil {
			return "", "", err
		}
		add := client.Call{
			Method: http.MethodPost, Path: "/v1/carts/" + made.ID + "/items", Token: who.token, Key: s.key("line", number, i),
			Body: map[string]any{"sku": line.SKU, "quantity": line.quantity},
		}
		if i < len(b.Lines)-1 {
			got, err = s.client.Do(ctx, add)
		} else if made, got, err = client.Ask[view](ctx, s.client, add); err == nil && made.Total != money.Of(b.total, TradeCurrency) {
			err = fmt.Errorf("%w: the cart asks for %s, the invoice for %s", errNoOrder, made.Total, money.Of(b.total, TradeCurrency))
		}
		tick()
	}
	return made.ID, got.ETag, err
}

// checkOut checks out and waits for the order.
func (s *shop) checkOut(ctx context.Context, begin client.Call) (order string, err error) {
	type view struct {
		ID      string
		OrderID string `json:"order_id"`
		Status  string
	}
	until := time.Now().Add(s.client.Patience)
	checkout, _, err := client.Ask[view](ctx, s.client, begin)
	for err == nil && (checkout.Status == "running" || checkout.Status == "compensating") && time.Now().Before(until) {
		checkout, _, err = client.Ask[view](ctx, s.client, client.Call{
			Method: http.MethodGet, Path: "/v1/checkouts/" + checkout.ID, Token: begin.Token, Wait: true,
		})
	}
	if err == nil && checkout.Status != "completed" {
		err = fmt.Errorf("%w: the checkout %s is %s", errNoOrder, checkout.ID, checkout.Status)
	}
	return checkout.OrderID, err
}
