//go:build !windows

package harness

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// Methods end without further action. Some tolerate interrupted calls.
var Methods = []string{"sim_ok", "sim_ok", "sim_ok", "sim_flaky", "sim_declined", "sim_timeout_applied", "sim_capture_fails", "sim_timeout_lost"}

// Purchase holds the answers to a shopper.
type Purchase struct {
	Shopper  Shopper
	Cart     CartView
	Checkout uuid.UUID
	Method   string
	Status   int // of the answer
}

// RequireKept requires that the acknowledged state still holds.
func (p Purchase) RequireKept(t *testing.T, s *Site) {
	t.Helper()
	me := Shopper{s, p.Shopper.Token, p.Shopper.ID}
	now := me.Cart(t, p.Cart.ID)
	require.Equal(t, p.Cart.Items, now.Items)
	end := me.Checkout(t, p.Checkout)
	switch p.Status {
	case http.StatusCreated:
		require.Equal(t, saga.Completed, end.Status)
	case http.StatusPaymentRequired, http.StatusConflict:
		require.Equal(t, saga.Failed, end.Status)
	}
	if end.Status == saga.Completed {
		require.NotContains(t, []string{"sim_declined", "sim_capture_fails"}, p.Method)
		require.Equal(t, cart.StatusCheckedOut, now.Status)
		require.Len(t, Get[List[OrderView]](t, s, "/v1/orders", me.Token).Data, 1)
	} else {
		require.Equal(t, cart.StatusOpen, now.Status)
	}
}

func member(a Answer, name string) (uuid.UUID, error) {
	var members map[string]any
	if err := a.Decode(&members); err != nil {
		return uuid.Nil, err
	}
	return uuid.Parse(fmt.Sprint(members[name]))
}

// Buy makes a whole purchase. It repeats every request until it is answered.
func Buy(ctx context.Context, at Retrier, shelf []string, method string) (p Purchase, err error) {
	p.Method = method
	session, err := RetryAs[web.Session](ctx, at, http.MethodPost, "/v1/sessions", "", nil)
	if err != nil {
		return p, err
	}
	p.Shopper = Shopper{Token: session.Token, ID: session.CustomerID}
	key := uuid.NewString()
	p.Cart, err = RetryAs[CartView](ctx, at, http.MethodPost, "/v1/carts", session.Token, map[string]any{"currency": "GBP"}, "Idempotency-Key", key)
	for i, sku := range shelf {
		if err != nil {
			return p, err
		}
		p.Cart, err = RetryAs[CartView](ctx, at, http.MethodPost, "/v1/carts/"+p.Cart.ID.String()+"/items", session.Token,
			map[string]any{"sku": sku, "quantity": 1 + i}, "Idempotency-Key", fmt.Sprint(key, i))
		if err == nil && p.Cart.Items[i].Quantity != int64(1+i) {
			err = fmt.Errorf("of %s %d were asked for, and %d are in the cart", sku, 1+i, p.Cart.Items[i].Quantity)
		}
	}
	if err != nil {
		return p, err
	}
	a, err := at.Retry(ctx, http.MethodPost, CheckoutPath(p.Cart), session.Token, Paying(method),
		"Idempotency-Key", key+"-checkout", "If-Match", Tag(p.Cart.Version), "Prefer", "wait=5")
	if err != nil {
		return p, err
	}
	p.Status = a.StatusCode
	switch a.StatusCode {
	case http.StatusCreated, http.StatusAccepted:
		p.Checkout, err = member(a, "id")
	case http.StatusPaymentRequired, http.StatusConflict:
		p.Checkout, err = member(a, "checkout_id")
	default:
		err = fmt.Errorf("%s: %s", a.Status, a.Text)
	}
	return p, err
}
