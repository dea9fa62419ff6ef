package order

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// confirmedOrder makes an order that lists show.
func (s *shop) confirmedOrder(customer string, lines ...Line) Place {
	s.t.Helper()
	p := s.placeOrder(customer, lines...)
	s.must(Confirm{OrderID: p.OrderID})
	return p
}

func (s *shop) numberOf(p Place) string { return s.order(p.OrderID).State.Number }

func TestShowOrder(t *testing.T) {
	t.Parallel()
	s := open(t)

	t.Run("AsTheContractHasIt", func(t *testing.T) {
		p := newPlace(line("mug", 2))
		p.Adjustments, p.Total = []Adjustment{{Code: "discount", Label: "Ten off", Amount: -10}}, 490
		require.NoError(t, s.SaveContact(t.Context(), Contact{
			ID: p.ContactID, CustomerID: "alice", Email: "alice@example.com", ShippingAddress: json.RawMessage(`{"city":"Ulm"}`),
		}))
		s.must(p)
		a := s.call("alice", "GET", "/v1/orders/"+p.OrderID.String(), "")
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, `"1"`, a.Header.Get("ETag"))
		require.NotEmpty(t, a.Body["created_at"])
		require.Equal(t, a.Body["created_at"], a.Body["updated_at"])
		delete(a.Body, "created_at")
		delete(a.Body, "updated_at")
		gbp := func(n int) map[string]any { return map[string]any{"amount": float64(n), "currency": "GBP"} }
		require.Equal(t, map[string]any{
			"id": p.OrderID.String(), "number": s.numberOf(p), "customer_id": "alice",
			"checkout_id": p.CheckoutID.String(), "payment_id": p.PaymentID.String(), "status": "pending",
			"items": []any{map[string]any{
				"sku": "mug", "name": "The mug", "quantity": 2.0, "unit_price": gbp(250), "line_total": gbp(500),
			}},
			"adjustments": []any{map[string]any{"code": "discount", "label": "Ten off", "amount": gbp(-10)}},
			"total":       gbp(490), "refunded": gbp(0), "reason": nil, "version": 1.0,
			"email": "alice@example.com", "shipping_address": map[string]any{"city": "Ulm"},
		}, a.Body)
	})

	t.Run("WithoutAContactItIsNull", func(t *testing.T) {
		p := s.placeOrder("alice", line("mug", 1))
		a := s.call("alice", "GET", "/v1/orders/"+p.OrderID.String(), "")
		require.Contains(t, a.Body, "email")
		require.Nil(t, a.Body["email"])
		require.Contains(t, a.Body, "shipping_address")
		require.Nil(t, a.Body["shipping_address"])
		require.Equal(t, []any{}, a.Body["adjustments"])
	})

	t.Run("NotModified", func(t *testing.T) {
		p := s.placeOrder("alice", line("mug", 1))
		require.NoError(t, s.SaveContact(t.Context(), Contact{ID: p.ContactID, CustomerID: "alice", Email: "alice@example.com"}))
		path := "/v1/orders/" + p.OrderID.String()
		require.Equal(t, http.StatusNotModified, s.call("alice", "GET", path, "", "If-None-Match", `"1"`).Status)
		s.must(Confirm{OrderID: p.OrderID})
		a := s.call("alice", "GET", path, "", "If-None-Match", `"1"`)
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, `"2"`, a.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, s.call("alice", "GET", path, "", "If-None-Match", `"2"`).Status)
		require.NoError(t, s.DropContact(t.Context(), p.ContactID))
		a = s.call("alice", "GET", path, "", "If-None-Match", `"2"`)
		require.Equal(t, http.StatusOK, a.Status, "an erased contact is not kept by a 304")
		require.Nil(t, a.Body["email"])
	})

	t.Run("WhoMaySeeIt", func(t *testing.T) {
		p := s.placeOrder("alice", line("mug", 1))
		path := "/v1/orders/" + p.OrderID.String()
		require.Equal(t, http.StatusUnauthorized, s.call("", "GET", path, "").Status)
		require.Equal(t, http.StatusUnauthorized, s.call("bad", "GET", path, "").Status)
		require.Equal(t, http.StatusNotFound, s.call("bob", "GET", path, "").Status)
		require.Equal(t, http.StatusOK, s.call("root", "GET", path, "").Status)
	})

	t.Run("WhatIsNoOrder", func(t *testing.T) {
		tombstone := newID()
		s.must(Cancel{OrderID: tombstone})
		s.setOnHand("a stock", 1)
		for _, id := range []string{tombstone.String(), newID().String(), stockID("a stock").String(), "7"} {
			for _, bearer := range []string{"alice", "root"} {
				a := s.call(bearer, "GET", "/v1/orders/"+id, "")
				require.Equal(t, http.StatusNotFound, a.Status, id)
				require.Equal(t, "not_found", a.code())
			}
		}
	})
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := s.confirmedOrder("alice", line("mug", 1))
	s.confirmedOrder("bob", line("mug", 1))
	cancelled := s.placeOrder("alice", line("mug", 1))
	s.must(Cancel{OrderID: cancelled.OrderID}, Cancel{OrderID: newID()})
	last := s.confirmedOrder("alice", line("mug", 1))
	s.placeOrder("alice", line("mug", 1))
	mine := []string{s.numberOf(last), s.numberOf(first)}

	t.Run("MineNewestFirstWithoutThoseNeverConfirmed", func(t *testing.T) {
		t.Parallel()
		a := s.call("alice", "GET", "/v1/orders", "")
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, mine, a.numbersOf())
		require.Nil(t, a.Body["next_cursor"])
	})

	t.Run("PageByPage", func(t *testing.T) {
		t.Parallel()
		var seen []string
		for cursor := ""; ; {
			a := s.call("alice", "GET", "/v1/orders?limit=1&cursor="+cursor, "")
			seen = append(seen, a.numbersOf()...)
			next, more := a.Body["next_cursor"].(string)
			if !more {
				break
			}
			cursor = next
		}
		require.Equal(t, mine, seen)
	})

	t.Run("NobodysIsAnEmptyList", func(t *testing.T) {
		t.Parallel()
		a := s.call("carol", "GET", "/v1/orders", "")
		require.Equal(t, []any{}, a.Body["data"])
		require.Equal(t, http.StatusUnauthorized, s.call("", "GET", "/v1/orders", "").Status)
		require.Equal(t, http.StatusUnprocessableEntity, s.call("carol", "GET", "/v1/orders?limit=0", "").Status)
		require.Equal(t, http.StatusUnprocessableEntity, s.call("carol", "GET", "/v1/orders?cursor=x", "").Status)
	})
}

