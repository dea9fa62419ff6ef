package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// asProgram, set, makes a test binary the program itself.
const asProgram = "SHOPPING_CART_TEST_AS_PROGRAM"

var seed = flag.Uint64("seed", 0, "of all that tests leave to chance; chosen and printed when 0")

// seedOf is what repeats a test's chances.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	from := *seed
	for from == 0 {
		from = rand.Uint64()
	}
	t.Logf("again with -seed=%d", from)
	return from
}

// TestKilled kills the program with kill -9 while shoppers check out, and starts it again. The shoppers repeat what was not
// answered, under the same key. In the end everything that was acknowledged is there, every promise is kept, and nobody
// but the program did anything for it.
func TestKilled(t *testing.T) {
	t.Parallel()
	from := seedOf(t)
	for name, c := range map[string]struct {
		kills    int
		database func(*testing.T) []string // settings
	}{
		"WithItsOwnPostgres": {10, func(*testing.T) []string { return nil }},
		"OnAServer": {4, func(t *testing.T) []string {
			return []string{"DATABASE_URL=" + pgtest.New(t), "PAYMENT_PROVIDER=simulator"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				t.Skip("kills and starts the program many times")
			}
			underFire(t, rand.New(rand.NewPCG(from, uint64(c.kills))), c.kills, c.database(t))
		})
	}
}

const buyers = 8

func underFire(t *testing.T, luck *rand.Rand, kills int, database []string) {
	h := newHost(t, database)
	h.start(t)
	shelf := []string{h.up(t).sells(t, 450), h.up(t).sells(t, 1999)}
	h.up(t).stocks(t, shelf[0], 60) // some go away empty-handed

	shopping, giveUp := context.WithCancel(t.Context())
	closing, closes := context.WithCancel(shopping)
	var all sync.WaitGroup
	defer func() { // nobody shops on when the test has failed
		giveUp()
		all.Wait()
	}()
	bought := make([][]purchase, buyers)
	for i := range buyers {
		all.Go(func() {
			for n := 0; closing.Err() == nil; n++ {
				p, err := buys(shopping, h, shelf, methods[(i+n)%len(methods)])
				if shopping.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("buyer %d: %v", i, err)
					return
				}
				bought[i] = append(bought[i], p)
			}
		})
	}
	for range kills {
		h.awaitAnswers(t, 5+luck.IntN(60))
		h.kill(t)
		h.start(t)
	}
	h.awaitAnswers(t, 50)
	closes()
	everybody := make(chan struct{})
	go func() {
		all.Wait()
		close(everybody)
	}()
	select {
	case <-everybody:
	case <-time.After(2 * patience):
		t.Fatal("somebody is never answered")
	}

	s := h.up(t)
	s.keepsPromises(t)
	for _, p := range slices.Concat(bought...) {
		p.isKept(t, s)
	}
	t.Logf("%d checkouts, %d times killed", len(slices.Concat(bought...)), kills)
}

// methods are those that end by themselves. Some are patient with calls that were cut off.
var methods = []string{"sim_ok", "sim_ok", "sim_ok", "sim_flaky", "sim_declined", "sim_timeout_applied", "sim_capture_fails", "sim_timeout_lost"}

// purchase is what a shopper was told.
type purchase struct {
	shopper  shopper
	cart     cartView
	checkout uuid.UUID
	method   string
	status   int // of the answer
}

// isKept: what was acknowledged is still so.
func (p purchase) isKept(t *testing.T, s *site) {
	t.Helper()
	me := shopper{s, p.shopper.token, p.shopper.id}
	now := me.cart(t, p.cart.ID)
	require.Equal(t, p.cart.Items, now.Items)
	end := me.checkout(t, p.checkout)
	switch p.status {
	case http.StatusCreated:
		require.Equal(t, saga.Completed, end.Status)
	case http.StatusPaymentRequired, http.StatusConflict:
		require.Equal(t, saga.Failed, end.Status)
	}
	if end.Status == saga.Completed {
		require.NotContains(t, []string{"sim_declined", "sim_capture_fails"}, p.method)
		require.Equal(t, cart.StatusCheckedOut, now.Status)
		require.Len(t, get[list[orderView]](t, s, "/v1/orders", me.token).Data, 1)
	} else {
		require.Equal(t, cart.StatusOpen, now.Status)
	}
}

// buys is a whole purchase, every request of it repeated until it is answered.
func buys(ctx context.Context, at insister, shelf []string, method string) (p purchase, err error) {
	p.method = method
	session, err := told[web.Session](ctx, at, http.MethodPost, "/v1/sessions", "", nil)
	if err != nil {
		return p, err
	}
	p.shopper = shopper{token: session.Token, id: session.CustomerID}
	key := uuid.NewString()
	p.cart, err = told[cartView](ctx, at, http.MethodPost, "/v1/carts", session.Token, map[string]any{"currency": "GBP"}, "Idempotency-Key", key)
	for i, sku := range shelf {
		if err != nil {
			return p, err
		}
		p.cart, err = told[cartView](ctx, at, http.MethodPost, "/v1/carts/"+p.cart.ID.String()+"/items", session.Token,
			map[string]any{"sku": sku, "quantity": 1 + i}, "Idempotency-Key", fmt.Sprint(key, i))
		if err == nil && p.cart.Items[i].Quantity != int64(1+i) {
			err = fmt.Errorf("of %s %d were asked for, and %d are in the cart", sku, 1+i, p.cart.Items[i].Quantity)
		}
	}
	if err != nil {
		return p, err
	}
	a, err := at.insists(ctx, http.MethodPost, checkoutPath(p.cart), session.Token, paying(method),
		"Idempotency-Key", key+"-checkout", "If-Match", tag(p.cart.Version), "Prefer", "wait=5")
	if err != nil {
		return p, err
	}
	p.status = a.StatusCode
	switch a.StatusCode {
	case http.StatusCreated, http.StatusAccepted:
		p.checkout, err = member(a, "id")
	case http.StatusPaymentRequired, http.StatusConflict:
		p.checkout, err = member(a, "checkout_id")
	default:
		err = fmt.Errorf("%s: %s", a.Status, a.body)
	}
	return p, err
}
