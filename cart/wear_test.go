package cart

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/web"
)

// worn is the version at which the carts of these tests are worn out: after one line.
const worn = 2

func setupWorn(t *testing.T) *testBundle {
	return setupOn(t, pgtest.New(t), func(m *Module) { m.MaxEvents = worn })
}

// TestWornOutCart: no route edits it, and it can be abandoned, checked out and merged into another.
func TestWornOutCart(t *testing.T) {
	t.Parallel()
	for _, r := range routes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			c, path, _, good := r.prepared(t, setupWorn(t))
			a := c.send(t, r.method, path+r.path, good)
			if r.name == "Abandon" {
				a.is(t, http.StatusNoContent)
				return
			}
			require.EqualValues(t, worn, a.refuses(t, http.StatusConflict, "cart_worn_out")["limit"])
			require.EqualValues(t, worn, c.send(t, "GET", path, "").cart(t).Version)
		})
	}
	t.Run("AnEditThatChangesNothing", func(t *testing.T) {
		t.Parallel()
		c, path, _, _ := routes[1].prepared(t, setupWorn(t))
		c.send(t, "PATCH", path+"/items/MUG", `{"quantity":1}`).is(t, http.StatusOK)
	})
	t.Run("ARepeatedRequest", func(t *testing.T) {
		t.Parallel()
		b := setupWorn(t)
		b.sells(t, "MUG")
		c := b.as(t, "ann")
		path, _ := c.opens(t)
		for range 2 {
			c.send(t, "POST", path+"/items", `{"sku":"MUG","quantity":1}`, "Idempotency-Key", "add").is(t, http.StatusOK)
		}
	})
	t.Run("CheckOut", func(t *testing.T) {
		t.Parallel()
		b := setupWorn(t)
		b.sells(t, "MUG")
		c := b.as(t, "ann")
		path, id := c.opens(t)
		version := c.adds(t, path, "MUG").Version
		for attempt := range 2 {
			sealed, err := b.seals(t, "ann", id, version+2*int64(attempt))
			require.NoError(t, err)
			c.send(t, "DELETE", path+"/items/MUG", "").refuses(t, http.StatusConflict, "cart_closed")
			require.NoError(t, b.Handle(t.Context(), uuid.New(), uuid.New(), Reopen{CartID: id, CheckoutID: sealed.CheckoutID}))
			c.send(t, "DELETE", path+"/items/MUG", "").refuses(t, http.StatusConflict, "cart_worn_out")
		}
	})
	t.Run("MergedIntoAnother", func(t *testing.T) {
		t.Parallel()
		b := setupWorn(t)
		b.sells(t, "MUG")
		guest, ann := b.guest(t), b.as(t, "ann")
		source, id := guest.opens(t)
		guest.adds(t, source, "MUG")
		target, _ := ann.opens(t)
		ann.send(t, "POST", target+"/merge", fmt.Sprintf(`{"source_cart_id":%q,"source_token":%q}`, id, guest.token)).is(t, http.StatusOK)
		require.Equal(t, StatusMerged, guest.send(t, "GET", source, "").cart(t).Status)
	})
}

// TestCheckoutsOfACartEnd: failed checkouts do not lengthen a cart without end.
func TestCheckoutsOfACartEnd(t *testing.T) {
	t.Parallel()
	s := given{opened, added(mug, 1)}.state()
	s.Attempt = MaxCheckouts - 1
	_, err := decide(s, checkOut, prices)
	require.NoError(t, err)
	s.Attempt = MaxCheckouts
	_, err = decide(s, checkOut, prices)
	require.ErrorIs(t, err, errCartWornOut)
}

// TestLongCart reads a cart that grew long before its edits ended, and repeats a request.
func TestLongCart(t *testing.T) {
	t.Parallel()
	b := setupWorn(t)
	b.sells(t, "MUG")
	c := b.as(t, "ann")
	path, id := c.opens(t)
	c.send(t, "POST", path+"/items", `{"sku":"MUG","quantity":1}`, "Idempotency-Key", "first").is(t, http.StatusOK)
	b.exec(t, `insert into cart.events (position, stream, version, type, data, meta, at)
		select nextval('cart.position'), $1, n, 'cart.quantity_changed', json_build_object('sku', 'MUG', 'quantity', 1 + n % 7), '{}', now()
		from generate_series(3, 700) n`, id)
	b.exec(t, `update cart.streams set version = 700 where id = $1`, id)

	require.EqualValues(t, 1+500%7, c.send(t, "GET", path+"?version=500", "").cart(t).Items[0].Quantity)
	a := c.send(t, "POST", path+"/items", `{"sku":"MUG","quantity":1}`, "Idempotency-Key", "first").is(t, http.StatusOK)
	require.EqualValues(t, 2, a.cart(t).Version)
	c.send(t, "POST", path+"/items", `{"sku":"MUG","quantity":1}`).refuses(t, http.StatusConflict, "cart_worn_out")
	page := into[web.Page[EventView]](t, c.send(t, "GET", path+"/events?after=690&limit=100", "").is(t, http.StatusOK))
	require.Len(t, page.Data, 10)
	sealed, err := b.seals(t, "ann", id, 700)
	require.NoError(t, err)
	require.NotZero(t, sealed.CheckoutID)
}
