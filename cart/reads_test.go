package cart

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func TestOpenCart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.as(t, "ann")

	t.Run("AnswersWithTheCart", func(t *testing.T) {
		a := ann.send(t, "POST", "/v1/carts", `{"currency":"GBP"}`).is(t, http.StatusCreated)
		v := into[map[string]any](t, a)
		require.Equal(t, "/v1/carts/"+v["id"].(string), a.header.Get("Location"))
		require.Equal(t, `"1"`, a.header.Get("ETag"))
		require.NotEmpty(t, v["created_at"])
		require.Equal(t, v["created_at"], v["updated_at"])
		delete(v, "id")
		delete(v, "created_at")
		delete(v, "updated_at")
		rest, err := json.Marshal(v)
		require.NoError(t, err)
		require.JSONEq(t, `{"customer_id":"ann","currency":"GBP","status":"open","items":[],"adjustments":[],"adjustments_stale":false,
			"total":{"amount":0,"currency":"GBP"},"version":1,"checkout_id":null}`, string(rest))
	})
	t.Run("RetryIsTheSameCart", func(t *testing.T) {
		first := ann.send(t, "POST", "/v1/carts", `{"currency":"GBP"}`, "Idempotency-Key", "k").is(t, http.StatusCreated)
		again := ann.send(t, "POST", "/v1/carts", `{"currency":"GBP"}`, "Idempotency-Key", "k").is(t, http.StatusCreated)
		require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
		require.Equal(t, string(first.body), string(again.body))
		require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
		ann.send(t, "POST", "/v1/carts", `{"currency":"EUR"}`, "Idempotency-Key", "k").refuses(t, 422, "idempotency_key_reused")
		b.as(t, "bob").send(t, "POST", "/v1/carts", `{"currency":"EUR"}`, "Idempotency-Key", "k").is(t, http.StatusCreated)
	})
	t.Run("Refusals", func(t *testing.T) {
		client{b, ""}.send(t, "POST", "/v1/carts", `{`).refuses(t, 401, "unauthorized")
		ann.send(t, "POST", "/v1/carts", `{`, "Idempotency-Key", "ä").refuses(t, 400, "malformed_json")
		ann.send(t, "POST", "/v1/carts", `{"currency":"gbp"}`).refuses(t, 422, "validation_failed")
		ann.send(t, "POST", "/v1/carts", `{}`).refuses(t, 422, "validation_failed")
		ann.send(t, "POST", "/v1/carts", `{"currency":"GBP","id":"1"}`).refuses(t, 422, "unknown_field")
		ann.send(t, "POST", "/v1/carts", `{"currency":"GBP"}`, "Idempotency-Key", "a b").refuses(t, 400, "idempotency_key_invalid")
	})
	t.Run("IfMatchCreatesNothing", func(t *testing.T) {
		carl := b.as(t, "carl")
		for _, tag := range []string{`"5"`, "*", `"abc"`} {
			p := carl.send(t, "POST", "/v1/carts", `{"currency":"GBP"}`, "If-Match", tag).refuses(t, 412, "version_mismatch")
			require.Equal(t, "It does not exist.", p["detail"], tag)
			require.EqualValues(t, 0, p["version"])
			require.NotContains(t, p, "cart_status")
		}
		require.Empty(t, into[web.Page[View]](t, carl.send(t, "GET", "/v1/carts", "").is(t, 200)).Data)
		carl.send(t, "POST", "/v1/carts", `{"currency":"GBP"}`, "If-None-Match", "*").is(t, http.StatusCreated)
	})
}

func TestListCarts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.as(t, "ann")
	var want []uuid.UUID
	for range 3 {
		_, id := ann.opens(t)
		want = append([]uuid.UUID{id}, want...)
	}
	b.as(t, "bob").opens(t)

	t.Run("MineNewestFirstInPages", func(t *testing.T) {
		first := into[web.Page[View]](t, ann.send(t, "GET", "/v1/carts?limit=2", "").is(t, 200))
		require.Equal(t, want[:2], []uuid.UUID{first.Data[0].ID, first.Data[1].ID})
		rest := into[web.Page[View]](t, ann.send(t, "GET", "/v1/carts?limit=2&cursor="+*first.NextCursor, "").is(t, 200))
		require.Len(t, rest.Data, 1)
		require.Equal(t, want[2], rest.Data[0].ID)
		require.Nil(t, rest.NextCursor)
	})
	t.Run("NoneIsAnEmptyList", func(t *testing.T) {
		a := b.as(t, "carl").send(t, "GET", "/v1/carts", "").is(t, 200)
		require.JSONEq(t, `{"data":[],"next_cursor":null}`, string(a.body))
	})
	t.Run("Refusals", func(t *testing.T) {
		client{b, ""}.send(t, "GET", "/v1/carts", "").refuses(t, 401, "unauthorized")
		ann.send(t, "GET", "/v1/carts?limit=101", "").refuses(t, 422, "validation_failed")
		ann.send(t, "GET", "/v1/carts?cursor=x", "").refuses(t, 422, "cursor_invalid")
	})
	t.Run("StateOfAnotherFoldIsFoldedAgain", func(t *testing.T) {
		_, err := b.Query.Exec(t.Context(), "update cart.streams set fold = 0, state = '{}' where customer = 'bob'")
		require.NoError(t, err)
		bobs := into[web.Page[View]](t, b.as(t, "bob").send(t, "GET", "/v1/carts", "").is(t, 200))
		require.Equal(t, "GBP", bobs.Data[0].Currency)
	})
}

