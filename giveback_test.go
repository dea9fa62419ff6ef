package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// TestKilledGivingBack kills the program with kill -9 while orders are refunded and cancelled, and starts it again. The
// operators and shoppers repeat what was not answered, under the same key. In the end each of them has what they asked for,
// once, and nobody but the program did anything for it.
func TestKilledGivingBack(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills and starts the program many times")
	}
	luck := rand.New(rand.NewPCG(seedOf(t), 0))
	h := newHost(t, []string{"DATABASE_URL=" + pgtest.New(t), "PAYMENT_PROVIDER=simulator"})
	h.start(t)
	shelf := []string{h.up(t).sells(t, 450), h.up(t).sells(t, 1999)}
	h.up(t).stocks(t, shelf[0], 1_000_000)
	admin, wide := h.up(t).admin, t.Context()
	closing, closes := context.WithCancel(wide)
	var all sync.WaitGroup
	given := make([][]giveBack, 6)
	for i := range given {
		lots := rand.New(rand.NewPCG(luck.Uint64(), 1))
		all.Go(func() {
			for n := 0; closing.Err() == nil; n++ {
				g, err := givesBack(wide, h, admin, shelf, givers[(i+n)%len(givers)], lots)
				if err != nil {
					t.Errorf("customer %d: %v", i, err)
					return
				}
				given[i] = append(given[i], g)
			}
		})
	}
	for range 4 {
		h.awaitAnswers(t, 20+luck.IntN(60))
		h.kill(t)
		h.start(t)
	}
	h.awaitAnswers(t, 50)
	closes()
	all.Wait()

	s, orders, back := h.up(t), 0, int64(0)
	s.keepsPromises(t) // and all has come to its end
	for _, of := range given {
		for _, g := range of {
			o := s.order(t, g.order)
			require.Equal(t, g.refunded, o.Refunded.Amount, "%+v", g)
			require.Equal(t, g.cancelled, o.Status == order.StatusCancelled, "%+v", g)
			orders, back = orders+1, back+g.refunded
		}
	}
	t.Logf("%d orders, %d given back", orders, back)
}

var givers = []string{"sim_ok", "sim_refund_flaky", "sim_timeout_applied", "sim_flaky", "sim_timeout_lost"}

// giveBack is what was asked for and granted, of one order.
type giveBack struct {
	order     uuid.UUID
	method    string
	refunded  int64 // in pence, or owed
	cancelled bool
}

// givesBack buys, has parts refunded, and perhaps the order cancelled, every request repeated until it is answered.
func givesBack(ctx context.Context, at insister, admin string, shelf []string, method string, luck *rand.Rand) (g giveBack, err error) {
	p, err := buys(ctx, at, shelf, method)
	if err != nil {
		return g, err
	}
	c := checkoutView{Status: saga.Running}
	for c.Status == saga.Running { // killed in the middle, it takes longer than one may ask to wait
		c, err = told[checkoutView](ctx, at, http.MethodGet, "/v1/checkouts/"+p.checkout.String(), p.shopper.token, nil, "Prefer", waiting)
		if err != nil {
			return g, err
		}
	}
	if c.Status != saga.Completed {
		return g, fmt.Errorf("checkout %s is %s", c.ID, c.Status)
	}
	g = giveBack{order: c.OrderID, method: method}
	path := "/v1/orders/" + c.OrderID.String()
	for range luck.IntN(3) {
		pence := 1 + luck.Int64N(1500)
		body := map[string]any{"reason": "Broken.", "amount": gbp(pence)}
		if _, err = told[refundView](ctx, at, http.MethodPost, path+"/refunds", admin, body, "Idempotency-Key", uuid.NewString()); err != nil {
			return g, err
		}
		g.refunded += pence
	}
	if luck.IntN(2) == 0 {
		body := map[string]any{"reason": "Ordered twice."}
		_, err = told[orderView](ctx, at, http.MethodPost, path+"/cancel", p.shopper.token, body, "Idempotency-Key", uuid.NewString())
		g.refunded, g.cancelled = c.Total.Amount, true
	}
	return g, err
}
