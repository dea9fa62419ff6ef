package chaos

import (
	"context"
	"net/http"
	"sync"

	"shopping-cart/platform/money"
)

// runAftersales plays the time after the payment. The order is fulfilled, refunded in part or in whole, or cancelled, with several
// of these at once.
func (c *customer) runAftersales(ctx context.Context, d *checkoutRecord, e scenario) {
	var all sync.WaitGroup
	for _, st := range e.after {
		do := c.step(d, st)
		times := 1
		if st.twice {
			times = 2
		}
		for range times {
			all.Go(func() { do(ctx) })
		}
		if !e.atOnce {
			all.Wait()
		}
	}
	all.Wait()
}

// step returns a prepared request about an order. Sent twice it is the same request.
func (c *customer) step(d *checkoutRecord, st step) func(ctx context.Context) {
	path := "/v1/orders/" + d.order
	switch st.what {
	case stepFulfil:
		fulfil := c.post(path+"/fulfil", "fulfil", nil)
		fulfil.token = c.operator
		return func(ctx context.Context) {
			a, ok := c.retry(ctx, fulfil, "200", "409 order_cancelling", "409 order_cancelled", "409 order_refunded", "409 already_fulfilled")
			if ok {
				c.count("fulfilments", a.outcome())
				d.update(func() { d.fulfilled = d.fulfilled || a.ok() })
			}
		}
	case stepRefund:
		return c.refund(d, path, st.part)
	case stepCancel:
		cancel := c.post(path+"/cancel", "take back", map[string]any{"reason": "It was not wanted after all."})
		return func(ctx context.Context) {
			a, ok := c.retry(ctx, cancel, "202", "409 already_fulfilled")
			if ok {
				c.count("cancellations of orders", a.outcome())
				d.update(func() { d.cancelled = d.cancelled || a.ok() })
			}
		}
	case stepReadTimeline:
		return func(ctx context.Context) {
			c.retry(ctx, call{method: http.MethodGet, path: path + "/timeline", token: c.token}, "200")
		}
	}
	panic("a step of no kind: " + st.what)
}

func (c *customer) refund(d *checkoutRecord, path string, percent int) func(ctx context.Context) {
	body := map[string]any{"reason": "One was broken."}
	if percent > 0 {
		body["amount"] = money.Of(max(1, d.total.Amount*int64(percent)/100), d.total.Currency)
	}
	refund := c.post(path+"/refunds", "refund", body)
	refund.token, refund.wait = c.operator, percent%2*2
	return func(ctx context.Context) {
		a, ok := c.retry(ctx, refund, "201", "202", "422 exceeds_captured", "409 not_captured", "409 refund_failed")
		if !ok {
			return
		}
		c.count("refunds", a.outcome())
		if a.ok() {
			d.update(func() { d.refunds = append(d.refunds, in[refundView](a)) })
		}
	}
}

// update records an acknowledged change of its order.
func (d *checkoutRecord) update(note func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	note()
}