func TestReadCart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sells(t, "MUG", "TEA")
	ann, bob := b.as(t, "ann"), b.as(t, "bob")
	path, _ := ann.opens(t)
	ann.adds(t, path, "MUG")
	ann.adds(t, path, "TEA")

	t.Run("HasLinesAndTotal", func(t *testing.T) {
		a := ann.send(t, "GET", path, "")
		v := a.cart(t)
		require.Equal(t, `"3"`, a.header.Get("ETag"))
		require.Equal(t, int64(200), v.Total.Amount)
		items, err := json.Marshal(v.Items[:1])
		require.NoError(t, err)
		require.JSONEq(t, `[{"sku":"MUG","name":"The MUG","quantity":1,
			"unit_price":{"amount":100,"currency":"GBP"},"line_total":{"amount":100,"currency":"GBP"}}]`, string(items))
	})
	t.Run("UnchangedIs304", func(t *testing.T) {
		a := ann.send(t, "GET", path, "", "If-None-Match", `"3"`).is(t, http.StatusNotModified)
		require.Empty(t, a.body)
		ann.send(t, "GET", path, "", "If-None-Match", `"2"`).is(t, http.StatusOK)
	})
	t.Run("AsItWasAtAVersion", func(t *testing.T) {
		for version, lines := range []int{0, 0, 1, 2} {
			if version == 0 {
				continue
			}
			a := ann.send(t, "GET", path+"?version="+strconv.Itoa(version), "")
			require.Len(t, a.cart(t).Items, lines)
			require.Equal(t, int64(version), a.cart(t).Version)
			require.Equal(t, web.Quote(int64(version)), a.header.Get("ETag"))
		}
		now, then := ann.send(t, "GET", path, "").cart(t), ann.send(t, "GET", path+"?version=3", "").cart(t)
		require.Equal(t, now, then)
	})
	t.Run("VersionThatIsNotThere", func(t *testing.T) {
		ann.send(t, "GET", path+"?version=4", "").refuses(t, 404, "not_found")
		for _, bad := range []string{"0", "-1", "x", "1.5", "99999999999999999999"} {
			ann.send(t, "GET", path+"?version="+bad, "").refuses(t, 422, "validation_failed")
		}
		bob.send(t, "GET", path+"?version=x", "").refuses(t, 404, "not_found")
	})
	t.Run("HistoryIsOldestFirstInPages", func(t *testing.T) {
		first := into[web.Page[EventView]](t, ann.send(t, "GET", path+"/events?limit=2", "").is(t, 200))
		require.Equal(t, []string{"cart.created", "cart.item_added"}, []string{first.Data[0].Type, first.Data[1].Type})
		require.Equal(t, "ann", first.Data[0].Actor)
		require.Equal(t, int64(2), first.Data[1].Version)
		require.JSONEq(t, `{"sku":"MUG","name":"The MUG","quantity":1,"unit_price":100}`, string(first.Data[1].Data))
		rest := into[web.Page[EventView]](t, ann.send(t, "GET", path+"/events?limit=2&cursor="+*first.NextCursor, "").is(t, 200))
		require.Len(t, rest.Data, 1)
		require.Nil(t, rest.NextCursor)
		ann.send(t, "GET", path+"/events?cursor=x", "").refuses(t, 422, "cursor_invalid")
		bob.send(t, "GET", path+"/events?cursor=x", "").refuses(t, 404, "not_found")
	})
	t.Run("OnlyForItsOwnerAndOperators", func(t *testing.T) {
		for _, p := range []string{path, path + "/events"} {
			client{b, ""}.send(t, "GET", p, "").refuses(t, 401, "unauthorized")
			bob.send(t, "GET", p, "").refuses(t, 404, "not_found")
			b.admin(t).send(t, "GET", p, "").is(t, 200)
		}
	})
	t.Run("ThePricingServiceReadsWhatItPrices", func(t *testing.T) {
		tax := b.as(t, "tax", "pricing")
		tax.send(t, "GET", path, "").is(t, 200)
		tax.send(t, "GET", path+"/events", "").refuses(t, 404, "not_found")
	})
	t.Run("UnknownIs404", func(t *testing.T) {
		for _, id := range []string{uuid.NewString(), "7", productID("MUG").String()} {
			ann.send(t, "GET", "/v1/carts/"+id, "").refuses(t, 404, "not_found")
			b.admin(t).send(t, "GET", "/v1/carts/"+id+"/events", "").refuses(t, 404, "not_found")
		}
	})
}
