package main

import (
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/order"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

type refundView = saga.RefundView

// buys is a checkout that went well, of one unit at that price in pence, and the SKU.
func (s shopper) buys(t testing.TB, price int64, method string) (checkoutView, string) {
	t.Helper()
	sku := s.sells(t, price)
	s.stocks(t, sku, 5)
	return as[checkoutView](t, s.checksOut(t, s.fills(t, sku), method, waiting), http.StatusCreated), sku
}

// refunds asks for a refund of so many pence, or of all that is left for 0, under a new key unless the headers name one.
func (s *site) refunds(t testing.TB, order uuid.UUID, pence int64, headers ...string) answer {
	t.Helper()
	body := map[string]any{"reason": "Broken."}
	if pence != 0 {
		body["amount"] = gbp(pence)
	}
	return s.send(t, http.MethodPost, "/v1/orders/"+order.String()+"/refunds", s.admin, body,
		append([]string{"Idempotency-Key", uuid.NewString()}, headers...)...)
}

func (s *site) order(t testing.TB, id uuid.UUID) orderView {
	t.Helper()
	return get[orderView](t, s, "/v1/orders/"+id.String(), s.admin)
}

func (s *site) payment(t testing.TB, id uuid.UUID) paymentView {
	t.Helper()
	return get[paymentView](t, s, "/v1/payments/"+id.String(), s.admin)
}

// posted is a request that makes something happen once.
type posted struct {
	token, path string
	body        any
	key         string
}

// together sends wishes at the same time, and gives their answers in order.
func (s *site) together(t *testing.T, wishes ...posted) []answer {
	t.Helper()
	answers, errs := make([]answer, len(wishes)), make([]error, len(wishes))
	var all sync.WaitGroup
	for i, w := range wishes {
		all.Go(func() {
			answers[i], errs[i] = s.try(t.Context(), http.MethodPost, w.path, w.token, w.body, "Idempotency-Key", w.key, "Prefer", waiting)
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return answers
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, setup)
			t.Run("UntilNothingIsLeft", func(t *testing.T) { refundedInParts(t, s) })
			t.Run("TheSameKeyIsOneRefund", func(t *testing.T) { refundedOnce(t, s) })
			t.Run("EveryPaymentMethod", func(t *testing.T) { refundedByEveryMethod(t, s) })
			t.Run("Refused", func(t *testing.T) { refusedRefunds(t, s) })
		})
	}
}

func refundedInParts(t *testing.T, s *site) {
	ada := s.shopper(t)
	c, sku := ada.buys(t, 1250, "sim_ok")
	a := s.refunds(t, c.OrderID, 500)
	r := as[refundView](t, a, http.StatusCreated)
	require.Equal(t, []any{money.Of(500, "GBP"), "succeeded", "Broken."}, []any{r.Amount, r.Status, r.Reason})
	require.Empty(t, a.Header.Get("Idempotent-Replayed"))
	o, p := s.order(t, c.OrderID), s.payment(t, *c.PaymentID)
	require.Equal(t, []any{money.Of(500, "GBP"), order.StatusConfirmed}, []any{o.Refunded, o.Status})
	require.Equal(t, []any{money.Of(500, "GBP"), "partially_refunded"}, []any{p.Refunded, p.Status})
	require.Len(t, p.Refunds, 1)
	part := p.Refunds[0]
	require.Equal(t, []any{r.ID, r.Amount, "succeeded", "Broken."}, []any{part.ID, part.Amount, part.Status, part.Reason})

	left := refuses(t, s.refunds(t, c.OrderID, 751), http.StatusUnprocessableEntity, "exceeds_captured")
	require.Contains(t, left.Detail, "7.50 GBP")
	require.Equal(t, http.StatusOK, s.fulfils(t, c.OrderID).StatusCode)
	require.Equal(t, money.Of(750, "GBP"), as[refundView](t, s.refunds(t, c.OrderID, 0), http.StatusCreated).Amount, "all that is left")
	for _, pence := range []int64{0, 1} {
		refuses(t, s.refunds(t, c.OrderID, pence), http.StatusUnprocessableEntity, "exceeds_captured")
	}
	o, p = s.order(t, c.OrderID), s.payment(t, *c.PaymentID)
	require.Equal(t, []any{o.Total, order.StatusFulfilled}, []any{o.Refunded, o.Status})
	require.Equal(t, []any{p.Captured, "refunded"}, []any{p.Refunded, p.Status})
	require.Equal(t, []string{"authorize", "capture", "refund", "refund"}, s.ledger(t, *c.PaymentID))
	require.EqualValues(t, 4, s.stock(t, sku).OnHand, "a refund moves no stock")
	require.Equal(t, o.Refunded, get[list[orderView]](t, s, "/v1/orders", ada.token).Data[0].Refunded)
	s.listsRefund(t, r.ID, c)
}

