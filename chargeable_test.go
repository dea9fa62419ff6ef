package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/config"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// sellsIn prices a new SKU in any currency.
func (s *site) sellsIn(t *testing.T, price money.Amount) string {
	t.Helper()
	sku := uuid.NewString()
	body := map[string]any{"name": "Mug", "price": price}
	as[map[string]any](t, s.send(t, http.MethodPut, "/v1/products/"+sku, s.admin, body), http.StatusCreated)
	return sku
}

// fillsIn is a cart in the currency of a price, with one unit at it.
func (s shopper) fillsIn(t *testing.T, price money.Amount) cartView {
	t.Helper()
	c := as[cartView](t, s.send(t, http.MethodPost, "/v1/carts", s.token, map[string]any{"currency": price.Currency}), http.StatusCreated)
	return as[cartView](t, s.adds(t, c, s.sellsIn(t, price), 1), http.StatusOK)
}

// TestEndedCurrency: orders that an older version took in a currency that has ended since are read, refunded and cancelled.
func TestEndedCurrency(t *testing.T) {
	t.Parallel()
	s := open(t, setups["OneDatabase"])
	ada, lev := s.shopper(t), func(minor int64) money.Amount { return money.Of(minor, "BGN") }
	p := as[problem](t, s.send(t, http.MethodPost, "/v1/carts", ada.token, map[string]any{"currency": "BGN"}), http.StatusUnprocessableEntity)
	require.Equal(t, "BGN is not a currency any more. Use EUR.", p.Errors[0].Detail)

	sku := s.sells(t, 1250)
	s.stocks(t, sku, 5)
	before := ada.fills(t, sku)
	stored := "(select id from cart.streams where key = '" + sku + "' or id = '" + before.ID.String() + "')"
	s.exec(t, "cart", `update cart.events set data = replace(data::text, '"GBP"', '"BGN"')::json where stream in `+stored)
	s.exec(t, "cart", `update cart.streams set fold = 0 where id in `+stored)
	filled := ada.cart(t, before.ID)
	require.Equal(t, lev(1250), filled.Total)
	paid := as[checkoutView](t, ada.checksOut(t, filled, "sim_ok", waiting), http.StatusCreated)
	require.Equal(t, lev(1250), s.order(t, paid.OrderID).Total)
	require.Equal(t, lev(1250), s.payment(t, *paid.PaymentID).Captured)
	o := s.operator(t)
	require.Equal(t, http.StatusOK, o.signsIn(t, s.admin, "/console").StatusCode)
	require.Contains(t, o.does(t, "GET", "/console/orders/"+paid.OrderID.String(), nil).text, "12.50")

	path := "/v1/orders/" + paid.OrderID.String() + "/refunds"
	part := map[string]any{"reason": "Broken.", "amount": lev(250)}
	require.Equal(t, lev(250), as[refundView](t, s.send(t, http.MethodPost, path, s.admin, part, "Idempotency-Key", uuid.NewString(), "Prefer", waiting),
		http.StatusCreated).Amount)
	ada.cancelsOrder(t, paid.OrderID)
	until(t, "it is cancelled", func() bool { return s.order(t, paid.OrderID).Status == order.StatusCancelled })
	require.Equal(t, lev(1250), s.payment(t, *paid.PaymentID).Refunded)
}

// refusesTheAmount checks out what no card can pay, and sees that nothing was sealed.
func (s shopper) refusesTheAmount(t *testing.T, price money.Amount, method, sentence string) {
	t.Helper()
	c := s.fillsIn(t, price)
	p := as[problem](t, s.checksOut(t, c, method, waiting), http.StatusUnprocessableEntity)
	require.Equal(t, []string{"amount_not_chargeable", sentence}, []string{p.Code, p.Detail})
	now := get[cartView](t, s.site, "/v1/carts/"+c.ID.String(), s.token)
	require.Equal(t, []any{cart.StatusOpen, c.Version}, []any{now.Status, now.Version}, "nothing was sealed")
}

