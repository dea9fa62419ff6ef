package cart

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
	"shopping-cart/platform/web"
)

// route is an edit of a cart. good succeeds on a cart with a line of MUG. bad is a body that the route refuses.
type route struct {
	name, method, path string
	good, bad          string
	status             int
}

var routes = []route{
	{"AddItem", "POST", "/items", `{"sku":"TEA","quantity":2}`, `{"sku":"TEA","quantity":0}`, 200},
	{"SetQuantity", "PATCH", "/items/MUG", `{"quantity":7}`, `{"quantity":10000}`, 200},
	{"RemoveItem", "DELETE", "/items/MUG", "", "", 200},
	{"ClearItems", "DELETE", "/items", "", "", 200},
	{"Reprice", "POST", "/reprice", "", "", 200},
	{"SetAdjustments", "PUT", "/adjustments", `{"adjustments":[{"code":"a","label":"A","amount":{"amount":-5,"currency":"GBP"}}]}`, `{}`, 200},
	{"Merge", "POST", "/merge", "", `{"source_token":"x"}`, 200},
	{"Abandon", "DELETE", "", "", "", 204},
}

// prepared returns a client of a cart with a line of MUG at an outdated price, and a body that the route accepts.
func (r route) prepared(t *testing.T, b *testBundle) (c client, path string, id uuid.UUID, good string) {
	t.Helper()
	sku := "MUG"
	b.sells(t, sku, "TEA")
	c, good = b.as(t, "ann", web.ScopeCartsPrice), r.good
	path, id = c.opens(t)
	c.adds(t, path, sku)
	b.prices(t, sku, `{"name":"Mug","price":{"amount":120,"currency":"GBP"}}`)
	if r.name == "Merge" {
		guest := b.guest(t)
		_, source := guest.opens(t)
		good = fmt.Sprintf(`{"source_cart_id":%q,"source_token":%q}`, source, guest.token)
	}
	return c, path, id, good
}

