package api

import (
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// buys is a checkout that went well, of one unit at that price in pence, and the SKU.
func buys(t testing.TB, s harness.Shopper, price int64, method string) (harness.CheckoutView, string) {
	t.Helper()
	sku := s.AddProduct(t, price)
	s.SetStock(t, sku, 5)
	return harness.As[harness.CheckoutView](t, s.CheckOut(t, s.Fill(t, sku), method, harness.Waiting), http.StatusCreated), sku
}

// posted is a request that makes something happen once.
type posted struct {
	token, path string
	body        any
	key         string
}

// together sends wishes at the same time, and gives their answers in order.
func together(t *testing.T, s *harness.Site, wishes ...posted) []harness.Answer {
	t.Helper()
	answers, errs := make([]harness.Answer, len(wishes)), make([]error, len(wishes))
	var all sync.WaitGroup
	for i, w := range wishes {
		all.Go(func() {
			answers[i], errs[i] = s.Try(t.Context(), http.MethodPost, w.path, w.token, w.body, "Idempotency-Key", w.key, "Prefer", harness.Waiting)
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
			s := harness.Open(t, setup)
			t.Run("UntilNothingIsLeft", func(t *testing.T) { refundedInParts(t, s) })
			t.Run("TheSameKeyIsOneRefund", func(t *testing.T) { refundedOnce(t, s) })
			t.Run("EveryPaymentMethod", func(t *testing.T) { refundedByEveryMethod(t, s) })
			t.Run("Refused", func(t *testing.T) { refusedRefunds(t, s) })
		})
	}
}

func refundedInParts(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	c, sku := buys(t, ada, 1250, "sim_ok")
	a := s.Refund(t, c.OrderID, 500)
	r := harness.As[harness.RefundView](t, a, http.StatusCreated)
	require.Equal(t, []any{money.Of(500, "GBP"), "succeeded", "Broken."}, []any{r.Amount, r.Status, r.Reason})
	require.Empty(t, a.Header.Get("Idempotent-Replayed"))
	o, p := s.Order(t, c.OrderID), s.Payment(t, *c.PaymentID)
	require.Equal(t, []any{money.Of(500, "GBP"), order.StatusConfirmed}, []any{o.Refunded, o.Status})
	require.Equal(t, []any{money.Of(500, "GBP"), "partially_refunded"}, []any{p.Refunded, p.Status})
	require.Len(t, p.Refunds, 1)
	part := p.Refunds[0]
	require.Equal(t, []any{r.ID, r.Amount, "succeeded", "Broken."}, []any{part.ID, part.Amount, part.Status, part.Reason})

	left := harness.RequireProblem(t, s.Refund(t, c.OrderID, 751), http.StatusUnprocessableEntity, "exceeds_captured")
	require.Contains(t, left.Detail, "7.50 GBP")
	require.Equal(t, http.StatusOK, s.Fulfil(t, c.OrderID).StatusCode)
	require.Equal(t, money.Of(750, "GBP"), harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 0), http.StatusCreated).Amount, "all that is left")
	for _, pence := range []int64{0, 1} {
		harness.RequireProblem(t, s.Refund(t, c.OrderID, pence), http.StatusUnprocessableEntity, "exceeds_captured")
	}
	o, p = s.Order(t, c.OrderID), s.Payment(t, *c.PaymentID)
	require.Equal(t, []any{o.Total, order.StatusFulfilled}, []any{o.Refunded, o.Status})
	require.Equal(t, []any{p.Captured, "refunded"}, []any{p.Refunded, p.Status})
	require.Equal(t, []string{"authorize", "capture", "refund", "refund"}, s.Ledger(t, *c.PaymentID))
	require.EqualValues(t, 4, s.Stock(t, sku).OnHand, "a refund moves no stock")
	require.Equal(t, o.Refunded, harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", ada.Token).Data[0].Refunded)
	listsRefund(t, s, r.ID, c)
}

// listsRefund: operators find it, and clients of checkouts do not.
func listsRefund(t *testing.T, s *harness.Site, id uuid.UUID, c harness.CheckoutView) {
	t.Helper()
	v := harness.Get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.Admin)
	require.Equal(t, []any{"refund", saga.Completed, c.OrderID, *c.PaymentID, money.Of(500, "GBP")},
		[]any{v.Type, v.Status, v.OrderID, *v.PaymentID, v.Total})
	require.Nil(t, v.CartID)
	require.Len(t, v.Events, 4)
	harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/checkouts/"+id.String(), s.Admin, nil), http.StatusNotFound, "not_found")
	for kind, has := range map[string]bool{"refund": true, "checkout": false} {
		found := map[uuid.UUID]bool{}
		for _, v := range harness.Get[harness.List[saga.View]](t, s, "/v1/admin/sagas?limit=100&type="+kind, s.Admin).Data {
			require.Equal(t, kind, v.Type)
			found[v.ID] = true
		}
		require.Equal(t, has, found[id])
		require.Equal(t, !has, found[c.ID])
	}
	harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/admin/sagas?type=refunds", s.Admin, nil), http.StatusUnprocessableEntity, "validation_failed")
}

