package gates

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// load is buyers at the replicas of a fleet. They repeat what was not answered, at any replica and under the same key,
// and remember what they were told.
type load struct {
	*harness.Fleet
	methods []string
	shelf   []string
	approve func(ctx context.Context, payment uuid.UUID) error                   // the shopper at the bank; at the simulator unless it is set
	after   func(ctx context.Context, p harness.Purchase) (kept bool, err error) // what a buyer does with a purchase; nil: keeps it
	freezes bool                                                                 // replicas are frozen, and drop what waited too long when they wake

	done    sync.WaitGroup
	closes  context.CancelFunc // no new purchases
	giveUp  context.CancelFunc // none of the begun either
	closing context.Context

	mu       sync.Mutex
	bought   []harness.Purchase
	refusals map[string]int // by code; "no answer" is the client's own time-out
	wrong    []string       // what nobody should have been told
	failed   chan struct{}  // closed at the first of these
}

// thought is what a buyer takes between two purchases: enough that ten minutes of them can be counted over at the end.
const thought = 100 * time.Millisecond

// startLoad lets so many buyers in. They go when the test ends, at the latest.
func startLoad(t *testing.T, f *harness.Fleet, buyers int, shelf, methods []string, set ...func(*load)) *load {
	c := &load{Fleet: f, methods: methods, shelf: shelf, refusals: map[string]int{}, failed: make(chan struct{})}
	c.approve = c.approveAtSimulator
	for _, s := range set {
		s(c)
	}
	var shopping context.Context
	shopping, c.giveUp = context.WithCancel(t.Context())
	c.closing, c.closes = context.WithCancel(shopping)
	for i := range buyers {
		c.done.Go(func() {
			for n := 0; c.closing.Err() == nil; n++ {
				if err := c.buyOne(shopping, methods[(i+n)%len(methods)]); err != nil && shopping.Err() == nil {
					c.addFailure("buyer %d: %v", i, err)
					return
				}
				pause(c.closing, thought)
			}
		})
	}
	t.Cleanup(func() {
		c.giveUp()
		c.done.Wait()
	})
	return c
}

func (c *load) buyOne(ctx context.Context, method string) error {
	p, err := harness.Buy(ctx, c, c.shelf, method)
	if err == nil && p.Status == http.StatusAccepted {
		err = c.follow(ctx, p)
	}
	kept := true
	if err == nil && c.after != nil {
		kept, err = c.after(ctx, p)
	}
	if err == nil && kept {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bought = append(c.bought, p)
	}
	return err
}

// follow waits for the end of a checkout, and approves the payment when the bank asks.
func (c *load) follow(ctx context.Context, p harness.Purchase) error {
	for {
		now, err := harness.RetryAs[harness.CheckoutView](ctx, c, http.MethodGet, "/v1/checkouts/"+p.Checkout.String(), p.Shopper.Token, nil, "Prefer", "wait=2")
		if err != nil || now.Status.Ended() {
			return err
		}
		if now.Status == saga.NeedsAttention {
			return fmt.Errorf("checkout %s needs attention: %+v", p.Checkout, now.Steps)
		}
		if now.Status == saga.RequiresAction {
			if err := c.approve(ctx, *now.PaymentID); err != nil {
				return err
			}
			pause(ctx, 50*time.Millisecond) // until the bank's word has gone round
		}
	}
}

// approveAtSimulator: what is approved may be gone, or somebody may have cancelled it, in the meantime.
func (c *load) approveAtSimulator(ctx context.Context, payment uuid.UUID) error {
	_, err := c.Retry(ctx, http.MethodPost, "/simulator/payments/"+payment.String()+"/approve", "", nil)
	return err
}

