package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"shopping-cart/client"
	"shopping-cart/internal/replay"
	"shopping-cart/platform/money"
)

// market is the shop during the demo.
type market struct {
	client   *client.Client
	operator string // token
	run      string // part of every key, so that the keys of each run are new to the server
	products []replay.Product
	baskets  [][]replay.Product

	mu             sync.Mutex
	dice           *rand.Rand
	came           int
	outcomes       map[string]int
	sold, refunded int64 // pence
	broken         error // the first error that was not a refusal
}

func (m *market) key(parts ...any) string {
	return strings.ReplaceAll(fmt.Sprint(append([]any{m.run}, parts...)...), " ", "-")
}

// gap returns the random time until the next customer.
func (m *market) gap(rate float64) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Duration(m.dice.ExpFloat64() / rate * float64(time.Second))
}

func (m *market) numbers() numbers {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := numbers{
		Customers: m.came, Inside: m.came, Outcomes: map[string]int{},
		Sold: money.Of(m.sold, replay.TradeCurrency), Refunded: money.Of(m.refunded, replay.TradeCurrency),
	}
	for outcome, times := range m.outcomes {
		n.Outcomes[outcome] = times
		n.Inside -= times
	}
	return n
}

// failed returns the first error if no customer reached an outcome that a shop knows.
func (m *market) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.outcomes) == 1 && m.outcomes["lost"] > 0 {
		return m.broken
	}
	return nil
}

// cards are cards of the simulator, repeated by their frequency.
var cards = []string{
	"sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok",
	"sim_requires_action", "sim_requires_action", "sim_requires_action", "sim_requires_action",
	"sim_declined", "sim_declined", "sim_insufficient_funds", "sim_slow", "sim_flaky", "sim_timeout_applied", "sim_timeout_lost",
	"sim_capture_fails", "sim_refund_flaky", "sim_duplicate_webhooks",
}

var names = []string{"Ada", "Grace", "Barbara", "Edsger", "Tony", "Leslie", "Radia", "Katherine", "Alan", "Margaret", "Niklaus", "Frances"}

// visit is one customer. All random choices are drawn at the start, so that a seed draws the same customers again.
type visit struct {
	*market
	number  int
	name    string // signs in; empty: stays a guest
	goods   []replay.Product
	amounts []int
	card    string
	leaves  bool    // without paying
	atBank  float64 // approves below 0.65, denies below 0.8, otherwise does nothing
	after   float64 // cancels below 0.12, is shipped below 0.5, gets a partial refund below 0.56
	token   string
}

func (m *market) customer() *visit {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dice
	m.came++
	v := &visit{market: m, number: m.came, card: cards[d.IntN(len(cards))], leaves: d.Float64() < 0.1, atBank: d.Float64(), after: d.Float64()}
	if d.Float64() < 0.3 {
		v.name = names[d.IntN(len(names))]
	}
	basket := m.baskets[d.IntN(len(m.baskets))]
	for _, i := range d.Perm(len(basket))[:min(len(basket), 1+d.IntN(4))] {
		v.goods, v.amounts = append(v.goods, basket[i]), append(v.amounts, 1+d.IntN(3))
	}
	return v
}

