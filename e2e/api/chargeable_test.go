package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/config"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// sellsIn prices a new SKU in any currency.
func sellsIn(t *testing.T, s *harness.Site, price money.Amount) string {
	t.Helper()
	sku := uuid.NewString()
	body := map[string]any{"name": "Mug", "price": price}
	harness.As[map[string]any](t, s.Send(t, http.MethodPut, "/v1/products/"+sku, s.Admin, body), http.StatusCreated)
	return sku
}

// fillsIn is a cart in the currency of a price, with one unit at it.
func fillsIn(t *testing.T, s harness.Shopper, price money.Amount) harness.CartView {
	t.Helper()
	c := harness.As[harness.CartView](t, s.Send(t, http.MethodPost, "/v1/carts", s.Token, map[string]any{"currency": price.Currency}), http.StatusCreated)
	return harness.As[harness.CartView](t, s.Add(t, c, sellsIn(t, s.Site, price), 1), http.StatusOK)
}

// TestEndedCurrency: orders that an older version took in a currency that has ended since are read, refunded and cancelled.
func TestEndedCurrency(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, setups["OneDatabase"])
	ada, lev := s.Shopper(t), func(minor int64) money.Amount { return money.Of(minor, "BGN") }
	p := harness.As[harness.Problem](t, s.Send(t, http.MethodPost, "/v1/carts", ada.Token, map[string]any{"currency": "BGN"}), http.StatusUnprocessableEntity)
	require.Equal(t, "BGN is not a currency any more. Use EUR.", p.Errors[0].Detail)

	sku := s.AddProduct(t, 1250)
	s.SetStock(t, sku, 5)
	before := ada.Fill(t, sku)
	stored := "(select id from cart.streams where key = '" + sku + "' or id = '" + before.ID.String() + "')"
	s.Exec(t, "cart", `update cart.events set data = replace(data::text, '"GBP"', '"BGN"')::json where stream in `+stored)
	s.Exec(t, "cart", `update cart.streams set fold = 0 where id in `+stored)
	filled := ada.Cart(t, before.ID)
	require.Equal(t, lev(1250), filled.Total)
	paid := harness.As[harness.CheckoutView](t, ada.CheckOut(t, filled, "sim_ok", harness.Waiting), http.StatusCreated)
	require.Equal(t, lev(1250), s.Order(t, paid.OrderID).Total)
	require.Equal(t, lev(1250), s.Payment(t, *paid.PaymentID).Captured)
	o := s.Operator(t)
	require.Equal(t, http.StatusOK, o.SignIn(t, s.Admin, "/console").StatusCode)
	require.Contains(t, o.Do(t, "GET", "/console/orders/"+paid.OrderID.String(), nil).Text, "12.50")

	path := "/v1/orders/" + paid.OrderID.String() + "/refunds"
	part := map[string]any{"reason": "Broken.", "amount": lev(250)}
	require.Equal(t, lev(250), harness.As[harness.RefundView](t, s.Send(t, http.MethodPost, path, s.Admin, part, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting),
		http.StatusCreated).Amount)
	ada.CancelOrder(t, paid.OrderID)
	harness.Until(t, "it is cancelled", func() bool { return s.Order(t, paid.OrderID).Status == order.StatusCancelled })
	require.Equal(t, lev(1250), s.Payment(t, *paid.PaymentID).Refunded)
}

// refusesTheAmount checks out what no card can pay, and sees that nothing was sealed.
func refusesTheAmount(t *testing.T, s harness.Shopper, price money.Amount, method, sentence string) {
	t.Helper()
	c := fillsIn(t, s, price)
	p := harness.As[harness.Problem](t, s.CheckOut(t, c, method, harness.Waiting), http.StatusUnprocessableEntity)
	require.Equal(t, []string{"amount_not_chargeable", sentence}, []string{p.Code, p.Detail})
	now := harness.Get[harness.CartView](t, s.Site, "/v1/carts/"+c.ID.String(), s.Token)
	require.Equal(t, []any{cart.StatusOpen, c.Version}, []any{now.Status, now.Version}, "nothing was sealed")
}

