package main

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
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestRegressions has one test for each failure that systems of this kind are known for, by the name of the failure.
func TestRegressions(t *testing.T) {
	t.Parallel()
	calm := open(t, oneDatabase, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.PaymentActionTTL = 10*time.Second, time.Hour // nothing is in doubt, and no deadline helps
	})
	for name, test := range map[string]func(*testing.T, *site){
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
func webhooksRaceCompletion(t *testing.T, s *site) {
	sku := s.sells(t, 1000)
	for _, method := range []string{"sim_requires_action", "sim_duplicate_webhooks", "sim_ok"} {
		ada := s.shopper(t)
		c := ada.fills(t, sku)
		begun := ada.starts(t, c, method)
		if method != "sim_ok" {
			begun = ada.reaches(t, begun.ID, saga.RequiresAction)
		}
		for _, a := range together(t, 9, func(n int) (answer, error) {
			if n == 4 && method != "sim_ok" {
				return s.try(t.Context(), http.MethodPost, "/simulator/payments/"+begun.PaymentID.String()+"/approve", "", nil)
			}
			return s.webhook(t, fmt.Sprintf("evt_%s_%d", begun.PaymentID, n), "payment.authorized", *begun.PaymentID)
		}) {
			require.Equal(t, http.StatusOK, a.StatusCode, string(a.body))
		}
		ada.ended(t, c, ada.reaches(t, begun.ID, saga.Completed), outcome{payment: "captured", ledger: []string{"authorize", "capture"}})
		require.Len(t, get[list[orderView]](t, s, "/v1/orders", ada.token).Data, 1)
	}
}

// completedAfterRollbacks rolls one cart back in every way, and then buys it.
func completedAfterRollbacks(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 1000)
	s.stocks(t, sku, 0)
	before := ada.fills(t, sku)
	c := before
	reopened := func() {
		after := ada.cart(t, c.ID)
		ada.isOpenAsBefore(t, c, after)
		c = after
	}
	refuses(t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusConflict, "out_of_stock")
	reopened()
	s.stocks(t, sku, 1)
	for method, code := range map[string]string{
		"sim_declined": "payment_declined", "sim_capture_fails": "capture_refused", "sim_authorization_expires": "capture_refused",
	} {
		refuses(t, ada.checksOut(t, c, method, waiting), http.StatusPaymentRequired, code)
		reopened()
	}
	asked := ada.asksForAction(t, c, "sim_requires_action")
	as[checkoutView](t, ada.cancels(t, asked.ID, "Prefer", waiting), http.StatusOK)
	reopened()
	done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
	require.Equal(t, []string{"authorize", "capture"}, s.ledger(t, *done.PaymentID))
	require.Equal(t, before.Total, done.Total)
	require.Equal(t, stockView{SKU: sku, OnHand: 1, Reserved: 1}, s.stock(t, sku))
}

// neverPaidWithoutStock: of those who want the last unit at once, nobody who goes without it was ever charged.
func neverPaidWithoutStock(t *testing.T, s *site) {
	const wanting = 12
	sku := s.sells(t, 1000)
	s.stocks(t, sku, 1)
	buyers, carts := make([]shopper, wanting), make([]cartView, wanting)
	for i := range wanting {
		buyers[i] = s.shopper(t)
		carts[i] = buyers[i].fills(t, sku)
	}
	answers := together(t, wanting, func(i int) (answer, error) { return buyers[i].tries(t, carts[i], uuid.NewString(), waiting) })
	require.Len(t, withStatus(answers, http.StatusCreated), 1)
	for i, a := range answers {
		if a.StatusCode == http.StatusCreated {
			continue
		}
		failed := buyers[i].checkout(t, refuses(t, a, http.StatusConflict, "out_of_stock").CheckoutID)
		require.Empty(t, s.ledger(t, *failed.PaymentID), "not even authorized")
		refuses(t, s.send(t, http.MethodGet, "/v1/payments/"+failed.PaymentID.String(), buyers[i].token, nil), http.StatusNotFound, "not_found")
	}
}

func (s shopper) merges(t *testing.T, into cartView, guest shopper, theirs answer) cartView {
	t.Helper()
	body := map[string]any{"source_cart_id": as[cartView](t, theirs, http.StatusOK).ID, "source_token": guest.token}
	return as[cartView](t, s.send(t, http.MethodPost, "/v1/carts/"+into.ID.String()+"/merge", s.token, body), http.StatusOK)
}

// mergedAtLogin: a customer with a cart logs in while the guest they were has another, from two devices at once.
func mergedAtLogin(t *testing.T, s *site) {
	mine, theirs, both := s.sells(t, 100), s.sells(t, 20), s.sells(t, 3)
	ada, guest := s.shopper(t), s.shopper(t)
	c, before := ada.fills(t, mine, both), guest.fills(t, both)
	added := guest.adds(t, before, theirs, 1)
	merged := make([]cartView, 2)
	var devices sync.WaitGroup
	for i := range merged {
		devices.Go(func() { merged[i] = ada.merges(t, c, guest, added) })
	}
	devices.Wait()
	after := ada.cart(t, c.ID)
	quantities := map[string]int64{}
	for _, l := range after.Items {
		quantities[l.SKU] = l.Quantity
	}
	require.Equal(t, map[string]int64{mine: 1, theirs: 1, both: 2}, quantities)
	require.Equal(t, cart.StatusMerged, guest.cart(t, before.ID).Status)
	require.EqualValues(t, 126, as[checkoutView](t, ada.checksOut(t, after, "sim_ok", waiting), http.StatusCreated).Total.Amount)
}

