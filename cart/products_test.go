package cart

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

const mugBody = `{"name":"Mug","price":{"amount":350,"currency":"GBP"}}`

func skusOf(t *testing.T, a answered) (skus []string, next *string) {
	t.Helper()
	page := into[web.Page[ProductView]](t, a.is(t, http.StatusOK))
	skus = []string{}
	for _, p := range page.Data {
		skus = append(skus, p.SKU)
	}
	return skus, page.NextCursor
}

func TestPutProductRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.admin(t)

	t.Run("NewIs201AndChangedIs200", func(t *testing.T) {
		a := admin.send(t, "PUT", "/v1/products/NEW", mugBody).is(t, http.StatusCreated)
		require.Equal(t, `"1"`, a.header.Get("ETag"))
		require.JSONEq(t, `{"sku":"NEW","name":"Mug","price":{"amount":350,"currency":"GBP"},"active":true,"available":null}`, string(a.body))
		a = admin.send(t, "PUT", "/v1/products/NEW", `{"name":"Cup","price":{"amount":0,"currency":"EUR"},"active":false}`).is(t, http.StatusOK)
		require.Equal(t, `"2"`, a.header.Get("ETag"))
		require.JSONEq(t, `{"sku":"NEW","name":"Cup","price":{"amount":0,"currency":"EUR"},"active":false,"available":null}`, string(a.body))
	})
	t.Run("UnchangedIsNoEvent", func(t *testing.T) {
		admin.send(t, "PUT", "/v1/products/SAME", mugBody).is(t, http.StatusCreated)
		a := admin.send(t, "PUT", "/v1/products/SAME", mugBody).is(t, http.StatusOK)
		require.Equal(t, `"1"`, a.header.Get("ETag"))
	})
	t.Run("WithoutActiveTheStateIsKept", func(t *testing.T) {
		const withdrawn = `{"name":"Mug","price":{"amount":350,"currency":"GBP"},"active":false}`
		active := func(body string) bool {
			return into[ProductView](t, admin.send(t, "PUT", "/v1/products/OFF", body).is(t, http.StatusOK)).Active
		}
		admin.send(t, "PUT", "/v1/products/OFF", mugBody).is(t, http.StatusCreated)
		require.True(t, active(`{"name":"Mug","price":{"amount":400,"currency":"GBP"}}`))
		require.False(t, active(withdrawn))
		require.False(t, active(mugBody))
		require.False(t, active(`{"name":"Cup","price":{"amount":500,"currency":"GBP"}}`))
		require.False(t, into[ProductView](t, admin.send(t, "GET", "/v1/products/OFF", "").is(t, http.StatusOK)).Active)
		null := admin.send(t, "PUT", "/v1/products/OFF", `{"name":"Cup","price":{"amount":500,"currency":"GBP"},"active":null}`)
		require.Equal(t, "null", null.refuses(t, 422, "validation_failed")["errors"].([]any)[0].(map[string]any)["code"])
		require.True(t, active(`{"name":"Cup","price":{"amount":500,"currency":"GBP"},"active":true}`))
	})
	t.Run("RetryIsAnsweredAsTheFirstTime", func(t *testing.T) {
		admin.send(t, "PUT", "/v1/products/KEY", mugBody, "Idempotency-Key", "put").is(t, http.StatusCreated)
		admin.send(t, "PUT", "/v1/products/KEY", `{"name":"Cup","price":{"amount":1,"currency":"GBP"}}`).is(t, http.StatusOK)
		a := admin.send(t, "PUT", "/v1/products/KEY", mugBody, "Idempotency-Key", "put").is(t, http.StatusCreated)
		require.Equal(t, "true", a.header.Get("Idempotent-Replayed"))
		require.Equal(t, "Mug", into[ProductView](t, a).Name)
		admin.send(t, "PUT", "/v1/products/KEY", `{"name":"X","price":{"amount":1,"currency":"GBP"}}`, "Idempotency-Key", "put").
			refuses(t, 422, "idempotency_key_reused")
	})
	t.Run("StaleVersionRefused", func(t *testing.T) {
		a := admin.send(t, "PUT", "/v1/products/STALE", mugBody, "If-Match", `"3"`)
		require.Equal(t, "It does not exist.", a.refuses(t, 412, "version_mismatch")["detail"])
		admin.send(t, "PUT", "/v1/products/STALE", mugBody, "If-Match", `"0"`).is(t, http.StatusCreated)
	})
	t.Run("IfNoneMatchCreatesAndChangesNothing", func(t *testing.T) {
		put := func(sku, body string, headers ...string) answered {
			return admin.send(t, "PUT", "/v1/products/"+sku, body, headers...)
		}
		put("ONCE", mugBody, "If-None-Match", "*", "Idempotency-Key", "once").is(t, http.StatusCreated)
		require.Equal(t, "true", put("ONCE", mugBody, "If-None-Match", "*", "Idempotency-Key", "once").is(t, http.StatusCreated).header.Get("Idempotent-Replayed"))
		put("ONCE", mugBody, "Idempotency-Key", "once").refuses(t, 422, "idempotency_key_reused")
		other := `{"name":"Overwritten","price":{"amount":1,"currency":"GBP"}}`
		a := put("ONCE", other, "If-None-Match", "*")
		require.Equal(t, "It exists already.", a.refuses(t, 412, "version_mismatch")["detail"])
		require.Equal(t, `"1"`, a.header.Get("ETag"))
		put("ONCE", other, "If-None-Match", `"1"`).refuses(t, 400, "malformed_if_none_match")
		require.Equal(t, "Mug", into[ProductView](t, admin.send(t, "GET", "/v1/products/ONCE", "").is(t, 200)).Name)
	})
	t.Run("WhatIsNoCreationIsRefusedWhereItExists", func(t *testing.T) {
		path, _ := b.as(t, "root").opens(t)
		a := admin.send(t, "PUT", path+"/adjustments", `{"adjustments":[]}`, "If-None-Match", "*")
		require.Equal(t, "It exists already.", a.refuses(t, 412, "version_mismatch")["detail"])
	})
	t.Run("IfMatchStarCreatesNothing", func(t *testing.T) {
		a := admin.send(t, "PUT", "/v1/products/ABSENT", mugBody, "If-Match", "*")
		require.Equal(t, "It does not exist.", a.refuses(t, 412, "version_mismatch")["detail"])
		admin.send(t, "GET", "/v1/products/ABSENT", "").refuses(t, 404, "unknown_product")
		admin.send(t, "PUT", "/v1/products/ABSENT", mugBody).is(t, http.StatusCreated)
		admin.send(t, "PUT", "/v1/products/ABSENT", mugBody, "If-Match", "*").is(t, http.StatusOK)
	})
	t.Run("OnlyForOperators", func(t *testing.T) {
		client{b, ""}.send(t, "PUT", "/v1/products/MUG", mugBody).refuses(t, 401, "unauthorized")
		b.as(t, "ann").send(t, "PUT", "/v1/products/MUG", "{").refuses(t, 403, "forbidden")
	})
	for body, code := range map[string]string{
		`{`:  "malformed_json",
		`{}`: "validation_failed",
		`{"name":"","price":{"amount":1,"currency":"GBP"}}`:                     "validation_failed",
		`{"name":"  ","price":{"amount":1,"currency":"GBP"}}`:                   "validation_failed",
		`{"name":"Mug","price":{"currency":"GBP"}}`:                             "validation_failed",
		`{"name":"Mug","price":{"amount":-1,"currency":"GBP"}}`:                 "validation_failed",
		`{"name":"Mug","price":{"amount":1.5,"currency":"GBP"}}`:                "validation_failed",
		`{"name":"Mug","price":{"amount":1,"currency":"XXY"}}`:                  "validation_failed",
		`{"name":"Mug\u0000","price":{"amount":1,"currency":"GBP"}}`:            "validation_failed",
		`{"name":"Mug","price":{"amount":9007199254740992,"currency":"GBP"}}`:   "amount_too_large",
		`{"name":"Mug","price":{"amount":1,"currency":"GBP"},"colour":"white"}`: "unknown_field",
	} {
		t.Run("Refused"+code, func(t *testing.T) {
			status := 422
			if code == "malformed_json" {
				status = 400
			}
			admin.send(t, "PUT", "/v1/products/BAD", body).refuses(t, status, code)
			admin.send(t, "GET", "/v1/products/BAD", "").refuses(t, 404, "unknown_product")
		})
	}
	t.Run("LargestPriceIsFine", func(t *testing.T) {
		admin.send(t, "PUT", "/v1/products/GOLD", `{"name":"Gold","price":{"amount":9007199254740991,"currency":"GBP"}}`).is(t, 201)
	})
}