func TestEditRoutes(t *testing.T) {
	t.Parallel()
	for _, r := range routes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ann, path, id, good := r.prepared(t, b)
			bob := b.as(t, "bob", web.ScopeCartsPrice+"x")
			if r.name != "SetAdjustments" { // the scope alone opens every cart there
				bob = b.as(t, "bob", web.ScopeCartsPrice)
			}

			client{b, ""}.send(t, r.method, path+r.path, r.bad).refuses(t, 401, "unauthorized")
			if r.name == "SetAdjustments" {
				bob.send(t, r.method, path+r.path, r.bad).refuses(t, 403, "forbidden")
				b.admin(t).send(t, r.method, "/v1/carts/"+uuid.NewString()+r.path, r.bad).refuses(t, 404, "not_found")
			} else {
				bob.send(t, r.method, path+r.path, r.bad).refuses(t, 404, "not_found")
				bob.send(t, r.method, path+r.path, good, "If-Match", `"9"`).refuses(t, 404, "not_found")
			}
			ann.send(t, r.method, "/v1/carts/7"+r.path, good).refuses(t, 404, "not_found")
			if r.bad != "" {
				ann.send(t, r.method, path+r.path, r.bad, "Idempotency-Key", "ä").refuses(t, 422, "validation_failed")
				ann.send(t, r.method, path+r.path, "{", "Idempotency-Key", "ä").refuses(t, 400, "malformed_json")
			}
			ann.send(t, r.method, path+r.path, `{"colour":"red"}`).refuses(t, 422, "unknown_field")
			ann.send(t, r.method, path+r.path, good, "Idempotency-Key", "ä").refuses(t, 400, "idempotency_key_invalid")
			ann.send(t, r.method, path+r.path, good, "If-Match", "seven").refuses(t, 400, "malformed_if_match")
			stale := ann.send(t, r.method, path+r.path, good, "If-Match", `"9"`)
			stale.refuses(t, 412, "version_mismatch")
			require.Equal(t, `"2"`, stale.header.Get("ETag"))
			require.Equal(t, int64(2), ann.send(t, "GET", path, "").cart(t).Version, "a refused request changed something")

			first := ann.send(t, r.method, path+r.path, good, "Idempotency-Key", "k", "If-Match", `"2"`).is(t, r.status)
			require.Equal(t, `"3"`, first.header.Get("ETag"))
			require.Empty(t, first.header.Get("Idempotent-Replayed"))
			if r.name != "Abandon" {
				b.admin(t).adds(t, path, "TEA") // an operator may, and the version advances
			}
			again := ann.send(t, r.method, path+r.path, good, "Idempotency-Key", "k", "If-Match", `"2"`).is(t, r.status)
			require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
			require.Equal(t, string(first.body), string(again.body))
			require.Equal(t, `"3"`, again.header.Get("ETag"))
			ann.send(t, r.method, path+r.path, good, "Idempotency-Key", "k").refuses(t, 422, "idempotency_key_reused")

			if r.name != "Abandon" {
				ann.send(t, "DELETE", path, "").is(t, http.StatusNoContent)
				if r.name == "Merge" {
					return // a repetition is 200: see TestMergeRoute
				}
				ann.send(t, r.method, path+r.path, good, "If-Match", `"9"`).refuses(t, 412, "version_mismatch")
				ann.send(t, r.method, path+r.path, good).refuses(t, 409, "cart_closed")
				return
			}
			ann.send(t, r.method, path, "").is(t, http.StatusNoContent)
			stored, err := carts.Load(t.Context(), b.store, id)
			require.NoError(t, err)
			require.Equal(t, int64(3), stored.Version)
		})
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sells(t, "MUG", "TEA")
	b.prices(t, "OFF", `{"name":"Off","price":{"amount":1,"currency":"GBP"},"active":false}`)
	b.prices(t, "EURO", `{"name":"Euro","price":{"amount":1,"currency":"EUR"}}`)
	ann := b.as(t, "ann", web.ScopeCartsPrice)

	t.Run("AddedTwiceIsOneLine", func(t *testing.T) {
		path, _ := ann.opens(t)
		ann.adds(t, path, "MUG")
		v := ann.adds(t, path, "MUG")
		require.Len(t, v.Items, 1)
		require.Equal(t, int64(2), v.Items[0].Quantity)
		require.Equal(t, int64(200), v.Items[0].LineTotal.Amount)
	})
	t.Run("StateRefusals", func(t *testing.T) {
		path, _ := ann.opens(t)
		ann.adds(t, path, "MUG")
		ann.send(t, "POST", path+"/items", `{"sku":"NOPE","quantity":1}`).refuses(t, 404, "unknown_product")
		ann.send(t, "POST", path+"/items", `{"sku":"OFF","quantity":1}`).refuses(t, 422, "product_inactive")
		ann.send(t, "POST", path+"/items", `{"sku":"EURO","quantity":1}`).refuses(t, 422, "currency_mismatch")
		ann.send(t, "POST", path+"/items", `{"sku":"MUG","quantity":9999}`).refuses(t, 422, "validation_failed")
		ann.send(t, "POST", path+"/items", `{"sku":"A/B","quantity":1}`).refuses(t, 422, "validation_failed")
		ann.send(t, "PATCH", path+"/items/TEA", `{"quantity":1}`).refuses(t, 404, "no_such_line")
		ann.send(t, "DELETE", path+"/items/TEA", "").refuses(t, 404, "no_such_line")
		ann.send(t, "PUT", path+"/adjustments", `{"adjustments":[{"code":"a","label":"A","amount":{"amount":-101,"currency":"GBP"}}]}`).
			refuses(t, 422, "negative_total")
		ann.send(t, "PUT", path+"/adjustments", `{"adjustments":[{"code":"a","label":"A","amount":{"amount":1,"currency":"EUR"}}]}`).
			refuses(t, 422, "currency_mismatch")
		ann.send(t, "PUT", path+"/adjustments", `{"adjustments":[{"code":"a","label":"A","amount":{"amount":-9007199254740992,"currency":"GBP"}}]}`).
			refuses(t, 422, "amount_too_large")
		require.Equal(t, int64(2), ann.send(t, "GET", path, "").cart(t).Version)
	})
	t.Run("AdjustmentsAreMoneyOnTheWire", func(t *testing.T) {
		path, _ := ann.opens(t)
		ann.adds(t, path, "MUG")
		v := ann.send(t, "PUT", path+"/adjustments", `{"adjustments":[
			{"code":"ship","label":"Post","amount":{"amount":50,"currency":"GBP"}},
			{"code":"off","label":"Off","amount":{"amount":-30,"currency":"GBP"}}]}`).cart(t)
		require.Equal(t, int64(120), v.Total.Amount)
		require.Equal(t, "GBP", v.Adjustments[1].Amount.Currency)
		require.Equal(t, int64(-30), v.Adjustments[1].Amount.Amount)
		require.Empty(t, ann.send(t, "PUT", path+"/adjustments", `{"adjustments":[]}`).cart(t).Adjustments)
	})
	t.Run("RepriceTakesTodaysPrices", func(t *testing.T) {
		b.sells(t, "FLOAT")
		path, _ := ann.opens(t)
		ann.adds(t, path, "FLOAT")
		b.prices(t, "FLOAT", `{"name":"Float","price":{"amount":90,"currency":"GBP"}}`)
		require.Equal(t, int64(100), ann.adds(t, path, "FLOAT").Items[0].UnitPrice.Amount)
		require.Equal(t, int64(90), ann.send(t, "POST", path+"/reprice", "").cart(t).Items[0].UnitPrice.Amount)
	})
	t.Run("ClearAndRemove", func(t *testing.T) {
		path, _ := ann.opens(t)
		ann.adds(t, path, "MUG")
		ann.adds(t, path, "TEA")
		require.Len(t, ann.send(t, "DELETE", path+"/items/MUG", "").cart(t).Items, 1)
		require.Empty(t, ann.send(t, "DELETE", path+"/items", "").cart(t).Items)
	})
}

func TestMergeRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sells(t, "MUG", "TEA")
	ann, bob, guest := b.as(t, "ann"), b.as(t, "bob"), b.guest(t)
	path, target := ann.opens(t)
	ann.adds(t, path, "MUG")
	sourcePath, source := guest.opens(t)
	guest.adds(t, sourcePath, "MUG")
	guest.adds(t, sourcePath, "TEA")
	body := func(cart uuid.UUID, token string) string {
		return fmt.Sprintf(`{"source_cart_id":%q,"source_token":%q}`, cart, token)
	}

	ann.send(t, "POST", path+"/merge", body(target, ann.token)).refuses(t, 422, "same_cart")
	bob.send(t, "POST", path+"/merge", body(target, ann.token)).refuses(t, 404, "not_found")
	bob.send(t, "POST", path+"/merge", body(source, ann.token)).refuses(t, 404, "not_found")
	ann.send(t, "POST", path+"/merge", body(source, "rubbish"), "If-Match", `"9"`).refuses(t, 403, "not_your_guest")
	_, bobs := bob.opens(t)
	ann.send(t, "POST", path+"/merge", body(bobs, bob.token)).refuses(t, 403, "not_a_guest")
	ann.send(t, "POST", path+"/merge", body(source, b.admin(t).token)).refuses(t, 403, "not_a_guest")
	ann.send(t, "POST", path+"/merge", body(uuid.New(), guest.token)).refuses(t, 403, "not_your_guest")
	ann.send(t, "POST", path+"/merge", `{"source_cart_id":"7","source_token":"x"}`).refuses(t, 422, "validation_failed")

	v := ann.send(t, "POST", path+"/merge", body(source, guest.token)).cart(t)
	require.Equal(t, []int64{2, 1}, []int64{v.Items[0].Quantity, v.Items[1].Quantity})
	merged := guest.send(t, "GET", sourcePath, "").cart(t)
	require.Equal(t, StatusMerged, merged.Status)
	again := ann.send(t, "POST", path+"/merge", body(source, guest.token)).cart(t)
	require.Equal(t, v, again)
	guest.send(t, "POST", sourcePath+"/items", `{"sku":"MUG","quantity":1}`).refuses(t, 409, "cart_closed")
	other, _ := ann.opens(t)
	ann.send(t, "POST", other+"/merge", body(source, guest.token)).refuses(t, 409, "cart_closed")
}

