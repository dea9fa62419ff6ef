package tools

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

	"shopping-cart/platform/money"
)

// shop plays baskets through the API as its storefront would.
type shop struct {
	client   *client
	operator string // token
	run      string // part of every key, so that each run is new to the server
	abreast  int
	progress progress

	mu     sync.Mutex
	guests map[string]*guest // those of this run, by customer, or by invoice when nobody said who bought
}

// guest is a shopper with a session.
type guest struct {
	once  sync.Once
	token string
	err   error
}

// played is what became of a basket.
type played struct {
	order string        // its id; empty when it came to none
	took  time.Duration // from sending the checkout until its end
	err   error         // why it came to no order
}

// stock puts the products into the price book.
func (s *shop) stock(ctx context.Context, products []product) error {
	tick, done := s.progress.show("products", len(products))
	defer done()
	return abreast(ctx, s.abreast, len(products), func(ctx context.Context, i int) error {
		p := products[i]
		_, err := s.client.do(ctx, call{
			method: http.MethodPut, path: "/v1/products/" + url.PathEscape(p.SKU), token: s.operator, key: s.key("product", i),
			body: map[string]any{"name": p.Name, "price": money.Of(p.Price, tradeCurrency)},
		})
		tick()
		return err
	})
}

// key is the Idempotency-Key of one step of this run.
func (s *shop) key(step string, numbers ...int) string {
	key := s.run + "-" + step
	for _, n := range numbers {
		key += "-" + strconv.Itoa(n)
	}
	return key
}

// playAll plays every basket. A basket that the server refuses is noted; a server that is gone ends the run.
func (s *shop) playAll(ctx context.Context, baskets []basket) ([]played, error) {
	lines := 0
	for _, b := range baskets {
		lines += len(b.lines)
	}
	tick, done := s.progress.show("lines", lines)
	defer done()
	all := make([]played, len(baskets))
	return all, abreast(ctx, s.abreast, len(baskets), func(ctx context.Context, i int) error {
		all[i] = s.play(ctx, i, baskets[i], tick)
		var no *refusal
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
	p.order, p.err = s.checkOut(ctx, call{
		method: http.MethodPost, path: "/v1/carts/" + cart + "/checkout", token: who.token, ifMatch: version, wait: true,
		key: s.key("checkout", number), body: map[string]any{
			"payment_method": "sim_ok", "email": b.email(), "shipping_address": map[string]string{"country": b.country},
		},
	})
	p.took = time.Since(began)
	return p
}

// email is where the order goes.
func (b basket) email() string {
	name := "customer-" + b.customer
	if b.customer == "" {
		name = "invoice-" + b.invoice
	}
	return plain(name) + "@example.com"
}

// plain keeps what an address takes without question.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, text)
}

// guest is whoever buys a basket; their session is opened when they buy first.
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
		opened, _, err := ask[session](ctx, s.client, call{method: http.MethodPost, path: "/v1/sessions", key: s.key("session", number)})
		g.token, g.err = opened.Token, err
	})
	return g, g.err
}

// fill makes a cart and adds the lines one by one. It gives the version at which the total is that of the invoice.
func (s *shop) fill(ctx context.Context, number int, b basket, who *guest, tick func()) (cart, version string, err error) {
	type view struct {
		ID    string
		Total money.Amount
	}
	made, got, err := ask[view](ctx, s.client, call{
		method: http.MethodPost, path: "/v1/carts", token: who.token, key: s.key("cart", number),
		body: map[string]string{"currency": tradeCurrency},
	})
	for i, line := range b.lines {
		if err != nil {
			return "", "", err
		}
		add := call{
			method: http.MethodPost, path: "/v1/carts/" + made.ID + "/items", token: who.token, key: s.key("line", number, i),
			body: map[string]any{"sku": line.sku, "quantity": line.quantity},
		}
		if i < len(b.lines)-1 {
			got, err = s.client.do(ctx, add)
		} else if made, got, err = ask[view](ctx, s.client, add); err == nil && made.Total != money.Of(b.total, tradeCurrency) {
			err = fmt.Errorf("%w: the cart asks for %s, the invoice for %s", errNoOrder, made.Total, money.Of(b.total, tradeCurrency))
		}
		tick()
	}
	return made.ID, got.etag, err
}

// checkOut checks out and waits for the order.
func (s *shop) checkOut(ctx context.Context, begin call) (order string, err error) {
	type view struct {
		ID      string
		OrderID string `json:"order_id"`
		Status  string
	}
	until := time.Now().Add(s.client.patience)
	checkout, _, err := ask[view](ctx, s.client, begin)
	for err == nil && (checkout.Status == "running" || checkout.Status == "compensating") && time.Now().Before(until) {
		checkout, _, err = ask[view](ctx, s.client, call{
			method: http.MethodGet, path: "/v1/checkouts/" + checkout.ID, token: begin.token, wait: true,
		})
	}
	if err == nil && checkout.Status != "completed" {
		err = fmt.Errorf("%w: the checkout %s is %s", errNoOrder, checkout.ID, checkout.Status)
	}
	return checkout.OrderID, err
}
