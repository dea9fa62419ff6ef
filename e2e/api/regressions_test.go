package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestRegressions has one test for each failure that systems of this kind are known for, by the name of the failure.
func TestRegressions(t *testing.T) {
	t.Parallel()
	calm := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.PaymentActionTTL = 10*time.Second, time.Hour // nothing is in doubt, and no deadline helps
	})
	for name, test := range map[string]func(*testing.T, *harness.Site){
		"PaidButNoOrder":                              webhooksRaceCompletion,
		"TwoTabsPayTwice":                             twoTabs,
		"ARetriedCaptureOrRefundDoubles":              retriedAfterATimeout,
		"ACartCannotBeCompletedAfterARollback":        completedAfterRollbacks,
		"PaidThenOutOfStock":                          neverPaidWithoutStock,
		"TheLastUnitIsSoldTwice":                      lastUnit,
		"TwoLinesOfOneSKUPassSeparateChecks":          oneSKUTwice,
		"ParallelEditsLoseALine":                      manyEditors,
		"MergingAtLoginWipesTheCart":                  mergedAtLogin,
		"AWebhookBeforeItsOrderIsAcknowledgedAndLost": earlyWebhook,
		"AFailedPaymentWebhookIsIgnored":              deniedByWebhook,
		"AnOrderIsConfirmedBeforeThePaymentIsCertain": confirmedOnlyWhenPaid,
		"ACancelledOrderStaysCapturable":              approvedTooLate,
		"ThePriceOrTheCartChangesWhilePaying":         nothingChangesWhilePaying,
		"ARetryAfterASwallowedErrorReportsSuccess":    refusedAgain,
		"AThawedProcessAuthorizesAfterTheUndo":        thawedTooLate,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, calm) })
	}
}

// webhooksRaceCompletion: while a payment is approved, captured and its order confirmed, webhooks about it come all the time.
func webhooksRaceCompletion(t *testing.T, s *harness.Site) {
	sku := s.AddProduct(t, 1000)
	for _, method := range []string{"sim_requires_action", "sim_duplicate_webhooks", "sim_ok"} {
		ada := s.Shopper(t)
		c := ada.Fill(t, sku)
		begun := ada.StartCheckout(t, c, method)
		if method != "sim_ok" {
			begun = ada.AwaitStatus(t, begun.ID, saga.RequiresAction)
		}
		for _, a := range harness.RunTogether(t, 9, func(n int) (harness.Answer, error) {
			if n == 4 && method != "sim_ok" {
				return s.Try(t.Context(), http.MethodPost, "/simulator/payments/"+begun.PaymentID.String()+"/approve", "", nil)
			}
			return webhook(t, s, fmt.Sprintf("evt_%s_%d", begun.PaymentID, n), "payment.authorized", *begun.PaymentID)
		}) {
			require.Equal(t, http.StatusOK, a.StatusCode, string(a.Text))
		}
		ada.RequireOutcome(t, c, ada.AwaitStatus(t, begun.ID, saga.Completed), harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}})
		require.Len(t, harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", ada.Token).Data, 1)
	}
}

// completedAfterRollbacks rolls one cart back in every way, and then buys it.
func completedAfterRollbacks(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
	s.SetStock(t, sku, 0)
	before := ada.Fill(t, sku)
	c := before
	reopened := func() {
		after := ada.Cart(t, c.ID)
		ada.RequireReopened(t, c, after)
		c = after
	}
	harness.RequireProblem(t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusConflict, "out_of_stock")
	reopened()
	s.SetStock(t, sku, 1)
	for method, code := range map[string]string{
		"sim_declined": "payment_declined", "sim_capture_fails": "capture_refused", "sim_authorization_expires": "capture_refused",
	} {
		harness.RequireProblem(t, ada.CheckOut(t, c, method, harness.Waiting), http.StatusPaymentRequired, code)
		reopened()
	}
	asked := ada.CheckOutAtBank(t, c, "sim_requires_action")
	harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, asked.ID, "Prefer", harness.Waiting), http.StatusOK)
	reopened()
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
	require.Equal(t, []string{"authorize", "capture"}, s.Ledger(t, *done.PaymentID))
	require.Equal(t, before.Total, done.Total)
	require.Equal(t, harness.StockView{SKU: sku, OnHand: 1, Reserved: 1}, s.Stock(t, sku))
}