// refundsNoSuchAmount pays 5.120 KWD, and refunds parts of it that can and cannot be paid back.
func (s shopper) refundsNoSuchAmount(t *testing.T, method string) {
	t.Helper()
	paid := as[checkoutView](t, s.checksOut(t, s.fillsIn(t, money.Of(5120, "KWD")), method, waiting), http.StatusCreated)
	refund := func(minor int64) answer {
		return s.send(t, http.MethodPost, "/v1/orders/"+paid.OrderID.String()+"/refunds", s.admin,
			map[string]any{"reason": "Broken.", "amount": money.Of(minor, "KWD")}, "Idempotency-Key", uuid.NewString(), "Prefer", waiting)
	}
	p := as[problem](t, refund(1234), http.StatusUnprocessableEntity)
	require.Equal(t, []string{"amount_not_chargeable", "Amounts in KWD must be a multiple of 0.010 KWD."}, []string{p.Code, p.Detail})
	require.Empty(t, s.payment(t, *paid.PaymentID).Refunds, "it is refused before it is asked for")
	as[refundView](t, refund(1230), http.StatusCreated)
	as[refundView](t, refund(5120-1230), http.StatusCreated)
}

// TestNotChargeable tries the amounts that no card can pay: at the checkout, in the provider's answer, and as refunds.
func TestNotChargeable(t *testing.T) {
	t.Parallel()
	t.Run("Simulator", func(t *testing.T) {
		t.Parallel()
		s := open(t, oneDatabase)
		ada := s.shopper(t)
		ada.refusesTheAmount(t, money.Of(5124, "KWD"), "sim_ok", "Amounts in KWD must be a multiple of 0.010 KWD.")
		ada.refundsNoSuchAmount(t, "sim_ok")
		ada.refusedByTheProvider(t, ada.fillsIn(t, money.Of(1999, "GBP")), "sim_amount_refused")
	})
	t.Run("Stripe", func(t *testing.T) {
		t.Parallel()
		bank, stop := stripetest.New()
		t.Cleanup(stop)
		s := opens(t, oneDatabase, func(_ testing.TB, c *config.Config) {
			c.PaymentProvider, c.PaymentTimeout, c.StripeAPIBase = config.Stripe, time.Second, bank.URL
			c.StripeSecretKey, c.StripeWebhookSecret = stripetest.SecretKey, stripetest.WebhookSecret
		})
		ada := s.shopper(t)
		ada.refusesTheAmount(t, money.Of(29, "GBP"), stripetest.Good, "The smallest amount that can be paid is 0.30 GBP.")
		ada.refusesTheAmount(t, money.Of(100_000_000, "GBP"), stripetest.Good, "The largest amount that can be paid at once is 999999.99 GBP.")
		ada.refusesTheAmount(t, money.Of(5124, "KWD"), stripetest.Good, "Amounts in KWD must be a multiple of 0.010 KWD.")
		ada.refundsNoSuchAmount(t, stripetest.Good)
		ada.refusedByTheProvider(t, ada.fillsIn(t, money.Of(20, "UAH")), stripetest.Good) // of a limit that only Stripe knows
	})
}

// refusedByTheProvider checks out what only the provider's answer refuses: nobody is told to try another card.
func (s shopper) refusedByTheProvider(t *testing.T, c cartView, method string) {
	t.Helper()
	p := as[problem](t, s.checksOut(t, c, method, waiting), http.StatusUnprocessableEntity)
	require.Equal(t, "amount_not_chargeable", p.Code)
	require.NotContains(t, p.Detail, "another payment method")
	failed := s.reaches(t, p.CheckoutID, saga.Failed)
	require.Equal(t, []string{p.Code, p.Detail}, []string{failed.Failure.Code, failed.Failure.Detail})
	require.Equal(t, cart.StatusOpen, get[cartView](t, s.site, "/v1/carts/"+c.ID.String(), s.token).Status)
}