func refundedOnce(t *testing.T, s *harness.Site) {
	c, _ := buys(t, s.Shopper(t), 1250, "sim_ok")
	key := uuid.NewString()
	first := harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 500, "Idempotency-Key", key), http.StatusCreated)
	again := s.Refund(t, c.OrderID, 500, "Idempotency-Key", key)
	require.Equal(t, first, harness.As[harness.RefundView](t, again, http.StatusCreated))
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	harness.RequireProblem(t, s.Refund(t, c.OrderID, 501, "Idempotency-Key", key), http.StatusUnprocessableEntity, "idempotency_key_reused")
	other, _ := buys(t, s.Shopper(t), 1250, "sim_ok")
	harness.RequireProblem(t, s.Refund(t, other.OrderID, 500, "Idempotency-Key", key), http.StatusUnprocessableEntity, "idempotency_key_reused")

	key = uuid.NewString() // eight at once, and a refusal before
	harness.RequireProblem(t, s.Refund(t, c.OrderID, 9999, "Idempotency-Key", key), http.StatusUnprocessableEntity, "exceeds_captured")
	same := posted{s.Admin, "/v1/orders/" + c.OrderID.String() + "/refunds", map[string]any{"reason": "Broken.", "amount": harness.GBP(300)}, key}
	ids := map[uuid.UUID]bool{}
	for _, a := range together(t, s, slices.Repeat([]posted{same}, 8)...) {
		ids[harness.As[harness.RefundView](t, a, http.StatusCreated).ID] = true
	}
	require.Len(t, ids, 1)
	require.Equal(t, []string{"authorize", "capture", "refund", "refund"}, s.Ledger(t, *c.PaymentID))
	require.EqualValues(t, 800, s.Order(t, c.OrderID).Refunded.Amount)

	tagged := s.Order(t, c.OrderID).Version
	harness.RequireProblem(t, s.Refund(t, c.OrderID, 1, "If-Match", harness.Tag(tagged-1)), http.StatusPreconditionFailed, "version_mismatch")
	harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 1, "If-Match", harness.Tag(tagged)), http.StatusCreated)
}

func refundedByEveryMethod(t *testing.T, s *harness.Site) {
	for _, method := range []string{"sim_ok", "sim_timeout_applied", "sim_timeout_lost", "sim_flaky", "sim_refund_flaky"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			c, _ := buys(t, s.Shopper(t), 1000, method)
			for left := int64(1000); left > 0; left -= 500 {
				key := []string{"Idempotency-Key", uuid.NewString()}
				first := harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 500, key...), http.StatusCreated, http.StatusAccepted)
				if method != "sim_ok" {
					require.Equal(t, "pending", first.Status, "its first call goes astray")
					harness.RequireProblem(t, s.Refund(t, c.OrderID, left-499), http.StatusUnprocessableEntity, "exceeds_captured") // pending ones count
				}
				done := harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 500, append(key, "Prefer", harness.Waiting)...), http.StatusCreated)
				require.Equal(t, []any{first.ID, "succeeded"}, []any{done.ID, done.Status})
			}
			require.Equal(t, []string{"authorize", "capture", "refund", "refund"}, s.Ledger(t, *c.PaymentID))
			require.EqualValues(t, 1000, s.Order(t, c.OrderID).Refunded.Amount)
		})
	}
}

func refusedRefunds(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	c, _ := buys(t, ada, 1250, "sim_ok")
	path := "/v1/orders/" + c.OrderID.String() + "/refunds"
	for field, body := range map[string]string{
		"reason":          `{}`,
		"amount.amount":   `{"reason":"x","amount":{"amount":0,"currency":"GBP"}}`,
		"amount.currency": `{"reason":"x","amount":{"amount":1,"currency":"XXQ"}}`,
	} {
		p := harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, body), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, field, p.Errors[0].Field)
	}
	harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, `{"reason":"x","amount":{"amount":1,"currency":"EUR"}}`, "Idempotency-Key", "k"),
		http.StatusUnprocessableEntity, "currency_mismatch")
	asked := ada.CheckOutAtBank(t, ada.Fill(t, s.AddProduct(t, 100)), "sim_requires_action")
	harness.RequireProblem(t, s.Refund(t, asked.OrderID, 1), http.StatusConflict, "not_captured")
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "deny").StatusCode)
	ada.AwaitStatus(t, asked.ID, saga.Failed)
	harness.RequireProblem(t, s.Refund(t, asked.OrderID, 1), http.StatusConflict, "not_captured")
}