// run plays the whole visit.
func (v *visit) run(ctx context.Context) {
	outcome, err := v.buy(ctx)
	var no *client.Refusal
	if errors.As(err, &no) {
		outcome = no.Code
	} else if err != nil {
		outcome = "lost"
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.outcomes[outcome]++
	if outcome == "lost" && v.broken == nil {
		v.broken = err
	}
}

type seenCart struct{ ID string }

func (v *visit) buy(ctx context.Context) (outcome string, err error) {
	type session struct{ Token string }
	guest, _, err := client.Ask[session](ctx, v.client, client.Call{Method: http.MethodPost, Path: "/v1/sessions", Key: v.step("session")})
	if err != nil {
		return "", err
	}
	v.token = guest.Token
	word, _, _ := strings.Cut(v.goods[0].Name, " ")
	if _, err := v.client.Do(ctx, client.Call{Method: http.MethodGet, Path: "/v1/products?q=" + url.QueryEscape(word)}); err != nil {
		return "", err
	}
	cart, etag, err := v.fillCart(ctx)
	if err != nil || v.leaves {
		return "left_a_full_cart", err
	}
	if v.name != "" {
		if cart, etag, err = v.signIn(ctx, cart); err != nil {
			return "", err
		}
	}
	return v.pay(ctx, cart, etag)
}

func (v *visit) fillCart(ctx context.Context) (cart, etag string, err error) {
	made, got, err := client.Ask[seenCart](ctx, v.client, v.post("/v1/carts", "cart", map[string]any{"currency": replay.TradeCurrency}))
	for i, p := range v.goods {
		if err != nil {
			return "", "", err
		}
		line := map[string]any{"sku": p.SKU, "quantity": v.amounts[i]}
		got, err = v.client.Do(ctx, v.post("/v1/carts/"+made.ID+"/items", fmt.Sprint("line", i), line))
	}
	return made.ID, got.ETag, err
}

// signIn merges the guest's cart into one of the customer's.
func (v *visit) signIn(ctx context.Context, guests string) (cart, etag string, err error) {
	type signedIn struct{ Token string }
	guest := v.token
	in, _, err := client.Ask[signedIn](ctx, v.client, client.Call{Method: http.MethodPost, Path: "/shop/sign-in", Body: map[string]any{"name": v.name}})
	if err != nil {
		return "", "", err
	}
	v.token = in.Token
	made, _, err := client.Ask[seenCart](ctx, v.client, v.post("/v1/carts", "own cart", map[string]any{"currency": replay.TradeCurrency}))
	if err != nil {
		return "", "", err
	}
	source := map[string]any{"source_cart_id": guests, "source_token": guest}
	got, err := v.client.Do(ctx, v.post("/v1/carts/"+made.ID+"/merge", "merge", source))
	return made.ID, got.ETag, err
}

type seenCheckout struct {
	ID        string
	OrderID   string `json:"order_id"`
	PaymentID string `json:"payment_id"`
	Status    string
	Total     money.Amount
	Failure   *struct{ Code string }
}

func (v *visit) pay(ctx context.Context, cart, etag string) (outcome string, err error) {
	pay := v.post("/v1/carts/"+cart+"/checkout", "checkout", map[string]any{
		"payment_method": v.card, "email": "customer-" + replay.EmailName(v.name) + "@example.com",
		"shipping_address": map[string]string{"name": v.name, "city": "London"},
	})
	pay.IfMatch, pay.Wait = etag, true
	checkout, _, err := client.Ask[seenCheckout](ctx, v.client, pay)
	for answered := false; err == nil; {
		switch checkout.Status {
		case "completed":
			v.book(&v.sold, checkout.Total)
			return v.afterwards(ctx, checkout)
		case "failed", "cancelled":
			return checkout.Failure.Code, nil
		case "needs_attention":
			return checkout.Status, nil
		case "requires_action":
			if !answered && v.atBank >= 0.8 {
				return "left_at_the_bank", nil
			}
			if answered { // the bank's webhook is on its way
				err = client.Sleep(ctx, client.ShortestWait)
			} else {
				answered, err = true, v.answerBank(ctx, checkout.PaymentID)
			}
		}
		if err == nil {
			again := client.Call{Method: http.MethodGet, Path: "/v1/checkouts/" + checkout.ID, Token: v.token, Wait: true}
			checkout, _, err = client.Ask[seenCheckout](ctx, v.client, again)
		}
	}
	return "", err
}

func (v *visit) answerBank(ctx context.Context, payment string) error {
	word := "approve"
	if v.atBank >= 0.65 {
		word = "deny"
	}
	_, err := v.client.Do(ctx, client.Call{Method: http.MethodPost, Path: "/simulator/payments/" + payment + "/" + word})
	return err
}

// afterwards plays the time after the payment of an order.
func (v *visit) afterwards(ctx context.Context, bought seenCheckout) (outcome string, err error) {
	order, some := "/v1/orders/"+bought.OrderID, money.Of(min(bought.Total.Amount, 100), replay.TradeCurrency)
	operator := func(do client.Call) client.Call {
		do.Token = v.operator
		return do
	}
	switch {
	case v.after < 0.12:
		_, err = v.client.Do(ctx, v.post(order+"/cancel", "cancel", map[string]any{"reason": "I found a nicer one."}))
		v.book(&v.refunded, bought.Total)
		return "cancelled_the_order", err
	case v.after < 0.5:
		_, err = v.client.Do(ctx, operator(v.post(order+"/fulfil", "fulfil", nil)))
	case v.after < 0.56:
		_, err = v.client.Do(ctx, operator(v.post(order+"/refunds", "refund", map[string]any{"amount": some, "reason": "A scratch."})))
		v.book(&v.refunded, some)
	}
	return "bought", err
}

func (v *visit) book(sum *int64, amount money.Amount) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*sum += amount.Amount
}

func (v *visit) step(name string) string { return v.key(v.number, strings.ReplaceAll(name, " ", "-")) }

func (v *visit) post(path, step string, body any) client.Call {
	return client.Call{Method: http.MethodPost, Path: path, Token: v.token, Key: v.step(step), Body: body}
}