// neverPaidWithoutStock: of those who want the last unit at once, nobody who goes without it was ever charged.
func neverPaidWithoutStock(t *testing.T, s *harness.Site) {
	const wanting = 12
	sku := s.AddProduct(t, 1000)
	s.SetStock(t, sku, 1)
	buyers, carts := make([]harness.Shopper, wanting), make([]harness.CartView, wanting)
	for i := range wanting {
		buyers[i] = s.Shopper(t)
		carts[i] = buyers[i].Fill(t, sku)
	}
	answers := harness.RunTogether(t, wanting, func(i int) (harness.Answer, error) {
		return buyers[i].TryCheckOut(t, carts[i], uuid.NewString(), harness.Waiting)
	})
	require.Len(t, harness.WithStatus(answers, http.StatusCreated), 1)
	for i, a := range answers {
		if a.StatusCode == http.StatusCreated {
			continue
		}
		failed := buyers[i].Checkout(t, harness.RequireProblem(t, a, http.StatusConflict, "out_of_stock").CheckoutID)
		require.Empty(t, s.Ledger(t, *failed.PaymentID), "not even authorized")
		harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/payments/"+failed.PaymentID.String(), buyers[i].Token, nil), http.StatusNotFound, "not_found")
	}
}

func merges(t *testing.T, s harness.Shopper, into harness.CartView, guest harness.Shopper, theirs harness.Answer) harness.CartView {
	t.Helper()
	body := map[string]any{"source_cart_id": harness.As[harness.CartView](t, theirs, http.StatusOK).ID, "source_token": guest.Token}
	return harness.As[harness.CartView](t, s.Send(t, http.MethodPost, "/v1/carts/"+into.ID.String()+"/merge", s.Token, body), http.StatusOK)
}

// mergedAtLogin: a customer with a cart logs in while the guest they were has another, from two devices at once.
func mergedAtLogin(t *testing.T, s *harness.Site) {
	mine, theirs, both := s.AddProduct(t, 100), s.AddProduct(t, 20), s.AddProduct(t, 3)
	ada, guest := s.Shopper(t), s.Shopper(t)
	c, before := ada.Fill(t, mine, both), guest.Fill(t, both)
	added := guest.Add(t, before, theirs, 1)
	merged := make([]harness.CartView, 2)
	var devices sync.WaitGroup
	for i := range merged {
		devices.Go(func() { merged[i] = merges(t, ada, c, guest, added) })
	}
	devices.Wait()
	after := ada.Cart(t, c.ID)
	quantities := map[string]int64{}
	for _, l := range after.Items {
		quantities[l.SKU] = l.Quantity
	}
	require.Equal(t, map[string]int64{mine: 1, theirs: 1, both: 2}, quantities)
	require.Equal(t, cart.StatusMerged, guest.Cart(t, before.ID).Status)
	require.EqualValues(t, 126, harness.As[harness.CheckoutView](t, ada.CheckOut(t, after, "sim_ok", harness.Waiting), http.StatusCreated).Total.Amount)
}

// deniedByWebhook: the bank's no ends the checkout at once, with the stock free and the cart open again.
func deniedByWebhook(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
	s.SetStock(t, sku, 1)
	c := ada.Fill(t, sku)
	asked := ada.CheckOutAtBank(t, c, "sim_requires_action")
	require.Zero(t, s.Stock(t, sku).Available)
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "deny").StatusCode)
	ada.RequireOutcome(t, c, ada.AwaitStatus(t, asked.ID, saga.Failed), harness.Outcome{Failure: "authentication_failed", Payment: "declined"})
	require.EqualValues(t, 1, s.Stock(t, sku).Available)
}