func TestSearchOrders(t *testing.T) {
	t.Parallel()
	s := open(t)
	ann := newPlace(line("mug", 1))
	ann.CustomerID = "ann"
	require.NoError(t, s.SaveContact(t.Context(), Contact{ID: ann.ContactID, CustomerID: "ann", Email: "Ann@Example.com"}))
	s.must(ann, Confirm{OrderID: ann.OrderID})
	other := s.confirmedOrder("ann", line("mug", 1)) // the same customer, another address
	fulfilled := s.confirmedOrder("ben", line("mug", 1))
	require.Equal(t, http.StatusOK, s.call("root", "POST", "/v1/orders/"+fulfilled.OrderID.String()+"/fulfil", "", "Idempotency-Key", "f").Status)
	pending := s.placeOrder("ben", line("mug", 1))
	s.must(Cancel{OrderID: newID()})
	n := s.numberOf

	for name, c := range map[string]struct {
		query string
		want  []string
	}{
		"AllButPendingNewestFirst":  {"", []string{n(fulfilled), n(other), n(ann)}},
		"ByNumber":                  {"number=" + n(other), []string{n(other)}},
		"ByAnotherNumber":           {"number=" + withCheckDigit(99), []string{}},
		"ByEmailInAnyCase":          {"email=aNN@example.com", []string{n(ann)}},
		"ByAnotherEmail":            {"email=nobody@example.com", []string{}},
		"ByStatus":                  {"status=fulfilled", []string{n(fulfilled)}},
		"PendingOnesWhenAskedFor":   {"status=pending", []string{n(pending)}},
		"NoTombstones":              {"status=cancelled", []string{}},
		"AllConditionsMustHold":     {"status=confirmed&email=ann@example.com&number=" + n(ann), []string{n(ann)}},
		"AllConditionsMustHoldEach": {"status=fulfilled&email=ann@example.com", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.call("root", "GET", "/v1/admin/orders?"+c.query, "")
			require.Equal(t, http.StatusOK, a.Status)
			require.Equal(t, c.want, a.numbersOf())
		})
	}

	t.Run("AMisheardNumberIsSaidSo", func(t *testing.T) {
		t.Parallel()
		a := s.call("root", "GET", "/v1/admin/orders?number=1000005", "")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
		require.Equal(t, "validation_failed", a.code())
		require.Contains(t, fmt.Sprint(a.Body["errors"]), "check digit")
		a = s.call("root", "GET", "/v1/admin/orders?number=Ada", "")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status)
		require.NotContains(t, fmt.Sprint(a.Body["errors"]), "check digit")
	})

	t.Run("AnAddressThatNoOrderCanHaveIsRefused", func(t *testing.T) {
		t.Parallel()
		for address, want := range map[string]string{
			"ann":                    "It must be an e-mail address.",
			"ann\u200b@example.com":  "It must not contain spaces or invisible characters. Character 4 is U+200B.",
			"ann@exam ple.com":       "It must not contain spaces or invisible characters. Character 9 is U+0020.",
			strings.Repeat("a", 255): "It must be at most 254 bytes long.",
		} {
			a := s.call("root", "GET", "/v1/admin/orders?email="+url.QueryEscape(address), "")
			require.Equal(t, http.StatusUnprocessableEntity, a.Status)
			require.Equal(t, []any{map[string]any{"field": "email", "code": "email", "detail": want}}, a.Body["errors"])
		}
		a := s.call("root", "GET", "/v1/admin/orders?email="+url.QueryEscape("\u2009ann@example.com "), "")
		require.Equal(t, []string{n(ann)}, a.numbersOf(), "spaces at the ends are dropped from a filter")
	})

	t.Run("ABlankFilterIsNotEverything", func(t *testing.T) {
		t.Parallel()
		for _, query := range []string{"email=", "email=%20", "number="} {
			a := s.call("root", "GET", "/v1/admin/orders?"+query, "")
			require.Equal(t, http.StatusUnprocessableEntity, a.Status, query)
			require.Contains(t, query, a.field())
		}
	})

	t.Run("Refusals", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusUnauthorized, s.call("", "GET", "/v1/admin/orders", "").Status)
		require.Equal(t, http.StatusForbidden, s.call("ann", "GET", "/v1/admin/orders", "").Status)
		require.Equal(t, http.StatusUnprocessableEntity, s.call("root", "GET", "/v1/admin/orders?status=eaten", "").Status)
		require.Equal(t, http.StatusUnprocessableEntity, s.call("root", "GET", "/v1/admin/orders?limit=101", "").Status)
	})
}