// refundsNoSuchAmount pays 5.120 KWD, and refunds parts of it that can and cannot be paid back.
func refundsNoSuchAmount(t *testing.T, s harness.Shopper, method string) {
	t.Helper()
	paid := harness.As[harness.CheckoutView](t, s.CheckOut(t, fillsIn(t, s, money.Of(5120, "KWD")), method, harness.Waiting), http.StatusCreated)
	refund := func(minor int64) harness.Answer {
		return s.Send(t, http.MethodPost, "/v1/orders/"+paid.OrderID.String()+"/refunds", s.Admin,
			map[string]any{"reason": "Broken.", "amount": money.Of(minor, "KWD")}, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting)
	}
	p := harness.As[harness.Problem](t, refund(1234), http.StatusUnprocessableEntity)
	require.Equal(t, []string{"amount_not_chargeable", "Amounts in KWD must be a multiple of 0.010 KWD."}, []string{p.Code, p.Detail})
	require.Empty(t, s.Payment(t, *paid.PaymentID).Refunds, "it is refused before it is asked for")
	harness.As[harness.RefundView](t, refund(1230), http.StatusCreated)
	harness.As[harness.RefundView](t, refund(5120-1230), http.StatusCreated)
}

// TestNotChargeable tries the amounts that no card can pay: at the checkout, in the provider's answer, and as refunds.
func TestNotChargeable(t *testing.T) {
	t.Parallel()
	t.Run("Simulator", func(t *testing.T) {
		t.Parallel()
		s := harness.Open(t, harness.OneDatabase)
		ada := s.Shopper(t)
		refusesTheAmount(t, ada, money.Of(5124, "KWD"), "sim_ok", "Amounts in KWD must be a multiple of 0.010 KWD.")
		refundsNoSuchAmount(t, ada, "sim_ok")
		refusedByTheProvider(t, ada, fillsIn(t, ada, money.Of(1999, "GBP")), "sim_amount_refused")
	})
	t.Run("Stripe", func(t *testing.T) {
		t.Parallel()
		bank, stop := stripetest.New()
		t.Cleanup(stop)
		s := harness.OpenUnchecked(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) {
			c.PaymentProvider, c.PaymentTimeout, c.StripeAPIBase = config.Stripe, time.Second, bank.URL
			c.StripeSecretKey, c.StripeWebhookSecret = stripetest.SecretKey, stripetest.WebhookSecret
		})
		ada := s.Shopper(t)
		refusesTheAmount(t, ada, money.Of(29, "GBP"), stripetest.Good, "The smallest amount that can be paid is 0.30 GBP.")
		refusesTheAmount(t, ada, money.Of(100_000_000, "GBP"), stripetest.Good, "The largest amount that can be paid at once is 999999.99 GBP.")
		refusesTheAmount(t, ada, money.Of(5124, "KWD"), stripetest.Good, "Amounts in KWD must be a multiple of 0.010 KWD.")
		refundsNoSuchAmount(t, ada, stripetest.Good)
		refusedByTheProvider(t, ada, fillsIn(t, ada, money.Of(20, "UAH")), stripetest.Good) // of a limit that only Stripe knows
	})
}

// refusedByTheProvider checks out what only the provider's answer refuses: nobody is told to try another card.
func refusedByTheProvider(t *testing.T, s harness.Shopper, c harness.CartView, method string) {
	t.Helper()
	p := harness.As[harness.Problem](t, s.CheckOut(t, c, method, harness.Waiting), http.StatusUnprocessableEntity)
	require.Equal(t, "amount_not_chargeable", p.Code)
	require.NotContains(t, p.Detail, "another payment method")
	failed := s.AwaitStatus(t, p.CheckoutID, saga.Failed)
	require.Equal(t, []string{p.Code, p.Detail}, []string{failed.Failure.Code, failed.Failure.Detail})
	require.Equal(t, cart.StatusOpen, harness.Get[harness.CartView](t, s.Site, "/v1/carts/"+c.ID.String(), s.Token).Status)
}