// refusedAgain: who asks again under the same key hears the same refusal, and nothing is done a second time.
func refusedAgain(t *testing.T, s *harness.Site) {
	sku, rare := s.AddProduct(t, 1000), s.AddProduct(t, 1000)
	for _, c := range []struct {
		sku, method, code string
		status            int
		ledger            []string
	}{
		{sku, "sim_declined", "payment_declined", http.StatusPaymentRequired, nil},
		{sku, "sim_capture_fails", "capture_refused", http.StatusPaymentRequired, []string{"authorize", "void"}},
		{rare, "sim_ok", "out_of_stock", http.StatusConflict, nil},
	} {
		s.SetStock(t, rare, 0)
		ada, key := s.Shopper(t), uuid.NewString()
		filled := ada.Fill(t, c.sku)
		first := harness.RequireProblem(t, ada.CheckOut(t, filled, c.method, harness.Waiting, "Idempotency-Key", key), c.status, c.code)
		s.SetStock(t, rare, 5) // now it would go well
		again := harness.RequireProblem(t, ada.CheckOut(t, filled, c.method, harness.Waiting, "Idempotency-Key", key), c.status, c.code)
		require.Equal(t, first.CheckoutID, again.CheckoutID)
		failed := ada.Checkout(t, first.CheckoutID)
		require.Equal(t, saga.Failed, failed.Status)
		require.Equal(t, c.ledger, s.Ledger(t, *failed.PaymentID))
		require.Equal(t, cart.StatusOpen, ada.Cart(t, filled.ID).Status)
		require.Empty(t, confirmedOf(harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", ada.Token).Data))
	}
}

func confirmedOf(orders []harness.OrderView) (found []harness.OrderView) {
	for _, o := range orders {
		if o.Status != order.StatusCancelled {
			found = append(found, o)
		}
	}
	return found
}

// confirmedOnlyWhenPaid: as long as nobody knows whether it is paid, nobody is told that it is ordered.
func confirmedOnlyWhenPaid(t *testing.T, _ *harness.Site) {
	s := harness.Open(t, harness.DatabaseEach)
	ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
	c := ada.Fill(t, sku)
	opens := tillCloses(t, s)
	told := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", "wait=1"), http.StatusAccepted)
	require.Equal(t, saga.Running, told.Status)
	harness.Until(t, "the doubt is known", func() bool {
		var p harness.PaymentView
		a := s.Send(t, http.MethodGet, "/v1/payments/"+told.PaymentID.String(), ada.Token, nil)
		return a.StatusCode == http.StatusOK && a.Decode(&p) == nil && p.Status == "unknown"
	})
	require.Equal(t, order.StatusPending, harness.Get[harness.OrderView](t, s, "/v1/orders/"+told.OrderID.String(), ada.Token).Status)
	require.Equal(t, cart.StatusCheckingOut, ada.Cart(t, c.ID).Status)
	opens()
	harness.Until(t, "it is confirmed", func() bool {
		return harness.Get[harness.OrderView](t, s, "/v1/orders/"+told.OrderID.String(), ada.Token).Status == order.StatusConfirmed
	})
	require.Equal(t, []string{"authorize", "capture"}, s.Ledger(t, *told.PaymentID), "no earlier than it is paid")
	ada.AwaitStatus(t, told.ID, saga.Completed)
}

// way brings a checkout that waits for the bank to its end, while nothing can be voided, and says how.
type way func(t *testing.T, ada harness.Shopper, c harness.CheckoutView) (end saga.Status, code string)

func cancelledByTheShopper(t *testing.T, ada harness.Shopper, c harness.CheckoutView) (saga.Status, string) {
	t.Helper()
	harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, c.ID), http.StatusAccepted)
	return saga.Cancelled, "cancelled"
}

func expiredAtTheBank(*testing.T, harness.Shopper, harness.CheckoutView) (saga.Status, string) {
	return saga.Failed, "authentication_expired"
}

func approvedTooLate(t *testing.T, s *harness.Site) {
	t.Run("AfterTheShopperCancelled", func(t *testing.T) { t.Parallel(); approvedAfter(cancelledByTheShopper)(t, s) })
	t.Run("AfterTheDeadline", func(t *testing.T) { t.Parallel(); approvedAfter(expiredAtTheBank)(t, s) })
}

