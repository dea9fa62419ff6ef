package chaos

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// seesThrough acts as the shopper during a checkout and waits for its end, unless they leave.
func (c *customer) seesThrough(ctx context.Context, d *deed, a attempt) (ended bool) {
	meddles := a.cancels || a.gives || a.operated
	if meddles {
		pause(ctx, a.think)
	}
	if a.cancels {
		c.cancels(ctx, d)
	}
	if a.gives {
		c.isGivenUp(ctx, d)
	}
	if a.operated {
		retry := call{method: http.MethodPost, path: "/v1/admin/sagas/" + d.checkout + "/retry", token: c.operator, key: c.key("retry")}
		c.insists(ctx, retry, "202", "409 saga_ended")
	}
	atBank := false
	for until := time.Now().Add(patience); ctx.Err() == nil; {
		a0, ok := c.insists(ctx, call{method: http.MethodGet, path: "/v1/checkouts/" + d.checkout, token: c.token, wait: 5}, "200")
		if !ok {
			return false
		}
		v := in[checkoutView](a0)
		if d.order = v.OrderID; v.PaymentID != nil && d.payment == "" {
			d.payment = *v.PaymentID
			if a.hints {
				c.hints(ctx, d.payment)
			}
		}
		switch {
		case v.ended():
			c.hearsTheEnd(d, v)
			return true
		case a.leaves:
			c.count("checkouts", "left to themselves")
			return false
		case v.Status == "requires_action" && !atBank:
			atBank = true
			c.atTheBank(ctx, d, a)
		case v.Status == "requires_action", v.Status == "needs_attention":
			pause(ctx, time.Second/2)
		}
		if time.Now().After(until) {
			c.finds("checkout %s is %s, and does not end", d.checkout, v.Status)
			return false
		}
	}
	return false
}

// hearsTheEnd compares the end of a checkout with its allowed ends.
func (c *customer) hearsTheEnd(d *deed, v checkoutView) {
	d.seen = v.end()
	c.count(soFar, v.Status)
	if !slices.Contains(d.mayEnd(), d.seen) {
		c.finds("checkout %s of %s, paid with %q, is %s; allowed were %v", d.checkout, d.total, d.method, d.seen, d.mayEnd())
	}
}

func (c *customer) cancels(ctx context.Context, d *deed) {
	d.asked = true
	a, ok := c.insists(ctx, c.post("/v1/checkouts/"+d.checkout+"/cancel", "cancel", nil), "200", "202", "409 too_late", "409 checkout_failed")
	if !ok {
		return
	}
	c.count("cancellations of checkouts", a.says())
	d.never = d.never || a.ok()
	d.late = a.says() == "409 too_late"
}

// isGivenUp aborts the checkout as an operator, whatever its outcome.
func (c *customer) isGivenUp(ctx context.Context, d *deed) {
	give := call{
		method: http.MethodPost, path: "/v1/admin/sagas/" + d.checkout + "/compensate", token: c.operator, key: c.key("give"),
		body: map[string]any{"reason": "It is not wanted."},
	}
	a, ok := c.insists(ctx, give, "202", "409 saga_ended", "409 already_compensating", "409 too_late")
	if !ok {
		return
	}
	c.count("checkouts aborted by operators", a.says())
	if a.ok() {
		d.asked, d.late = true, false
		d.never = d.never || d.total.Amount > 0 // with nothing to pay, the confirmation may have been faster
	}
}

// atTheBank acts as the shopper at the bank.
func (c *customer) atTheBank(ctx context.Context, d *deed, a attempt) {
	pause(ctx, a.think)
	says := func(word string) {
		_, ok := c.insists(ctx, call{method: http.MethodPost, path: "/simulator/payments/" + d.payment + "/" + word}, "200", "409 not_waiting")
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
		c.cancels(ctx, d)
	}
}

// asksAgain repeats the request after the end. The answer must show the current state and begin nothing.
func (c *customer) asksAgain(ctx context.Context, d *deed, first call) {
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
	a, ok := c.insists(ctx, first, promised)
	if ok && (a.began() != d.checkout || a.ok() && !a.replayed) {
		c.finds("checkout %s was asked for again: %s", d.checkout, a.body)
	}
	c.count("checkouts", "asked for again")
}
