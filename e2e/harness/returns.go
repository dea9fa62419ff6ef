//go:build !windows

package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/google/uuid"

	"shopping-cart/saga"
)

var ReturnMethods = []string{"sim_ok", "sim_refund_flaky", "sim_timeout_applied", "sim_flaky", "sim_timeout_lost"}

// Return records the granted requests about one order.
type Return struct {
	Order     uuid.UUID
	method    string
	Refunded  int64 // in pence, or owed
	Cancelled bool
}

// BuyAndReturn buys, refunds parts, and sometimes cancels the order. It repeats every request until it is answered.
func BuyAndReturn(ctx context.Context, at Retrier, admin string, shelf []string, method string, luck *rand.Rand) (g Return, err error) {
	p, err := Buy(ctx, at, shelf, method)
	if err != nil {
		return g, err
	}
	c := CheckoutView{Status: saga.Running}
	for c.Status == saga.Running { // after a kill it may take longer than the longest Prefer: wait
		c, err = RetryAs[CheckoutView](ctx, at, http.MethodGet, "/v1/checkouts/"+p.Checkout.String(), p.Shopper.Token, nil, "Prefer", Waiting)
		if err != nil {
			return g, err
		}
	}
	if c.Status != saga.Completed {
		return g, fmt.Errorf("checkout %s is %s", c.ID, c.Status)
	}
	g = Return{Order: c.OrderID, method: method}
	path := "/v1/orders/" + c.OrderID.String()
	for range luck.IntN(3) {
		pence := 1 + luck.Int64N(1500)
		body := map[string]any{"reason": "Broken.", "amount": GBP(pence)}
		if _, err = RetryAs[RefundView](ctx, at, http.MethodPost, path+"/refunds", admin, body, "Idempotency-Key", uuid.NewString()); err != nil {
			return g, err
		}
		g.Refunded += pence
	}
	if luck.IntN(2) == 0 {
		body := map[string]any{"reason": "Ordered twice."}
		_, err = RetryAs[OrderView](ctx, at, http.MethodPost, path+"/cancel", p.Shopper.Token, body, "Idempotency-Key", uuid.NewString())
		g.Refunded, g.Cancelled = c.Total.Amount, true
	}
	return g, err
}