func TestFulfilOverHTTP(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.setOnHand("mug", 10)
	path := func(id uuid.UUID) string { return "/v1/orders/" + id.String() + "/fulfil" }

	t.Run("TakesTheGoodsOnce", func(t *testing.T) {
		p := s.confirmedOrder("alice", line("mug", 2), line("tea", 1))
		a := s.call("root", "POST", path(p.OrderID), "", "Idempotency-Key", "one", "If-Match", `"2"`)
		require.Equal(t, http.StatusOK, a.Status)
		require.Equal(t, "fulfilled", a.Body["status"])
		require.Equal(t, `"3"`, a.Header.Get("ETag"))
		again := s.call("root", "POST", path(p.OrderID), "", "Idempotency-Key", "one", "If-Match", `"2"`)
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
		require.Equal(t, a.Body, again.Body)
		require.Equal(t, Stock{SKU: "mug", OnHand: 8}, s.stock("mug"))

		a = s.call("root", "POST", path(p.OrderID), "", "Idempotency-Key", "another")
		require.Equal(t, http.StatusConflict, a.Status)
		require.Equal(t, "already_fulfilled", a.code())
		a = s.call("root", "POST", path(p.OrderID), `{}`, "Idempotency-Key", "one")
		require.Equal(t, "idempotency_key_reused", a.code())
	})

	t.Run("OnlyAConfirmedOrder", func(t *testing.T) {
		p := s.placeOrder("alice", line("tea", 1))
		a := s.call("root", "POST", path(p.OrderID), "", "Idempotency-Key", "early")
		require.Equal(t, http.StatusConflict, a.Status)
		require.Equal(t, "not_confirmed", a.code())
		s.must(Cancel{OrderID: p.OrderID})
		a = s.call("root", "POST", path(p.OrderID), "", "Idempotency-Key", "early")
		require.Equal(t, http.StatusConflict, a.Status)
		require.Equal(t, "order_cancelled", a.code())
	})

	t.Run("RefusalsInTheirOrder", func(t *testing.T) {
		p := s.placeOrder("alice", line("tea", 1))
		tombstone := newID()
		s.must(Cancel{OrderID: tombstone})
		for _, c := range []struct {
			bearer, path, body string
			headers            []string
			want               int
			code               string
		}{
			{"", path(newID()), "{", nil, http.StatusUnauthorized, "unauthorized"},
			{"alice", path(p.OrderID), "{", nil, http.StatusForbidden, "forbidden"},
			{"root", path(newID()), "{", nil, http.StatusNotFound, "not_found"},
			{"root", path(tombstone), "{", nil, http.StatusNotFound, "not_found"},
			{"root", path(p.OrderID), "{", nil, http.StatusBadRequest, "malformed_json"},
			{"root", path(p.OrderID), `{"x":1}`, nil, http.StatusUnprocessableEntity, "unknown_field"},
			{"root", path(p.OrderID), "{}", []string{"If-Match", `"9"`}, http.StatusBadRequest, "idempotency_key_required"},
			{"root", path(p.OrderID), "{}", []string{"If-Match", `"9"`, "Idempotency-Key", "k"}, http.StatusPreconditionFailed, "version_mismatch"},
			{"root", path(p.OrderID), "", []string{"If-Match", `"1"`, "Idempotency-Key", "k"}, http.StatusConflict, "not_confirmed"},
		} {
			a := s.call(c.bearer, "POST", c.path, c.body, c.headers...)
			require.Equal(t, c.code, a.code())
			require.Equal(t, c.want, a.Status)
			if c.want == http.StatusPreconditionFailed {
				require.Equal(t, `"1"`, a.Header.Get("ETag"))
			}
		}
		require.EqualValues(t, 1, s.order(p.OrderID).Version)
	})
}