// Retry has an answer of some replica, and holds every refusal on the way there against what is documented: 503 with
// all that belongs to it, or silence.
func (c *load) Retry(ctx context.Context, method, path, token string, body any, headers ...string) (harness.Answer, error) {
	for {
		a, err := c.Once(ctx, c.Limit, method, path, token, body, headers...)
		switch {
		case err == nil && a.StatusCode < http.StatusInternalServerError:
			return a, harness.CheckDocumented(a.Response, a.Text)
		case ctx.Err() != nil:
			return harness.Answer{}, ctx.Err()
		case err == nil:
			c.checkRefusal(method, path, a)
		case errors.Is(err, context.DeadlineExceeded):
			c.count("no answer")
		case c.freezes && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)):
			c.count("dropped")
		default: // a server that stands neither refuses connections nor drops them
			c.addFailure("%s %s: %v", method, path, err)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// pause is that of a client who asks again.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (c *load) checkRefusal(method, path string, a harness.Answer) {
	var p harness.Problem
	err := a.Decode(&p)
	kind, again := a.Header.Get("Content-Type"), a.Header.Get("Retry-After")
	if err != nil || a.StatusCode != http.StatusServiceUnavailable || kind != "application/problem+json" || again == "" || p.Detail == "" {
		c.addFailure("%s %s: %s %v %s", method, path, a.Status, a.Header, a.Text)
	}
	c.count(p.Code)
}

func (c *load) count(refusal string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[refusal]++
}

func (c *load) addFailure(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong = append(c.wrong, fmt.Sprintf(format, args...)); len(c.wrong) == 1 {
		close(c.failed)
	}
}

// runFor returns after so long, or when something went wrong.
func (c *load) runFor(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-c.failed:
	}
	c.requireClean(t)
}

func (c *load) requireClean(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) > 0 {
		t.Fatalf("%d times something went wrong, first: %s", len(c.wrong), c.wrong[0])
	}
}

// finish lets every buyer finish what they began: every checkout that was acknowledged comes to an end.
func (c *load) finish(t *testing.T) []harness.Purchase {
	t.Helper()
	c.closes()
	everybody := make(chan struct{})
	go func() {
		c.done.Wait()
		close(everybody)
	}()
	select {
	case <-everybody:
	case <-time.After(4 * harness.Patience): // a step that failed often pauses for up to one and a half minutes
		t.Fatal("somebody is never answered")
	}
	c.requireClean(t)
	return c.bought
}

// acknowledgedLoss returns the things that buyers were told and that are not, or no longer, so.
func acknowledgedLoss(b harness.Books, bought []harness.Purchase) (all []string) {
	says := func(p harness.Purchase, format string, args ...any) {
		all = append(all, fmt.Sprintf("cart %s, paid with %s, answered %d: ", p.Cart.ID, p.Method, p.Status)+fmt.Sprintf(format, args...))
	}
	orders := map[uuid.UUID]order.State{}
	for _, o := range b.Orders {
		orders[o.CheckoutID] = o
	}
	for _, p := range bought {
		end, c := b.Sagas[p.Checkout], b.Carts[p.Cart.ID]
		if got, want := len(c.Lines), len(p.Cart.Items); got != want {
			says(p, "%d of %d lines are there", got, want)
			continue
		}
		for i, l := range c.Lines {
			if item := p.Cart.Items[i]; l.SKU != item.SKU || l.Quantity != item.Quantity {
				says(p, "line %d is %+v and was %+v", i, l, item)
			}
		}
		wanted := map[int][]saga.Status{
			http.StatusCreated: {saga.Completed}, http.StatusAccepted: {saga.Completed, saga.Failed, saga.Cancelled},
			http.StatusPaymentRequired: {saga.Failed}, http.StatusConflict: {saga.Failed},
		}[p.Status]
		if !slices.Contains(wanted, end.Status) {
			says(p, "the checkout %s is %q", p.Checkout, end.Status)
		}
		if end.Status == saga.Completed && (orders[p.Checkout].Status != order.StatusConfirmed || c.Status != cart.StatusCheckedOut) {
			says(p, "the order is %q and the cart %q", orders[p.Checkout].Status, c.Status)
		}
		if end.Status == saga.Completed && (p.Method == "sim_declined" || p.Method == "sim_capture_fails") {
			says(p, "it cannot have been paid")
		}
		if end.Status.Ended() && end.Status != saga.Completed && c.Status != cart.StatusOpen {
			says(p, "the checkout is %q and the cart %q", end.Status, c.Status)
		}
	}
	return all
}
