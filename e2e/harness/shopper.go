//go:build !windows

package harness

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// Shopper is a guest.
type Shopper struct {
	*Site
	Token string
	ID    uuid.UUID
}

func (s *Site) Shopper(t testing.TB) Shopper {
	t.Helper()
	session := As[web.Session](t, s.Send(t, http.MethodPost, "/v1/sessions", "", nil), http.StatusCreated)
	return Shopper{s, session.Token, session.CustomerID}
}

// Fill opens a cart with one of each SKU.
func (s Shopper) Fill(t testing.TB, skus ...string) CartView {
	t.Helper()
	c := As[CartView](t, s.Send(t, http.MethodPost, "/v1/carts", s.Token, map[string]any{"currency": "GBP"}), http.StatusCreated)
	for _, sku := range skus {
		c = As[CartView](t, s.Add(t, c, sku, 1), http.StatusOK)
	}
	return c
}

func (s Shopper) Add(t testing.TB, c CartView, sku string, quantity int, headers ...string) Answer {
	t.Helper()
	body := map[string]any{"sku": sku, "quantity": quantity}
	return s.Send(t, http.MethodPost, "/v1/carts/"+c.ID.String()+"/items", s.Token, body, headers...)
}

func (s Shopper) Cart(t testing.TB, id uuid.UUID) CartView {
	t.Helper()
	return Get[CartView](t, s.Site, "/v1/carts/"+id.String(), s.Token)
}

const (
	NoWait  = "respond-async"
	Waiting = "wait=30"
)

// CheckOut checks a cart out at the version that was seen, under a new key unless the headers name one.
func (s Shopper) CheckOut(t testing.TB, c CartView, method, prefer string, headers ...string) Answer {
	t.Helper()
	return s.Send(t, http.MethodPost, CheckoutPath(c), s.Token, Paying(method), append([]string{
		"Idempotency-Key", uuid.NewString(), "If-Match", Tag(c.Version), "Prefer", prefer}, headers...)...)
}

func CheckoutPath(c CartView) string { return "/v1/carts/" + c.ID.String() + "/checkout" }

func Tag(version int64) string { return fmt.Sprintf("%q", fmt.Sprint(version)) }

func Paying(method string) map[string]any {
	return map[string]any{"payment_method": method, "email": "ada@example.com", "shipping_address": map[string]any{"city": "London"}}
}

// StartCheckout checks a cart out and does not wait for its end.
func (s Shopper) StartCheckout(t testing.TB, c CartView, method string) CheckoutView {
	t.Helper()
	return As[CheckoutView](t, s.CheckOut(t, c, method, NoWait), http.StatusAccepted)
}

func (s Shopper) Checkout(t testing.TB, id uuid.UUID) CheckoutView {
	t.Helper()
	return Get[CheckoutView](t, s.Site, "/v1/checkouts/"+id.String(), s.Token)
}

// AwaitStatus waits until a checkout has a status.
func (s Shopper) AwaitStatus(t testing.TB, id uuid.UUID, status saga.Status) (c CheckoutView) {
	t.Helper()
	Until(t, "the checkout becomes "+string(status), func() bool {
		c = s.Checkout(t, id)
		return c.Status == status
	})
	return c
}

func (s Shopper) CancelCheckout(t testing.TB, id uuid.UUID, headers ...string) Answer {
	t.Helper()
	return s.Send(t, http.MethodPost, "/v1/checkouts/"+id.String()+"/cancel", s.Token, nil,
		append([]string{"Idempotency-Key", uuid.NewString()}, headers...)...)
}

// CreateOwned creates resources of one shopper and returns their ids by the name that tests write in a path or a body, such as "{cart}".
func CreateOwned(t *testing.T, s *Site, ada, guest Shopper) map[string]string {
	sku := s.AddProduct(t, 500)
	s.SetStock(t, sku, 100)
	done := As[CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", Waiting), http.StatusCreated)
	return map[string]string{
		"{sku}": sku, "{cart}": ada.Fill(t, sku).ID.String(), "{other}": guest.Fill(t, sku).ID.String(), "{token}": guest.Token,
		"{checkout}": done.ID.String(), "{order}": done.OrderID.String(), "{payment}": done.PaymentID.String(), "{provider}": "simulator",
		"{parked}": uuid.NewString(), "{projection}": "daily_sales", "{customer}": uuid.NewString(), "{webhook}": "simulator:evt_1", "{module}": "cart",
	}
}
