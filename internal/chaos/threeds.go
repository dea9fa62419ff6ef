package chaos

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// follow acts as the shopper during a checkout and waits for its end, unless they leave.
func (c *customer) follow(ctx context.Context, d *checkoutRecord, a attempt) (ended bool) {
	meddles := a.cancels || a.gives || a.operated
	if meddles {
		pause(ctx, a.think)
	}
	if a.cancels {
		c.cancel(ctx, d)
	}
	if a.gives {
		c.compensate(ctx, d)
	}
	if a.operated {
		retry := call{method: http.MethodPost, path: "/v1/admin/sagas/" + d.checkout + "/retry", token: c.operator, key: c.key("retry")}
		c.retry(ctx, retry, "202", "409 saga_ended")
	}
	atBank := false
	for until := time.Now().Add(patience); ctx.Err() == nil; {
		a0, ok := c.retry(ctx, call{method: http.MethodGet, path: "/v1/checkouts/" + d.checkout, token: c.token, wait: 5}, "200")
		if !ok {
			return false
		}
		v := in[checkoutView](a0)
		if d.order = v.OrderID; v.PaymentID != nil && d.payment == "" {
			d.payment = *v.PaymentID
			if a.hints {
				c.sendHints(ctx, d.payment)
			}
		}
		switch {
		case v.ended():
			c.recordEnd(d, v)
			return true
		case a.leaves:
			c.count("checkouts", "left to themselves")
			return false
		case v.Status == "requires_action" && !atBank:
			atBank = true
			c.authenticate(ctx, d, a)
		case v.Status == "requires_action", v.Status == "needs_attention":
			pause(ctx, time.Second/2)
		}
		if time.Now().After(until) {
			c.addFinding("checkout %s is %s, and does not end", d.checkout, v.Status)
			return false
		}
	}
	return false
}

// recordEnd compares the end of a checkout with its allowed ends.
func (c *customer) recordEnd(d *checkoutRecord, v checkoutView) {
	d.seen = v.end()
	c.count(soFar, v.Status)
	if !slices.Contains(d.mayEnd(), d.seen) {
		c.addFinding("checkout %s of %s, paid with %q, is %s; allowed were %v", d.checkout, d.total, d.method, d.seen, d.mayEnd())
	}
}

func (c *customer) cancel(ctx context.Context, d *checkoutRecord) {
	d.asked = true
	a, ok := c.retry(ctx, c.post("/v1/checkouts/"+d.checkout+"/cancel", "cancel", nil), "200", "202", "409 too_late", "409 checkout_failed")
	if !ok {
		return
	}
	c.count("cancellations of checkouts", a.outcome())
	d.never = d.never || a.ok()
	d.late = a.outcome() == "409 too_late"
}

// compensate aborts the checkout as an operator, whatever its outcome.
func (c *customer) compensate(ctx context.Context, d *checkoutRecord) {
	give := call{
		method: http.MethodPost, path: "/v1/admin/sagas/" + d.checkout + "/compensate", token: c.operator, key: c.key("give"),
		body: map[string]any{"reason": "It is not wanted."},
	}
	a, ok := c.retry(ctx, give, "202", "409 saga_ended", "409 already_compensating", "409 too_late")
	if !ok {
		return
	}
	c.count("checkouts aborted by operators", a.outcome())
	if a.ok() {
		d.asked, d.late = true, false
		d.never = d.never || d.total.Amount > 0 // with nothing to pay, the confirmation may have been faster
	}
}

// authenticate acts as the shopper at the bank.
func (c *customer) authenticate(ctx context.Context, d *checkoutRecord, a attempt) {
	pause(ctx, a.think)
	says := func(word string) {
		_, ok := c.retry(ctx, call{method: http.MethodPost, path: "/simulator/payments/" + d.payment + "/" + word}, "200", "409 not_waiting")
		if ok {
			c.count("at the bank", word)
		}
	}
	switch a.bank {
	case approves:
		says("approve")
	case approvesTwice:
		says("approve")
		says("approve")
	case denies:
		says("deny")
	case ignores:
		c.count("at the bank", "nothing")
	case approvesLate:
		pause(ctx, ActionTTL+a.think)
		says("approve")
	case approvesAndCancels:
		says("approve")
		c.cancel(ctx, d)
	}
}

// repeatCheckout repeats the request after the end. The answer must show the current state and begin nothing.
func (c *customer) repeatCheckout(ctx context.Context, d *checkoutRecord, first call) {
	first.hangUp, first.wait = 0, 2
	promised := map[string]string{"completed": "201", "cancelled": "202"}[d.seen]
	if promised == "" {
		code := d.seen[len("failed "):]
		promised = map[string]string{"out_of_stock": "409 ", "provider_unavailable": "503 "}[code]
		if promised == "" {
			promised = "402 "
		}
		promised += code
	}
	a, ok := c.retry(ctx, first, promised)
	if ok && (a.startedCheckout() != d.checkout || a.ok() && !a.replayed()) {
		c.addFinding("checkout %s was asked for again: %s", d.checkout, a.Body)
	}
	c.count("checkouts", "asked for again")
}
