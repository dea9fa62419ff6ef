package chaos

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"shopping-cart/platform/money"
)

// checkoutRecord is a checkout with all acknowledged answers about it.
type checkoutRecord struct {
	cart, checkout, order, payment string
	method                         string
	total                          money.Amount
	asked                          bool   // a cancellation was requested
	never                          bool   // an answer said that it will not complete
	late                           bool   // an answer said that it is too late for that
	seen                           string // how it ended; "" while unknown

	mu        sync.Mutex
	fulfilled bool
	cancelled bool // the order
	refunds   []refundView
}

// mayEnd returns the allowed ends for the payment method.
func (d *checkoutRecord) mayEnd() []string {
	ends := []string{"failed out_of_stock", "failed provider_unavailable"}
	if d.asked && !d.late {
		ends = append(ends, "cancelled")
	}
	completed := true
	if d.total.Amount > 0 {
		switch d.method {
		case "sim_ok", "sim_refund_flaky", "sim_timeout_applied", "sim_timeout_lost", "sim_flaky", "sim_slow":
		case "sim_insufficient_funds":
			completed, ends = false, append(ends, "failed insufficient_funds")
		case "sim_capture_fails", "sim_void_flaky", "sim_authorization_expires":
			completed, ends = false, append(ends, "failed capture_refused")
		case "sim_requires_action", "sim_duplicate_webhooks", "sim_late_webhooks":
			ends = append(ends, "failed authentication_failed", "failed authentication_expired")
		default:
			completed, ends = false, append(ends, "failed payment_declined")
		}
	}
	if completed && !d.never {
		ends = append(ends, "completed")
	}
	return ends
}

// pay checks the cart out, with current prices if they changed. ok: the cart may be paid for again.
func (c *customer) pay(ctx context.Context, cart cartView, a attempt) (_ *checkoutRecord, ok bool) {
	for range 4 {
		if cart, ok = c.readCart(ctx, cart.ID); !ok {
			return nil, false
		}
		if cart.Status != "open" {
			c.addFinding("cart %s is %s: nothing checks it out", cart.ID, cart.Status)
			return nil, false
		}
		d, refusal, ok := c.checkOut(ctx, cart, a)
		switch {
		case !ok || d != nil:
			return d, ok
		case refusal == "409 price_changed":
			c.count("checkouts", "refused: the price changed")
			if _, ok = c.retry(ctx, c.post("/v1/carts/"+cart.ID+"/reprice", "reprice", nil), "200"); !ok {
				return nil, false
			}
		case refusal == "409 adjustments_stale":
			c.count("checkouts", "refused: the adjustments are stale")
			if !c.readjust(ctx, cart.ID) {
				return nil, false
			}
		case refusal == "412 version_mismatch":
			c.count("checkouts", "refused: the cart changed")
			a.edits = false
		default:
			c.count("checkouts", "refused: "+refusal)
			return nil, false
		}
	}
	return nil, false
}

// checkOut sends all requests of an attempt at once. At most one checkout may begin. If none does, it returns the refusal.
func (c *customer) checkOut(ctx context.Context, cart cartView, a attempt) (_ *checkoutRecord, refusal string, ok bool) {
	d := &checkoutRecord{cart: cart.ID, method: a.method, total: cart.Total}
	first := c.post("/v1/carts/"+cart.ID+"/checkout", "pay", map[string]any{"payment_method": a.method, "email": c.name + "@example.com"})
	first.version, first.wait, first.hangUp = cart.Version, a.wait, a.hangUp
	calls, promised := []call{first}, d.promised(a)
	switch second := first; a.twins {
	case alone:
	case anotherKey:
		second.key = c.key("tab")
		calls = append(calls, second)
	case sameKey:
		calls = append(calls, second)
	}
	answers, well := make([]answer, len(calls)), make([]bool, len(calls))
	var all sync.WaitGroup
	for i, one := range calls {
		all.Go(func() { answers[i], well[i] = c.retry(ctx, one, promised...) })
	}
	if a.edits {
		all.Go(func() { c.edit(ctx, cart) })
	}
	all.Wait()
	if slices.Contains(well, false) {
		return nil, "", false
	}
	won := c.checkWinner(cart, answers)
	if won < 0 {
		return nil, answers[0].outcome(), true
	}
	c.record(d, answers[won])
	if c.follow(ctx, d, a) && a.again {
		c.repeatCheckout(ctx, d, calls[won])
	}
	return d, "", ctx.Err() == nil
}

// promised returns the allowed answers to a checkout.
func (d *checkoutRecord) promised(a attempt) []string {
	all := []string{"202", "409 price_changed", "422 product_inactive", "409 adjustments_stale"}
	if a.wait > 0 {
		all = append(all, "201", "409 out_of_stock", "503 provider_unavailable")
		for _, code := range []string{
			"payment_declined", "insufficient_funds", "capture_refused", "authentication_failed", "authentication_expired",
		} {
			if slices.Contains(d.mayEnd(), "failed "+code) {
				all = append(all, "402 "+code)
			}
		}
	}
	if a.twins == anotherKey || a.edits {
		all = append(all, "409 cart_closed", "412 version_mismatch")
	}
	return all
}

// startedCheckout returns the checkout of an answer; "" if it refused to begin one.
func (a answer) startedCheckout() string {
	if a.ok() {
		return in[checkoutView](a).ID
	}
	if says := a.outcome(); says == "409 cart_closed" || says == "412 version_mismatch" { // they name the checkout of another request
		return ""
	}
	return a.checkout()
}

// checkWinner returns the index of the first answer with a checkout, below 0 if none has one. All must name the same checkout, and at
// most one may say that it has just begun.
func (c *customer) checkWinner(cart cartView, answers []answer) (won int) {
	won, id, first := -1, "", 0
	for i, a := range answers {
		if a.ok() && !a.replayed() {
			first++
		}
		began := a.startedCheckout()
		switch {
		case began == "":
		case won < 0:
			won, id = i, began
		case began != id:
			c.addFinding("cart %s at version %d was checked out twice: %s and %s", cart.ID, cart.Version, id, began)
		}
	}
	if first > 1 {
		c.addFinding("checkout %s was begun %d times", id, first)
	}
	return won
}

// record records an answer about a checkout.
func (c *customer) record(d *checkoutRecord, a answer) {
	d.checkout = a.startedCheckout()
	c.known.add(d)
	c.begun.Add(1)
	if !a.ok() {
		return
	}
	v := in[checkoutView](a)
	if v.Total != d.total {
		c.addFinding("checkout %s is over %s, and the shopper saw %s", v.ID, v.Total, d.total)
	}
	if a.Status == http.StatusCreated && v.Status != "completed" {
		c.addFinding("checkout %s is answered 201 and %s", v.ID, v.Status)
	}
}
