package main

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// adjusts sets one adjustment of a cart, as the shop's pricing service does.
func (s *site) adjusts(t testing.TB, cart uuid.UUID, code string, amount int64, headers ...string) answer {
	t.Helper()
	list := map[string]any{"adjustments": []any{map[string]any{"code": code, "label": code, "amount": gbp(amount)}}}
	return s.send(t, http.MethodPut, "/v1/carts/"+cart.String()+"/adjustments", s.admin, list, headers...)
}

// TestAdjustmentsThatOutliveTheirCart: adjustments hold for the lines that they were set for. What changes the lines makes them
// stale, and a cart with stale adjustments is not sold.
func TestAdjustmentsThatOutliveTheirCart(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase)
	ada, dear, cheap := s.shopper(t), s.sells(t, 10000), s.sells(t, 100)
	stale := func(t *testing.T, c cartView) {
		t.Helper()
		require.True(t, c.AdjustmentsStale)
		require.NotEmpty(t, c.Adjustments, "nothing is deleted")
		refuses(t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusConflict, "adjustments_stale")
		require.Equal(t, c.Version, ada.cart(t, c.ID).Version, "nothing was sealed")
	}
	t.Run("ADiscountOutlivesTheDearLine", func(t *testing.T) {
		c := ada.fills(t, dear)
		c = as[cartView](t, ada.adds(t, c, cheap, 15), http.StatusOK)
		c = as[cartView](t, s.adjusts(t, c.ID, "SAVE20", -2000), http.StatusOK)
		require.False(t, c.AdjustmentsStale)
		path := "/v1/carts/" + c.ID.String()
		c = as[cartView](t, s.send(t, http.MethodDelete, path+"/items/"+dear, ada.token, nil), http.StatusOK)
		stale(t, c)
		refuses(t, s.adjusts(t, c.ID, "SAVE20", -2000), http.StatusUnprocessableEntity, "negative_total")
		c = as[cartView](t, s.adjusts(t, c.ID, "SAVE1", -100), http.StatusOK)
		require.False(t, c.AdjustmentsStale)
		done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
		require.EqualValues(t, 1400, done.Total.Amount)
	})
	t.Run("ATaxOutlivesTheCheapLine", func(t *testing.T) {
		c := ada.fills(t, cheap)
		as[cartView](t, s.adjusts(t, c.ID, "VAT", 20), http.StatusOK)
		c = as[cartView](t, ada.adds(t, c, dear, 99), http.StatusOK)
		stale(t, c)
		c = as[cartView](t, s.adjusts(t, c.ID, "VAT", 198020), http.StatusOK)
		done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
		require.EqualValues(t, 990100+198020, done.Total.Amount)
	})
	t.Run("SetForTheVersionThatWasPriced", func(t *testing.T) {
		c := ada.fills(t, cheap)
		as[cartView](t, ada.adds(t, c, cheap, 1), http.StatusOK)
		a := s.adjusts(t, c.ID, "VAT", 20, "If-Match", tag(c.Version))
		refuses(t, a, http.StatusPreconditionFailed, "version_mismatch")
		require.Equal(t, tag(c.Version+1), a.Header.Get("ETag"))
		as[cartView](t, s.adjusts(t, c.ID, "VAT", 40, "If-Match", tag(c.Version+1)), http.StatusOK)
	})
	t.Run("ACurrencyThatChangedIsNoCircle", func(t *testing.T) {
		euro := s.sells(t, 1000)
		c := ada.fills(t, euro, cheap)
		s.send(t, http.MethodPut, "/v1/products/"+euro, s.admin,
			map[string]any{"name": "E", "price": map[string]any{"amount": 1200, "currency": "EUR"}})
		p := refuses(t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusUnprocessableEntity, "currency_mismatch")
		require.Equal(t, "'"+euro+"' is not sold in GBP any more. Remove it to continue.", p.Detail)
		path := "/v1/carts/" + c.ID.String()
		refuses(t, s.send(t, http.MethodPost, path+"/reprice", ada.token, nil), http.StatusUnprocessableEntity, "currency_mismatch")
		c = as[cartView](t, s.send(t, http.MethodDelete, path+"/items/"+euro, ada.token, nil), http.StatusOK)
		as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
	})
	t.Run("NothingToPayNeedsNoPaymentMethod", func(t *testing.T) {
		c := ada.fills(t, cheap)
		p := refuses(t, ada.checksOut(t, c, "", waiting), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, "payment_method", p.Errors[0].Field)
		c = as[cartView](t, s.adjusts(t, c.ID, "gift", -100), http.StatusOK)
		refuses(t, ada.checksOut(t, c, "nonsense", waiting), http.StatusUnprocessableEntity, "validation_failed")
		as[checkoutView](t, ada.checksOut(t, c, "", waiting), http.StatusCreated)
	})
}