// deniedByWebhook: the bank's no ends the checkout at once, with the stock free and the cart open again.
func deniedByWebhook(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 1000)
	s.stocks(t, sku, 1)
	c := ada.fills(t, sku)
	asked := ada.asksForAction(t, c, "sim_requires_action")
	require.Zero(t, s.stock(t, sku).Available)
	require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "deny").StatusCode)
	ada.ended(t, c, ada.reaches(t, asked.ID, saga.Failed), outcome{failure: "authentication_failed", payment: "declined"})
	require.EqualValues(t, 1, s.stock(t, sku).Available)
}

// refusedAgain: who asks again under the same key hears the same refusal, and nothing is done a second time.
func refusedAgain(t *testing.T, s *site) {
	sku, rare := s.sells(t, 1000), s.sells(t, 1000)
	for _, c := range []struct {
		sku, method, code string
		status            int
		ledger            []string
	}{
		{sku, "sim_declined", "payment_declined", http.StatusPaymentRequired, nil},
		{sku, "sim_capture_fails", "capture_refused", http.StatusPaymentRequired, []string{"authorize", "void"}},
		{rare, "sim_ok", "out_of_stock", http.StatusConflict, nil},
	} {
		s.stocks(t, rare, 0)
		ada, key := s.shopper(t), uuid.NewString()
		filled := ada.fills(t, c.sku)
		first := refuses(t, ada.checksOut(t, filled, c.method, waiting, "Idempotency-Key", key), c.status, c.code)
		s.stocks(t, rare, 5) // now it would go well
		again := refuses(t, ada.checksOut(t, filled, c.method, waiting, "Idempotency-Key", key), c.status, c.code)
		require.Equal(t, first.CheckoutID, again.CheckoutID)
		failed := ada.checkout(t, first.CheckoutID)
		require.Equal(t, saga.Failed, failed.Status)
		require.Equal(t, c.ledger, s.ledger(t, *failed.PaymentID))
		require.Equal(t, cart.StatusOpen, ada.cart(t, filled.ID).Status)
		require.Empty(t, confirmedOf(get[list[orderView]](t, s, "/v1/orders", ada.token).Data))
	}
}

func confirmedOf(orders []orderView) (found []orderView) {
	for _, o := range orders {
		if o.Status != order.StatusCancelled {
			found = append(found, o)
		}
	}
	return found
}

// confirmedOnlyWhenPaid: as long as nobody knows whether it is paid, nobody is told that it is ordered.
func confirmedOnlyWhenPaid(t *testing.T, _ *site) {
	s := open(t, databaseEach)
	ada, sku := s.shopper(t), s.sells(t, 1000)
	c := ada.fills(t, sku)
	opens := s.tillCloses(t)
	told := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", "wait=1"), http.StatusAccepted)
	require.Equal(t, saga.Running, told.Status)
	until(t, "the doubt is known", func() bool {
		return get[paymentView](t, s, "/v1/payments/"+told.PaymentID.String(), ada.token).Status == "unknown"
	})
	require.Equal(t, order.StatusPending, get[orderView](t, s, "/v1/orders/"+told.OrderID.String(), ada.token).Status)
	require.Equal(t, cart.StatusCheckingOut, ada.cart(t, c.ID).Status)
	opens()
	until(t, "it is confirmed", func() bool {
		return get[orderView](t, s, "/v1/orders/"+told.OrderID.String(), ada.token).Status == order.StatusConfirmed
	})
	require.Equal(t, []string{"authorize", "capture"}, s.ledger(t, *told.PaymentID), "no earlier than it is paid")
	ada.reaches(t, told.ID, saga.Completed)
}

// way brings a checkout that waits for the bank to its end, while nothing can be voided, and says how.
type way func(t *testing.T, ada shopper, c checkoutView) (end saga.Status, code string)

func cancelledByTheShopper(t *testing.T, ada shopper, c checkoutView) (saga.Status, string) {
	t.Helper()
	as[checkoutView](t, ada.cancels(t, c.ID), http.StatusAccepted)
	return saga.Cancelled, "cancelled"
}

func expiredAtTheBank(*testing.T, shopper, checkoutView) (saga.Status, string) {
	return saga.Failed, "authentication_expired"
}

func approvedTooLate(t *testing.T, s *site) {
	t.Run("AfterTheShopperCancelled", func(t *testing.T) { t.Parallel(); approvedAfter(cancelledByTheShopper)(t, s) })
	t.Run("AfterTheDeadline", func(t *testing.T) { t.Parallel(); approvedAfter(expiredAtTheBank)(t, s) })
}

