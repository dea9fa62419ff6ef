package gates

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
)

// TestALongCartStopsNobody: readers of old versions of a cart with very many events, from before its edits ended, leave purchases alone. The cart cannot be edited
// and can be bought.
func TestALongCartStopsNobody(t *testing.T) {
	t.Parallel()
	const limit, versions = 500, 30000
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) { c.CartMaxEvents = limit })
	ada, shelf := s.Shopper(t), []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
	cart := ada.Fill(t, shelf[0])
	s.Exec(t, "cart", `insert into cart.events (position, stream, version, type, data, meta, at)
		select nextval('cart.position'), '`+cart.ID.String()+`', n, 'cart.quantity_changed', json_build_object('sku', '`+shelf[0]+`', 'quantity', 1 + n % 2), '{}', now()
		from generate_series(3, `+strconv.Itoa(versions)+`) n`)
	s.Exec(t, "cart", `update cart.streams set version = `+strconv.Itoa(versions)+` where id = '`+cart.ID.String()+`'`)

	ctx, stop := context.WithCancel(context.Background())
	var read, refused atomic.Int64
	var readers sync.WaitGroup
	for i := range 12 {
		readers.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				a, err := s.Ask(ctx, http.MethodGet, "/v1/carts/"+cart.ID.String()+"?version="+strconv.Itoa(versions-1-n%1000), ada.Token, nil)
				switch {
				case err != nil:
				case a.StatusCode == http.StatusOK:
					read.Add(1)
				default:
					refused.Add(1)
					assert.Equal(t, http.StatusTooManyRequests, a.StatusCode, string(a.Text))
					assert.NotEmpty(t, a.Header.Get("Retry-After"))
				}
			}
		})
	}
	for range 5 {
		bought, err := harness.Buy(t.Context(), s, shelf, "sim_ok")
		require.NoError(t, err)
		require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, bought.Status)
	}
	harness.Until(t, "some were read and some were refused", func() bool { return read.Load() > 0 && refused.Load() > 0 })
	stop()
	readers.Wait()

	harness.RequireProblem(t, ada.Add(t, cart, shelf[1], 1), http.StatusConflict, "cart_worn_out")
	cart = ada.Cart(t, cart.ID)
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, cart, "sim_ok", harness.Waiting), http.StatusCreated)
}