func TestStockOverHTTP(t *testing.T) {
	t.Parallel()
	s := open(t)

	t.Run("CountAndRead", func(t *testing.T) {
		a := s.call("root", "PUT", "/v1/stock/Tee%20gr%C3%BCn", `{"on_hand":3}`)
		require.Equal(t, http.StatusOK, a.Status)
		want := map[string]any{"sku": "Tee grün", "on_hand": 3.0, "reserved": 0.0, "available": 3.0, "short": 0.0}
		require.Equal(t, want, a.Body)
		require.Equal(t, `"1"`, a.Header.Get("ETag"))
		s.placeOrder("alice", line("Tee grün", 2))
		want["reserved"], want["available"] = 2.0, 1.0
		want["orders"], want["orders_complete"] = []any{}, true
		require.Equal(t, want, s.call("root", "GET", "/v1/stock/Tee%20gr%C3%BCn", "").Body)
	})

	t.Run("BelowReserved", func(t *testing.T) {
		s.setOnHand("low", 5)
		s.placeOrder("alice", line("low", 4))
		a := s.call("root", "PUT", "/v1/stock/low", `{"on_hand":3}`)
		require.Equal(t, http.StatusConflict, a.Status)
		require.Equal(t, "below_reserved", a.code())
		require.Equal(t, 4.0, a.Body["reserved"])
		require.Equal(t, http.StatusOK, s.call("root", "PUT", "/v1/stock/low", `{"on_hand":4}`).Status)
	})

	t.Run("UnderAKeyOnce", func(t *testing.T) {
		count := func(n, key string) answer {
			return s.call("root", "PUT", "/v1/stock/key", `{"on_hand":`+n+`}`, "Idempotency-Key", key)
		}
		first := count("5", "a")
		count("9", "b")
		again := count("5", "a")
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
		require.Equal(t, first.Body, again.Body)
		require.EqualValues(t, 9, s.stock("key").OnHand)
		require.Equal(t, "idempotency_key_reused", count("6", "a").code())
	})

	t.Run("OnTheVersionNamed", func(t *testing.T) {
		s.setOnHand("version", 5)
		a := s.call("root", "PUT", "/v1/stock/version", `{"on_hand":6}`, "If-Match", `"2"`)
		require.Equal(t, http.StatusPreconditionFailed, a.Status)
		require.Equal(t, `"1"`, a.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, s.call("root", "PUT", "/v1/stock/version", `{"on_hand":6}`, "If-Match", `"1"`).Status)
	})

	t.Run("Refusals", func(t *testing.T) {
		for _, c := range []struct {
			bearer, method, sku, body string
			want                      int
		}{
			{"", "PUT", "mug", `{"on_hand":1}`, http.StatusUnauthorized},
			{"alice", "PUT", "mug", `{"on_hand":1}`, http.StatusForbidden},
			{"root", "PUT", "%01", `{"on_hand":1}`, http.StatusUnprocessableEntity},
			{"root", "PUT", "mug", `{"on_hand":-1}`, http.StatusUnprocessableEntity},
			{"root", "PUT", "mug", `{"on_hand":9007199254740992}`, http.StatusUnprocessableEntity},
			{"root", "PUT", "mug", `{"on_hand":1.5}`, http.StatusUnprocessableEntity},
			{"root", "PUT", "mug", `{}`, http.StatusUnprocessableEntity},
			{"root", "PUT", "mug", `{"on_hand":1,"reserved":0}`, http.StatusUnprocessableEntity},
			{"root", "PUT", "mug", `{`, http.StatusBadRequest},
			{"", "GET", "mug", "", http.StatusUnauthorized},
			{"alice", "GET", "mug", "", http.StatusForbidden},
			{"root", "GET", "mug", "", http.StatusNotFound},
		} {
			require.Equal(t, c.want, s.call(c.bearer, c.method, "/v1/stock/"+c.sku, c.body).Status, "%+v", c)
		}
	})
}