// approvedAfter lets a shopper approve after their checkout was undone, cart and stock given back, but before the provider
// could be told. What they approved is voided by the saga itself.
func approvedAfter(undone way) func(*testing.T, *site) {
	return func(t *testing.T, _ *site) {
		s := open(t, databaseEach, func(_ testing.TB, c *config.Config) { c.PaymentActionTTL = 4 * time.Second })
		ada, sku := s.shopper(t), s.sells(t, 1000)
		s.stocks(t, sku, 1)
		before := ada.fills(t, sku)
		begun, opens := ada.waitsForTheBank(t, s, before)
		end, code := undone(t, ada, begun)
		until(t, "the cart is open again", func() bool { return ada.cart(t, before.ID).Status == cart.StatusOpen })
		require.Equal(t, saga.Compensating, ada.checkout(t, begun.ID).Status, "the void is owed")
		require.EqualValues(t, 1, s.stock(t, sku).Available)

		require.Equal(t, http.StatusOK, s.bank(t, *begun.PaymentID, "approve").StatusCode)
		require.Equal(t, []string{"authorize"}, s.ledger(t, *begun.PaymentID))
		opens()
		ended := ada.reaches(t, begun.ID, end)
		require.Equal(t, code, ended.Failure.Code)
		require.Equal(t, []string{"authorize", "void"}, s.ledger(t, *begun.PaymentID))
		require.Equal(t, order.StatusCancelled, get[orderView](t, s, "/v1/orders/"+begun.OrderID.String(), ada.token).Status)
	}
}

// waitsForTheBank begins a checkout that waits for the shopper's word, and closes the till before the time for it is over.
func (s shopper) waitsForTheBank(t *testing.T, at *site, c cartView) (begun checkoutView, opens func()) {
	t.Helper()
	for {
		begun = s.reaches(t, s.starts(t, c, "sim_requires_action").ID, saga.RequiresAction)
		opens = at.tillCloses(t)
		if s.checkout(t, begun.ID).Status == saga.RequiresAction {
			return begun, opens
		}
		opens() // the machine was busy with much else
		s.reaches(t, begun.ID, saga.Failed)
	}
}

// thawedTooLate freezes a process when it is about to authorize, has another one cancel the checkout, and lets the first go on.
func thawedTooLate(t *testing.T, s *site) {
	frozen, thaw, sent := make(chan struct{}), make(chan struct{}), make(chan payment.Answer, 1)
	ada, sku := s.shopper(t), s.sells(t, 1000)
	s.stocks(t, sku, 1)
	there := ada
	there.site = s.beside(t, func(bank payment.Provider) payment.Provider {
		return authorizes{bank, func(ctx context.Context, c payment.Call) (payment.Answer, error) {
			close(frozen)
			<-thaw
			answer, err := bank.Authorize(context.WithoutCancel(ctx), c)
			sent <- answer
			return answer, err
		}}
	})
	c := ada.fills(t, sku)
	begun := there.starts(t, c, "sim_ok")
	<-frozen
	as[checkoutView](t, ada.cancels(t, begun.ID), http.StatusAccepted)
	ada.reaches(t, begun.ID, saga.Cancelled)
	close(thaw)
	require.Equal(t, payment.Declined, (<-sent).Status)
	require.Empty(t, s.ledger(t, *begun.PaymentID))
	require.Equal(t, saga.Cancelled, ada.checkout(t, begun.ID).Status)
	require.Equal(t, order.StatusCancelled, get[orderView](t, s, "/v1/orders/"+begun.OrderID.String(), ada.token).Status)
	require.EqualValues(t, 1, s.stock(t, sku).Available)
	ada.isOpenAsBefore(t, c, ada.cart(t, c.ID))
}

func nothingChangesWhilePaying(t *testing.T, s *site) {
	t.Run("Cart", func(t *testing.T) { t.Parallel(); cartIsSealed(t, s) })
	t.Run("Price", func(t *testing.T) { t.Parallel(); movingPrice(t, s) })
}

func cartIsSealed(t *testing.T, s *site) {
	ada, sku := s.shopper(t), s.sells(t, 700)
	c := ada.fills(t, sku)
	asked := ada.asksForAction(t, c, "sim_requires_action")
	sealed := ada.cart(t, c.ID)
	require.Equal(t, cart.StatusCheckingOut, sealed.Status)
	require.Equal(t, asked.ID, refuses(t, ada.adds(t, c, sku, 1), http.StatusConflict, "cart_closed").CheckoutID)
	require.Equal(t, asked.ID, refuses(t, ada.checksOut(t, sealed, "sim_ok", noWait), http.StatusConflict, "cart_closed").CheckoutID)
	require.Equal(t, sealed, ada.cart(t, c.ID))
	s.prices(t, sku, 9999) // after the seal: the shopper pays what they saw
	require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "approve").StatusCode)
	require.EqualValues(t, 700, ada.reaches(t, asked.ID, saga.Completed).Total.Amount)
}