// approvedAfter lets a shopper approve after their checkout was undone, cart and stock given back, but before the provider
// could be told. What they approved is voided by the saga itself.
func approvedAfter(undone way) func(*testing.T, *harness.Site) {
	return func(t *testing.T, _ *harness.Site) {
		s := harness.Open(t, harness.DatabaseEach, func(_ testing.TB, c *config.Config) { c.PaymentActionTTL = 4 * time.Second })
		ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
		s.SetStock(t, sku, 1)
		before := ada.Fill(t, sku)
		begun, opens := waitsForTheBank(t, ada, s, before)
		end, code := undone(t, ada, begun)
		harness.Until(t, "the cart is open again", func() bool { return ada.Cart(t, before.ID).Status == cart.StatusOpen })
		require.Equal(t, saga.Compensating, ada.Checkout(t, begun.ID).Status, "the void is owed")
		require.EqualValues(t, 1, s.Stock(t, sku).Available)

		require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *begun.PaymentID, "approve").StatusCode)
		require.Equal(t, []string{"authorize"}, s.Ledger(t, *begun.PaymentID))
		opens()
		ended := ada.AwaitStatus(t, begun.ID, end)
		require.Equal(t, code, ended.Failure.Code)
		require.Equal(t, []string{"authorize", "void"}, s.Ledger(t, *begun.PaymentID))
		require.Equal(t, order.StatusCancelled, harness.Get[harness.OrderView](t, s, "/v1/orders/"+begun.OrderID.String(), ada.Token).Status)
	}
}

// waitsForTheBank begins a checkout that waits for the shopper's word, and closes the till before the time for it is over.
func waitsForTheBank(t *testing.T, s harness.Shopper, at *harness.Site, c harness.CartView) (begun harness.CheckoutView, opens func()) {
	t.Helper()
	for {
		begun = s.AwaitStatus(t, s.StartCheckout(t, c, "sim_requires_action").ID, saga.RequiresAction)
		opens = tillCloses(t, at)
		if s.Checkout(t, begun.ID).Status == saga.RequiresAction {
			return begun, opens
		}
		opens() // the machine was busy with much else
		s.AwaitStatus(t, begun.ID, saga.Failed)
	}
}

// thawedTooLate freezes a process when it is about to authorize, has another one cancel the checkout, and lets the first go on.
func thawedTooLate(t *testing.T, s *harness.Site) {
	frozen, thaw, sent := make(chan struct{}), make(chan struct{}), make(chan payment.Answer, 1)
	ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
	s.SetStock(t, sku, 1)
	there := ada
	there.Site = besideWith(t, s, func(bank payment.Provider) payment.Provider {
		return authorizes{bank, func(ctx context.Context, c payment.Call) (payment.Answer, error) {
			close(frozen)
			<-thaw
			answer, err := bank.Authorize(context.WithoutCancel(ctx), c)
			sent <- answer
			return answer, err
		}}
	})
	c := ada.Fill(t, sku)
	begun := there.StartCheckout(t, c, "sim_ok")
	<-frozen
	harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, begun.ID), http.StatusAccepted)
	ada.AwaitStatus(t, begun.ID, saga.Cancelled)
	close(thaw)
	require.Equal(t, payment.Declined, (<-sent).Status)
	require.Empty(t, s.Ledger(t, *begun.PaymentID))
	require.Equal(t, saga.Cancelled, ada.Checkout(t, begun.ID).Status)
	require.Equal(t, order.StatusCancelled, harness.Get[harness.OrderView](t, s, "/v1/orders/"+begun.OrderID.String(), ada.Token).Status)
	require.EqualValues(t, 1, s.Stock(t, sku).Available)
	ada.RequireReopened(t, c, ada.Cart(t, c.ID))
}

func nothingChangesWhilePaying(t *testing.T, s *harness.Site) {
	t.Run("Cart", func(t *testing.T) { t.Parallel(); cartIsSealed(t, s) })
	t.Run("Price", func(t *testing.T) { t.Parallel(); movingPrice(t, s) })
}

func cartIsSealed(t *testing.T, s *harness.Site) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 700)
	c := ada.Fill(t, sku)
	asked := ada.CheckOutAtBank(t, c, "sim_requires_action")
	sealed := ada.Cart(t, c.ID)
	require.Equal(t, cart.StatusCheckingOut, sealed.Status)
	require.Equal(t, asked.ID, harness.RequireProblem(t, ada.Add(t, c, sku, 1), http.StatusConflict, "cart_closed").CheckoutID)
	require.Equal(t, asked.ID, harness.RequireProblem(t, ada.CheckOut(t, sealed, "sim_ok", harness.NoWait), http.StatusConflict, "cart_closed").CheckoutID)
	require.Equal(t, sealed, ada.Cart(t, c.ID))
	s.SetPrice(t, sku, 9999) // after the seal: the shopper pays what they saw
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
	require.EqualValues(t, 700, ada.AwaitStatus(t, asked.ID, saga.Completed).Total.Amount)
}