// TestOneOfManyCreatesAProduct creates a product from many callers in two processes. One creates it.
func TestOneOfManyCreatesAProduct(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	replicas := []*testBundle{setupOn(t, url, func(*Module) {}), setupOn(t, url, func(*Module) {})}
	for round := range 10 {
		const many = 8
		path, start, answers := fmt.Sprintf("/v1/products/NEW-%d", round), make(chan struct{}), make(chan answered, many)
		for i := range many {
			admin := replicas[i%len(replicas)].admin(t)
			go func() {
				<-start
				answers <- admin.send(t, "PUT", path, fmt.Sprintf(`{"name":"By %d","price":{"amount":350,"currency":"GBP"}}`, i), "If-None-Match", "*")
			}()
		}
		close(start)
		created := ""
		for range many {
			switch a := <-answers; a.status {
			case http.StatusCreated:
				require.Empty(t, created)
				created = into[ProductView](t, a).Name
			default:
				a.refuses(t, 412, "version_mismatch")
			}
		}
		require.Equal(t, created, into[ProductView](t, replicas[0].admin(t).send(t, "GET", path, "").is(t, 200)).Name)
	}
}

// TestEndedCurrencies refuses ended currencies for new data. Old data in one can be read, priced, emptied, withdrawn and moved to
// the successor currency.
func TestEndedCurrencies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin, ann := b.admin(t), b.as(t, "ann")
	for code, want := range map[string]string{"HRK": "HRK is not a currency any more. Use EUR.", "XYZ": "It must be an ISO 4217 currency, such as GBP."} {
		wrong := []any{map[string]any{"field": "currency", "code": "currency", "detail": want}}
		require.Equal(t, wrong, ann.send(t, "POST", "/v1/carts", `{"currency":"`+code+`"}`).refuses(t, 422, "validation_failed")["errors"])
		wrong[0].(map[string]any)["field"] = "price.currency"
		priced := `{"name":"Mug","price":{"amount":350,"currency":"` + code + `"}}`
		require.Equal(t, wrong, admin.send(t, "PUT", "/v1/products/"+code, priced).refuses(t, 422, "validation_failed")["errors"])
	}
	for code, successor := range map[string]string{"BGN": "EUR", "ANG": "XCG"} {
		wrong := func(field string) []any {
			return []any{map[string]any{"field": field, "code": "currency", "detail": code + " is not a currency any more. Use " + successor + "."}}
		}
		priced := func(currency, more string) string {
			return `{"name":"Mug","price":{"amount":350,"currency":"` + currency + `"}` + more + `}`
		}
		require.Equal(t, wrong("currency"), ann.send(t, "POST", "/v1/carts", `{"currency":"`+code+`"}`).refuses(t, 422, "validation_failed")["errors"])
		product := "/v1/products/" + code
		require.Equal(t, wrong("price.currency"), admin.send(t, "PUT", product, priced(code, "")).refuses(t, 422, "validation_failed")["errors"])
		admin.send(t, "GET", product, "").refuses(t, 404, "unknown_product")
		ann.send(t, "POST", "/v1/carts", `{"currency":"`+successor+`"}`).is(t, 201)

		holds[Product, ProductEvent](t, b, products, productID(code), ProductCreated{SKU: code, Name: "Mug", Price: money.Of(350, code), Active: true})
		id := uuid.New()
		holds[State, Event](t, b, carts, id, Created{CustomerID: "ann", Currency: code}, ItemAdded{Line{SKU: code, Name: "Mug", Quantity: 1, UnitPrice: 350}})
		path := "/v1/carts/" + id.String()
		require.Equal(t, money.Of(350, code), ann.send(t, "GET", path, "").cart(t).Total)
		tax := `{"adjustments":[{"code":"vat","label":"VAT","amount":{"amount":70,"currency":"` + code + `"}}]}`
		require.Equal(t, money.Of(420, code), admin.send(t, "PUT", path+"/adjustments", tax).cart(t).Total)
		require.Empty(t, ann.send(t, "DELETE", path+"/items/"+code, "").cart(t).Items)
		require.False(t, into[ProductView](t, admin.send(t, "PUT", product, priced(code, `,"active":false`)).is(t, 200)).Active)
		require.Equal(t, successor, into[ProductView](t, admin.send(t, "PUT", product, priced(successor, "")).is(t, 200)).Price.Currency)
		admin.send(t, "PUT", product, priced(code, "")).refuses(t, 422, "validation_failed")
	}
}