// listsRefund: operators find it, and clients of checkouts do not.
func (s *site) listsRefund(t *testing.T, id uuid.UUID, c checkoutView) {
	t.Helper()
	v := get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.admin)
	require.Equal(t, []any{"refund", saga.Completed, c.OrderID, *c.PaymentID, money.Of(500, "GBP")},
		[]any{v.Type, v.Status, v.OrderID, *v.PaymentID, v.Total})
	require.Nil(t, v.CartID)
	require.Len(t, v.Events, 4)
	refuses(t, s.send(t, http.MethodGet, "/v1/checkouts/"+id.String(), s.admin, nil), http.StatusNotFound, "not_found")
	for kind, has := range map[string]bool{"refund": true, "checkout": false} {
		found := map[uuid.UUID]bool{}
		for _, v := range get[list[saga.View]](t, s, "/v1/admin/sagas?limit=100&type="+kind, s.admin).Data {
			require.Equal(t, kind, v.Type)
			found[v.ID] = true
		}
		require.Equal(t, has, found[id])
		require.Equal(t, !has, found[c.ID])
	}
	refuses(t, s.send(t, http.MethodGet, "/v1/admin/sagas?type=refunds", s.admin, nil), http.StatusUnprocessableEntity, "validation_failed")
}

func refundedOnce(t *testing.T, s *site) {
	c, _ := s.shopper(t).buys(t, 1250, "sim_ok")
	key := uuid.NewString()
	first := as[refundView](t, s.refunds(t, c.OrderID, 500, "Idempotency-Key", key), http.StatusCreated)
	again := s.refunds(t, c.OrderID, 500, "Idempotency-Key", key)
	require.Equal(t, first, as[refundView](t, again, http.StatusCreated))
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	refuses(t, s.refunds(t, c.OrderID, 501, "Idempotency-Key", key), http.StatusUnprocessableEntity, "idempotency_key_reused")
	other, _ := s.shopper(t).buys(t, 1250, "sim_ok")
	refuses(t, s.refunds(t, other.OrderID, 500, "Idempotency-Key", key), http.StatusUnprocessableEntity, "idempotency_key_reused")

	key = uuid.NewString() // eight at once, and a refusal before
	refuses(t, s.refunds(t, c.OrderID, 9999, "Idempotency-Key", key), http.StatusUnprocessableEntity, "exceeds_captured")
	same := posted{s.admin, "/v1/orders/" + c.OrderID.String() + "/refunds", map[string]any{"reason": "Broken.", "amount": gbp(300)}, key}
	ids := map[uuid.UUID]bool{}
	for _, a := range s.together(t, slices.Repeat([]posted{same}, 8)...) {
		ids[as[refundView](t, a, http.StatusCreated).ID] = true
	}
	require.Len(t, ids, 1)
	require.Equal(t, []string{"authorize", "capture", "refund", "refund"}, s.ledger(t, *c.PaymentID))
	require.EqualValues(t, 800, s.order(t, c.OrderID).Refunded.Amount)

	tagged := s.order(t, c.OrderID).Version
	refuses(t, s.refunds(t, c.OrderID, 1, "If-Match", tag(tagged-1)), http.StatusPreconditionFailed, "version_mismatch")
	as[refundView](t, s.refunds(t, c.OrderID, 1, "If-Match", tag(tagged)), http.StatusCreated)
}

func refundedByEveryMethod(t *testing.T, s *site) {
	for _, method := range []string{"sim_ok", "sim_timeout_applied", "sim_timeout_lost", "sim_flaky", "sim_refund_flaky"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			c, _ := s.shopper(t).buys(t, 1000, method)
			for left := int64(1000); left > 0; left -= 500 {
				key := []string{"Idempotency-Key", uuid.NewString()}
				first := as[refundView](t, s.refunds(t, c.OrderID, 500, key...), http.StatusCreated, http.StatusAccepted)
				if method != "sim_ok" {
					require.Equal(t, "pending", first.Status, "its first call goes astray")
					refuses(t, s.refunds(t, c.OrderID, left-499), http.StatusUnprocessableEntity, "exceeds_captured") // pending ones count
				}
				done := as[refundView](t, s.refunds(t, c.OrderID, 500, append(key, "Prefer", waiting)...), http.StatusCreated)
				require.Equal(t, []any{first.ID, "succeeded"}, []any{done.ID, done.Status})
			}
			require.Equal(t, []string{"authorize", "capture", "refund", "refund"}, s.ledger(t, *c.PaymentID))
			require.EqualValues(t, 1000, s.order(t, c.OrderID).Refunded.Amount)
		})
	}
}

func refusedRefunds(t *testing.T, s *site) {
	ada := s.shopper(t)
	c, _ := ada.buys(t, 1250, "sim_ok")
	path := "/v1/orders/" + c.OrderID.String() + "/refunds"
	for field, body := range map[string]string{
		"reason":          `{}`,
		"amount.amount":   `{"reason":"x","amount":{"amount":0,"currency":"GBP"}}`,
		"amount.currency": `{"reason":"x","amount":{"amount":1,"currency":"XXQ"}}`,
	} {
		p := refuses(t, s.send(t, http.MethodPost, path, s.admin, body), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, field, p.Errors[0].Field)
	}
	refuses(t, s.send(t, http.MethodPost, path, s.admin, `{"reason":"x","amount":{"amount":1,"currency":"EUR"}}`, "Idempotency-Key", "k"),
		http.StatusUnprocessableEntity, "currency_mismatch")
	asked := ada.asksForAction(t, ada.fills(t, s.sells(t, 100)), "sim_requires_action")
	refuses(t, s.refunds(t, asked.OrderID, 1), http.StatusConflict, "not_captured")
	require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "deny").StatusCode)
	ada.reaches(t, asked.ID, saga.Failed)
	refuses(t, s.refunds(t, asked.OrderID, 1), http.StatusConflict, "not_captured")
}
