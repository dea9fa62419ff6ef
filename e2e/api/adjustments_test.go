package api

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// adjusts sets one adjustment of a cart, as the shop's pricing service does.
func adjusts(t testing.TB, s *harness.Site, cart uuid.UUID, code string, amount int64, headers ...string) harness.Answer {
	t.Helper()
	list := map[string]any{"adjustments": []any{map[string]any{"code": code, "label": code, "amount": harness.GBP(amount)}}}
	return s.Send(t, http.MethodPut, "/v1/carts/"+cart.String()+"/adjustments", s.Admin, list, headers...)
}

// TestAdjustmentsThatOutliveTheirCart: adjustments hold for the lines that they were set for. What changes the lines makes them
// stale, and a cart with stale adjustments is not sold.
func TestAdjustmentsThatOutliveTheirCart(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada, dear, cheap := s.Shopper(t), s.AddProduct(t, 10000), s.AddProduct(t, 100)
	stale := func(t *testing.T, c harness.CartView) {
		t.Helper()
		require.True(t, c.AdjustmentsStale)
		require.NotEmpty(t, c.Adjustments, "nothing is deleted")
		harness.RequireProblem(t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusConflict, "adjustments_stale")
		require.Equal(t, c.Version, ada.Cart(t, c.ID).Version, "nothing was sealed")
	}
	t.Run("ADiscountOutlivesTheDearLine", func(t *testing.T) {
		c := ada.Fill(t, dear)
		c = harness.As[harness.CartView](t, ada.Add(t, c, cheap, 15), http.StatusOK)
		c = harness.As[harness.CartView](t, adjusts(t, s, c.ID, "SAVE20", -2000), http.StatusOK)
		require.False(t, c.AdjustmentsStale)
		path := "/v1/carts/" + c.ID.String()
		c = harness.As[harness.CartView](t, s.Send(t, http.MethodDelete, path+"/items/"+dear, ada.Token, nil), http.StatusOK)
		stale(t, c)
		harness.RequireProblem(t, adjusts(t, s, c.ID, "SAVE20", -2000), http.StatusUnprocessableEntity, "negative_total")
		c = harness.As[harness.CartView](t, adjusts(t, s, c.ID, "SAVE1", -100), http.StatusOK)
		require.False(t, c.AdjustmentsStale)
		done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
		require.EqualValues(t, 1400, done.Total.Amount)
	})
	t.Run("ATaxOutlivesTheCheapLine", func(t *testing.T) {
		c := ada.Fill(t, cheap)
		harness.As[harness.CartView](t, adjusts(t, s, c.ID, "VAT", 20), http.StatusOK)
		c = harness.As[harness.CartView](t, ada.Add(t, c, dear, 99), http.StatusOK)
		stale(t, c)
		c = harness.As[harness.CartView](t, adjusts(t, s, c.ID, "VAT", 198020), http.StatusOK)
		done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
		require.EqualValues(t, 990100+198020, done.Total.Amount)
	})
	t.Run("SetForTheVersionThatWasPriced", func(t *testing.T) {
		c := ada.Fill(t, cheap)
		harness.As[harness.CartView](t, ada.Add(t, c, cheap, 1), http.StatusOK)
		a := adjusts(t, s, c.ID, "VAT", 20, "If-Match", harness.Tag(c.Version))
		harness.RequireProblem(t, a, http.StatusPreconditionFailed, "version_mismatch")
		require.Equal(t, harness.Tag(c.Version+1), a.Header.Get("ETag"))
		harness.As[harness.CartView](t, adjusts(t, s, c.ID, "VAT", 40, "If-Match", harness.Tag(c.Version+1)), http.StatusOK)
	})
	t.Run("ACurrencyThatChangedIsNoCircle", func(t *testing.T) {
		euro := s.AddProduct(t, 1000)
		c := ada.Fill(t, euro, cheap)
		s.Send(t, http.MethodPut, "/v1/products/"+euro, s.Admin,
			map[string]any{"name": "E", "price": map[string]any{"amount": 1200, "currency": "EUR"}})
		p := harness.RequireProblem(t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusUnprocessableEntity, "currency_mismatch")
		require.Equal(t, "'"+euro+"' is no longer sold in GBP. Remove it to continue.", p.Detail)
		path := "/v1/carts/" + c.ID.String()
		harness.RequireProblem(t, s.Send(t, http.MethodPost, path+"/reprice", ada.Token, nil), http.StatusUnprocessableEntity, "currency_mismatch")
		c = harness.As[harness.CartView](t, s.Send(t, http.MethodDelete, path+"/items/"+euro, ada.Token, nil), http.StatusOK)
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
	})
	t.Run("NothingToPayNeedsNoPaymentMethod", func(t *testing.T) {
		c := ada.Fill(t, cheap)
		p := harness.RequireProblem(t, ada.CheckOut(t, c, "", harness.Waiting), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, "payment_method", p.Errors[0].Field)
		c = harness.As[harness.CartView](t, adjusts(t, s, c.ID, "gift", -100), http.StatusOK)
		harness.RequireProblem(t, ada.CheckOut(t, c, "nonsense", harness.Waiting), http.StatusUnprocessableEntity, "validation_failed")
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "", harness.Waiting), http.StatusCreated)
	})
}