// TestSKUsThatNoBrowserCanAddress refuses new SKUs such as "..", since a browser rewrites /items/.., and SKUs with a space at an
// end. Existing products with such a SKU can be withdrawn and removed.
func TestSKUsThatNoBrowserCanAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin, ann := b.admin(t), b.as(t, "ann")
	path, _ := ann.opens(t)
	const rule = "It must be 1 to 64 printable characters without a slash, not . or .., without a space or an invisible character at either end."
	for raw, sku := range map[string]string{"%2E": ".", "%2E%2E": "..", "%20MUG": " MUG", "MUG%20": "MUG ", "MUG%EF%B8%8F": "MUG\ufe0f"} {
		problem := admin.send(t, "PUT", "/v1/products/"+raw, mugBody).refuses(t, 422, "validation_failed")
		require.Equal(t, []any{map[string]any{"field": "sku", "code": "sku", "detail": rule}}, problem["errors"])
		admin.send(t, "GET", "/v1/products/"+raw, "").refuses(t, 404, "unknown_product")
		ann.send(t, "POST", path+"/items", `{"sku":"`+sku+`","quantity":1}`).refuses(t, 422, "validation_failed")

		t.Run("StoredBefore"+sku, func(t *testing.T) {
			holds[Product, ProductEvent](t, b, products, productID(sku), ProductCreated{SKU: sku, Name: "Mug", Price: money.Of(350, "GBP"), Active: true})
			id := uuid.New()
			holds[State, Event](t, b, carts, id, Created{CustomerID: "ann", Currency: "GBP"}, ItemAdded{Line{SKU: sku, Name: "Mug", Quantity: 1, UnitPrice: 350}})
			line := "/v1/carts/" + id.String() + "/items/" + raw

			require.True(t, into[ProductView](t, admin.send(t, "GET", "/v1/products/"+raw, "").is(t, 200)).Active)
			withdrawn := `{"name":"Mug","price":{"amount":350,"currency":"GBP"},"active":false}`
			require.False(t, into[ProductView](t, admin.send(t, "PUT", "/v1/products/"+raw, withdrawn).is(t, 200)).Active)
			require.Equal(t, int64(2), ann.send(t, "PATCH", line, `{"quantity":2}`).cart(t).Items[0].Quantity)
			require.Empty(t, ann.send(t, "DELETE", line, "").cart(t).Items)
		})
	}
}

