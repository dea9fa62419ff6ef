package gates

import (
	"net/http"
	"strconv"
	"testing"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
)

// TestALongCartStopsNobody: readers of old versions of a cart with very many events, from before its edits ended, leave purchases alone. The cart cannot be edited
// and can be bought.
func TestALongCartStopsNobody(t *testing.T) {
	const limit, versions = 500, 30000
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) { c.CartMaxEvents = limit })
	ada, shelf := s.Shopper(t), []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
	cart := ada.Fill(t, shelf[0])
	s.Exec(t, "cart", `insert into cart.events (position, stream, version, type, data, meta, at)
		select nextval('cart.position'), '`+cart.ID.String()+`', n, 'cart.quantity_changed', json_build_object('sku', '`+shelf[0]+`', 'quantity', 1 + n % 2), '{}', now()
		from generate_series(3, `+strconv.Itoa(versions)+`) n`)
	s.Exec(t, "cart", `update cart.streams set version = `+strconv.Itoa(versions)+` where id = '`+cart.ID.String()+`'`)

	read, refused := crowd(t, s, 12, ada.Token, func(n int) string {
		return "/v1/carts/" + cart.ID.String() + "?version=" + strconv.Itoa(versions-1-n%1000)
	}, http.StatusTooManyRequests, http.StatusServiceUnavailable) // a slow machine ends a read after its time
	for range 5 {
		buys(t.Context(), t, s, shelf)
	}
	harness.Until(t, "some were read and some were refused", func() bool { return read() > 0 && refused() > 0 })

	harness.RequireProblem(t, ada.Add(t, cart, shelf[1], 1), http.StatusConflict, "cart_worn_out")
	cart = ada.Cart(t, cart.ID)
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, cart, "sim_ok", harness.Waiting), http.StatusCreated)
}
