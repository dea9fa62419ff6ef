package chaos

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"shopping-cart/platform/money"
)

// customer is a shopper on one scenario, with an account of their own.
type customer struct {
	*shop
	name  string
	token string
	keys  int
}

// shopper runs scenarios until the shop closes.
func (s *shop) shopper(ctx context.Context, n int) {
	random := s.source(ofShopper, n)
	for round := 0; s.closing.Err() == nil && ctx.Err() == nil; round++ {
		c := &customer{shop: s, name: fmt.Sprintf("shopper-%d-%d", n, round)}
		var err error
		if c.token, err = s.Mint(c.name); err != nil {
			s.addFinding("%v", err)
			return
		}
		c.run(ctx, s.drawScenario(random))
	}
}

// run runs the scenario. An answer that was not promised is a finding and ends the scenario.
func (c *customer) run(ctx context.Context, e scenario) {
	cart, ok := c.openCart(ctx, e)
	if !ok {
		return
	}
	for _, a := range e.payments {
		d, ok := c.pay(ctx, cart, a)
		if !ok {
			return
		}
		if d.seen == "completed" {
			c.runAftersales(ctx, d, e)
			return
		}
		if d.seen == "" { // left without waiting: the state of the cart is unknown
			return
		}
	}
}

// key returns a new key for each call.
func (c *customer) key(what string) string {
	c.keys++
	return fmt.Sprintf("%s-%s-%d", what, c.name, c.keys)
}

func (c *customer) post(path, what string, body any) call {
	return call{method: http.MethodPost, path: path, token: c.token, key: c.key(what), body: body}
}

var whileFilling = []string{"200", "422 product_inactive"}

// openCart opens a cart and fills it from all tabs at once. It requires that the cart holds exactly the acknowledged items.
func (c *customer) openCart(ctx context.Context, e scenario) (cartView, bool) {
	a, ok := c.retry(ctx, c.post("/v1/carts", "open", map[string]any{"currency": e.currency}), "201")
	if !ok {
		return cartView{}, false
	}
	cart, own, wanted := in[cartView](a), e.basket, map[string]int64{}
	if e.guest && len(own) > 1 {
		if !c.mergeGuestCart(ctx, cart, own[:1], wanted) {
			return cart, false
		}
		own = own[1:]
	}
	if !c.addItems(ctx, cart, c.token, own, e.tabs, wanted) {
		return cart, false
	}
	cart, ok = c.readCart(ctx, cart.ID)
	if ok && !c.checkItems(cart, wanted) || !ok || len(cart.Items) == 0 {
		return cart, false
	}
	return c.adjust(ctx, cart, e.coupon)
}

// addItems adds all of a basket, and the acknowledged items to wanted.
func (c *customer) addItems(ctx context.Context, cart cartView, token string, basket []pick, tabs int, wanted map[string]int64) bool {
	var all sync.WaitGroup
	var mu sync.Mutex
	well := true
	for tab := range tabs {
		adds := make([]call, 0, len(basket))
		for i := tab; i < len(basket); i += tabs {
			add := c.post("/v1/carts/"+cart.ID+"/items", "add", map[string]any{"sku": c.shelf[basket[i].product].sku, "quantity": basket[i].quantity})
			add.token = token
			adds = append(adds, add)
		}
		all.Go(func() {
			for i, add := range adds {
				a, ok := c.retry(ctx, add, whileFilling...)
				mu.Lock()
				if p := basket[tab+i*tabs]; ok && a.ok() {
					wanted[c.shelf[p.product].sku] += int64(p.quantity)
				}
				well = well && ok
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return well
}

// mergeGuestCart fills a guest's cart and merges it.
func (c *customer) mergeGuestCart(ctx context.Context, cart cartView, basket []pick, wanted map[string]int64) bool {
	a, ok := c.retry(ctx, call{method: http.MethodPost, path: "/v1/sessions"}, "201")
	if !ok {
		return false
	}
	guest := in[struct{ Token string }](a).Token
	open := c.post("/v1/carts", "guest", map[string]any{"currency": c.shelf[basket[0].product].currency})
	open.token = guest
	if a, ok = c.retry(ctx, open, "201"); !ok {
		return false
	}
	source := in[cartView](a)
	if !c.addItems(ctx, source, guest, basket, 1, wanted) {
		return false
	}
	merge := c.post("/v1/carts/"+cart.ID+"/merge", "merge", map[string]any{"source_cart_id": source.ID, "source_token": guest})
	_, ok = c.retry(ctx, merge, "200", "422 product_inactive")
	c.count("carts", "merged")
	return ok
}

func (c *customer) readCart(ctx context.Context, cart string) (cartView, bool) {
	a, ok := c.retry(ctx, call{method: http.MethodGet, path: "/v1/carts/" + cart, token: c.token}, "200")
	return in[cartView](a), ok
}

// checkItems requires that no acknowledged edit is lost and none was made twice.
func (c *customer) checkItems(cart cartView, wanted map[string]int64) bool {
	there := map[string]int64{}
	for _, i := range cart.Items {
		there[i.SKU] += i.Quantity
	}
	right := len(there) == len(wanted)
	for sku, n := range wanted {
		right = right && there[sku] == n
	}
	if !right {
		c.addFinding("cart %s holds %v; acknowledged were %v", cart.ID, there, wanted)
	}
	c.count("carts", "filled")
	return right
}

// adjust adjusts the total as staff.
func (c *customer) adjust(ctx context.Context, cart cartView, with coupon) (cartView, bool) {
	amount := money.Of(0, cart.Total.Currency)
	for _, line := range cart.Items {
		amount.Amount += line.LineTotal.Amount
	}
	switch with {
	case noCoupon:
		return cart, true
	case shipping:
		amount.Amount = 350
	case gift:
		amount.Amount = -amount.Amount
	}
	change := c.post("/v1/carts/"+cart.ID+"/adjustments", "adjust", map[string]any{
		"adjustments": []any{map[string]any{"code": "shop", "label": "By the shop", "amount": amount}},
	})
	change.method, change.token = http.MethodPut, c.operator
	a, ok := c.retry(ctx, change, "200")
	return in[cartView](a), ok
}

// readjust repeats the adjustments as staff after the cart has changed.
func (c *customer) readjust(ctx context.Context, id string) bool {
	cart, ok := c.readCart(ctx, id)
	if !ok || len(cart.Adjustments) == 0 {
		return ok
	}
	with := shipping
	if cart.Adjustments[0].Amount.Amount < 0 {
		with = gift
	}
	_, ok = c.adjust(ctx, cart, with)
	return ok
}

// edit sets the quantity of the first line to its current value, so that it disturbs the checkout but not the total.
func (c *customer) edit(ctx context.Context, cart cartView) {
	edit := c.post("/v1/carts/"+cart.ID+"/items/"+url.PathEscape(cart.Items[0].SKU), "edit", map[string]any{"quantity": cart.Items[0].Quantity + 1})
	edit.method = http.MethodPatch
	a, _ := c.retry(ctx, edit, "200", "409 cart_closed")
	c.count("carts", "edited while paid: "+a.outcome())
}