// TestProductETag checks that the tag covers the stock: a 304 hides no change of it. A price is changed by version, whatever was
// sold in the meantime.
func TestProductETag(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stock := stocked{"STOCKED": 7}
	b.Stock = stock
	admin, anyone := b.admin(t), client{b, ""}
	get := func(sku, tag string, status int) answered {
		t.Helper()
		a := anyone.send(t, "GET", "/v1/products/"+sku, "", "If-None-Match", tag).is(t, status)
		if status == http.StatusNotModified {
			require.Empty(t, a.body)
		}
		return a
	}
	b.prices(t, "PLAIN", mugBody)
	require.Equal(t, `"1"`, anyone.send(t, "GET", "/v1/products/PLAIN", "").is(t, 200).header.Get("ETag"))
	require.Equal(t, `"1"`, get("PLAIN", `"1"`, 304).header.Get("ETag"))
	get("PLAIN", `W/"1"`, 304)
	stock["PLAIN"] = 0 // its stock is tracked from now on
	require.Equal(t, `"1.0"`, get("PLAIN", `"1"`, 200).header.Get("ETag"))

	a := admin.send(t, "PUT", "/v1/products/STOCKED", mugBody).is(t, 201)
	tag := a.header.Get("ETag")
	require.Equal(t, `"1.7"`, tag)
	get("STOCKED", tag, 304)
	stock["STOCKED"] = 6
	require.Equal(t, int64(6), *into[ProductView](t, get("STOCKED", tag, 200)).Available)
	a = admin.send(t, "PUT", "/v1/products/STOCKED", `{"name":"Cup","price":{"amount":350,"currency":"GBP"}}`, "If-Match", tag).is(t, 200)
	require.Equal(t, `"2.6"`, a.header.Get("ETag"))
	admin.send(t, "PUT", "/v1/products/STOCKED", mugBody, "If-Match", tag).refuses(t, 412, "version_mismatch")
	get("STOCKED", `"1.6"`, 200)
	get("STOCKED", `"2.6"`, 304)
}

func TestProductReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	anyone := client{b, ""}
	odd := "50% Off_Käse & Brot"
	for _, p := range [][2]string{{"PLAIN", "Grüner Tee"}, {"STOCKED", "Black TEA"}, {url.PathEscape(odd), "Hamper"}, {"UNDER_SCORE", "back\\\\slash"}} {
		b.prices(t, p[0], `{"name":"`+p[1]+`","price":{"amount":1,"currency":"GBP"}}`)
	}

	t.Run("StockIsNullWhereNotTracked", func(t *testing.T) {
		require.Nil(t, into[ProductView](t, anyone.send(t, "GET", "/v1/products/PLAIN", "").is(t, 200)).Available)
		require.Equal(t, int64(7), *into[ProductView](t, anyone.send(t, "GET", "/v1/products/STOCKED", "").is(t, 200)).Available)
	})
	t.Run("OddSKUsAreFoundByTheirEscapedPath", func(t *testing.T) {
		require.Equal(t, odd, into[ProductView](t, anyone.send(t, "GET", "/v1/products/"+url.PathEscape(odd), "").is(t, 200)).SKU)
	})
	t.Run("UnknownIs404", func(t *testing.T) {
		anyone.send(t, "GET", "/v1/products/NOPE", "").refuses(t, 404, "unknown_product")
	})
	t.Run("NewestFirstInPages", func(t *testing.T) {
		first, next := skusOf(t, anyone.send(t, "GET", "/v1/products?limit=3", ""))
		require.Equal(t, []string{"UNDER_SCORE", odd, "STOCKED"}, first)
		rest, end := skusOf(t, anyone.send(t, "GET", "/v1/products?limit=3&cursor="+*next, ""))
		require.Equal(t, []string{"PLAIN"}, rest)
		require.Nil(t, end)
	})
	t.Run("BadPageRefused", func(t *testing.T) {
		anyone.send(t, "GET", "/v1/products?limit=0", "").refuses(t, 422, "validation_failed")
		anyone.send(t, "GET", "/v1/products?cursor=x", "").refuses(t, 422, "cursor_invalid")
	})
	for q, want := range map[string][]string{
		"tea": {"STOCKED"}, "TEE": {"PLAIN"}, "grÜn": {"PLAIN"}, "off_kÄSE": {odd}, "stock": {"STOCKED"},
		"%": {odd}, "_": {"UNDER_SCORE", odd}, `\`: {"UNDER_SCORE"}, "' or 1=1 --": {}, "nothing like it": {},
	} {
		t.Run("SearchFinds"+q, func(t *testing.T) {
			got, _ := skusOf(t, anyone.send(t, "GET", "/v1/products?q="+url.QueryEscape(q), ""))
			require.Equal(t, want, got)
		})
	}
}