func TestManyClients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	skus := make([]string, 20)
	for i := range skus {
		skus[i] = fmt.Sprintf("S%02d", i)
	}
	b.sells(t, skus...)
	ann := b.as(t, "ann")
	together := func(n int, do func(i int)) {
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { do(i) })
		}
		all.Wait()
	}

	t.Run("TwentyEditOneCartAndNoLineIsLost", func(t *testing.T) {
		path, id := ann.opens(t)
		statuses := make([]int, 2*len(skus))
		together(len(skus), func(i int) {
			for n := range 2 {
				statuses[2*i+n] = ann.send(t, "POST", path+"/items", `{"sku":"`+skus[i]+`","quantity":2}`).status
			}
		})
		for _, status := range statuses {
			require.Equal(t, http.StatusOK, status)
		}
		v := ann.send(t, "GET", path, "").cart(t)
		require.Len(t, v.Items, len(skus))
		require.Equal(t, int64(len(skus)*4*100), v.Total.Amount)
		require.Equal(t, int64(1+2*len(skus)), v.Version)
		stored, err := carts.Load(t.Context(), b.store, id)
		require.NoError(t, err)
		folded, err := carts.LoadAt(t.Context(), b.store, id, stored.Version)
		require.NoError(t, err)
		require.Equal(t, folded, stored)
	})
	t.Run("SixWithOneKeyAreOneEdit", func(t *testing.T) {
		path, _ := ann.opens(t)
		bodies := make([]string, 6)
		together(6, func(i int) {
			bodies[i] = string(ann.send(t, "POST", path+"/items", `{"sku":"S00","quantity":3}`, "Idempotency-Key", "six").body)
		})
		for _, body := range bodies {
			require.Equal(t, bodies[0], body)
		}
		require.Equal(t, int64(3), ann.send(t, "GET", path, "").cart(t).Items[0].Quantity)
	})
	t.Run("LinesThatJoinDuringARepriceArePricedOrKept", func(t *testing.T) {
		path, _ := ann.opens(t)
		statuses := make([]int, 2*len(skus))
		together(len(statuses), func(i int) {
			if i%2 == 0 {
				statuses[i] = ann.send(t, "POST", path+"/items", `{"sku":"`+skus[i/2]+`","quantity":1}`).status
				return
			}
			statuses[i] = ann.send(t, "POST", path+"/reprice", "").status
		})
		for _, status := range statuses {
			require.Equal(t, http.StatusOK, status)
		}
		require.Len(t, ann.send(t, "GET", path, "").cart(t).Items, len(skus))
	})
}

// TestAProductTakenForACartHarmsNoNeighbour names a product as a cart in the same batch in which ann adds the product.
func TestAProductTakenForACartHarmsNoNeighbour(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b := setupOn(t, url, func(*Module) {})
	b.sells(t, "MUG")
	_, id := b.as(t, "ann").opens(t)

	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	committer := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin})
	m := New(Config{Database: eventstore.Database{Committer: committer, Query: pools.Query}}) // its commands wait until it runs
	queue := func(n int, cart uuid.UUID, c command) chan error {
		answer := make(chan error, 1)
		w := web.Write{ID: uuid.Must(uuid.NewV7())}
		go func() {
			_, err := m.edit(context.WithoutCancel(t.Context()), edit{cart: cart, caller: web.Caller{Subject: "ann"}, write: w, command: c})
			answer <- err
		}()
		require.Eventually(t, func() bool { return committer.Waiting() == n }, 10*time.Second, time.Millisecond)
		return answer
	}
	astray := queue(1, productID("MUG"), clearItems{})
	adding := queue(2, id, addItem{"MUG", 1})
	run(t, committer.Run)
	require.ErrorIs(t, <-astray, errNotFound)
	require.NoError(t, <-adding)
}
