package main

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/payment"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// together calls do n times at once, and gives the answers in order.
func together(t *testing.T, n int, do func(i int) (answer, error)) []answer {
	t.Helper()
	answers, errs := make([]answer, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i], errs[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return answers
}

// withStatus are the answers that have it.
func withStatus(answers []answer, status int) (found []answer) {
	for _, a := range answers {
		if a.StatusCode == status {
			found = append(found, a)
		}
	}
	return found
}

// tries is checksOut for many at once.
func (s shopper) tries(t *testing.T, c cartView, key, prefer string) (answer, error) {
	return s.try(t.Context(), http.MethodPost, checkoutPath(c), s.token, paying("sim_ok"),
		"Idempotency-Key", key, "If-Match", tag(c.Version), "Prefer", prefer)
}

func TestRaces(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase, func(_ testing.TB, c *config.Config) { c.PaymentTimeout = 10 * time.Second })
	t.Run("OneKeyIsOneCheckout", func(t *testing.T) { sameKey(t, s) })
	t.Run("ALostAnswerIsGivenAgain", func(t *testing.T) { lostAnswer(t, s) })
	t.Run("ABrokenConnectionIsOneCheckout", func(t *testing.T) { brokenConnection(t, s) })
}

func twoTabs(t *testing.T, s *site) {
	sku := s.sells(t, 1000)
	for range 10 {
		ada := s.shopper(t)
		c := ada.fills(t, sku)
		tabs := together(t, 2, func(int) (answer, error) { return ada.tries(t, c, uuid.NewString(), waiting) })
		won := withStatus(tabs, http.StatusCreated)
		lost := withStatus(tabs, http.StatusPreconditionFailed)
		require.True(t, len(won) == 1 && len(lost) == 1, "%s %s", tabs[0].body, tabs[1].body)
		refuses(t, lost[0], http.StatusPreconditionFailed, "version_mismatch")
		done := as[checkoutView](t, won[0], http.StatusCreated)
		require.Equal(t, []string{"authorize", "capture"}, s.ledger(t, *done.PaymentID))
		require.Len(t, get[list[orderView]](t, s, "/v1/orders", ada.token).Data, 1)
	}
}

func lastUnit(t *testing.T, s *site) {
	const wanting = 50
	sku := s.sells(t, 1000)
	s.stocks(t, sku, 1)
	shoppers, carts := make([]shopper, wanting), make([]cartView, wanting)
	for i := range wanting {
		shoppers[i] = s.shopper(t)
		carts[i] = shoppers[i].fills(t, sku)
	}
	answers := together(t, wanting, func(i int) (answer, error) { return shoppers[i].tries(t, carts[i], uuid.NewString(), waiting) })
	require.Len(t, withStatus(answers, http.StatusCreated), 1)
	for i, a := range answers {
		if a.StatusCode != http.StatusCreated {
			require.Equal(t, sku, refuses(t, a, http.StatusConflict, "out_of_stock").Lines[0].SKU)
			shoppers[i].isOpenAsBefore(t, carts[i], shoppers[i].cart(t, carts[i].ID))
		}
	}
	require.Equal(t, stockView{SKU: sku, OnHand: 1, Reserved: 1}, s.stock(t, sku))
}

func manyEditors(t *testing.T, s *site) {
	const editors, edits = 20, 5
	processes := []*site{s, s.beside(t, func(bank payment.Provider) payment.Provider { return bank })}
	ada, shared := s.shopper(t), s.sells(t, 100)
	c := ada.fills(t)
	own := make([]string, editors)
	for i := range own {
		own[i] = s.sells(t, 100)
	}
	answers := together(t, editors*edits, func(n int) (answer, error) {
		body := map[string]any{"sku": shared, "quantity": 1}
		if n%edits == 0 {
			body["sku"] = own[n/edits]
		}
		return processes[n%2].try(t.Context(), http.MethodPost, "/v1/carts/"+c.ID.String()+"/items", ada.token, body)
	})
	require.Len(t, withStatus(answers, http.StatusOK), editors*edits)
	versions := map[int64]bool{}
	for _, a := range answers {
		versions[as[cartView](t, a, http.StatusOK).Version] = true
	}
	require.Len(t, versions, editors*edits, "every edit has a version of its own")
	c = ada.cart(t, c.ID)
	require.Len(t, c.Items, editors+1)
	require.EqualValues(t, 100*editors*edits, c.Total.Amount)
	require.EqualValues(t, 1+editors*edits, c.Version)
	done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
	require.Equal(t, c.Total, done.Total)
}

func sameKey(t *testing.T, s *site) {
	t.Parallel()
	const clients = 6
	sku := s.sells(t, 1000)
	for range 5 {
		ada := s.shopper(t)
		c, key := ada.fills(t, sku), uuid.NewString()
		answers := together(t, clients, func(int) (answer, error) { return ada.tries(t, c, key, waiting) })
		first, replays := uuid.Nil, 0
		for _, a := range answers {
			done := as[checkoutView](t, a, http.StatusCreated)
			if first == uuid.Nil {
				first = done.ID
			}
			require.Equal(t, first, done.ID)
			if a.Header.Get("Idempotent-Replayed") == "true" {
				replays++
			}
		}
		require.Equal(t, clients-1, replays)

		c = ada.fills(t, sku)
		answers = together(t, clients, func(int) (answer, error) {
			return s.try(t.Context(), http.MethodPost, "/v1/carts/"+c.ID.String()+"/items", ada.token,
				map[string]any{"sku": sku, "quantity": 1}, "Idempotency-Key", key+"-item")
		})
		for _, a := range answers {
			require.Equal(t, c.Version+1, as[cartView](t, a, http.StatusOK).Version)
		}
		require.EqualValues(t, 2, ada.cart(t, c.ID).Items[0].Quantity)
	}
}

// lostAnswer repeats what succeeded, after the version has moved: the receipt comes before If-Match and the state.
func lostAnswer(t *testing.T, s *site) {
	t.Parallel()
	ada, sku := s.shopper(t), s.sells(t, 1000)
	c := ada.fills(t, sku)
	item := []string{"Idempotency-Key", uuid.NewString(), "If-Match", tag(c.Version)}
	first := as[cartView](t, ada.adds(t, c, sku, 3, item...), http.StatusOK)
	moved := as[cartView](t, ada.adds(t, c, sku, 1), http.StatusOK)
	again := ada.adds(t, c, sku, 3, item...)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, first, as[cartView](t, again, http.StatusOK), "the answer of then")
	require.Equal(t, tag(first.Version), again.Header.Get("ETag"))
	refuses(t, ada.adds(t, c, sku, 4, item...), http.StatusUnprocessableEntity, "idempotency_key_reused")
	stale := refuses(t, ada.adds(t, c, sku, 3, "If-Match", tag(c.Version)), http.StatusPreconditionFailed, "version_mismatch")
	require.Equal(t, moved.Version, stale.Version)
	require.Equal(t, moved, ada.cart(t, c.ID))

	key := []string{"Idempotency-Key", uuid.NewString()}
	begun := as[checkoutView](t, ada.checksOut(t, moved, "sim_ok", noWait, key...), http.StatusAccepted)
	ada.reaches(t, begun.ID, saga.Completed)
	replay := ada.checksOut(t, moved, "sim_ok", waiting, key...)
	require.Equal(t, "true", replay.Header.Get("Idempotent-Replayed"))
	shown := as[checkoutView](t, replay, http.StatusCreated)
	require.Equal(t, begun.ID, shown.ID)
	require.Equal(t, saga.Completed, shown.Status, "a checkout is shown as it is now")
	refuses(t, ada.checksOut(t, moved, "sim_flaky", noWait, key...), http.StatusUnprocessableEntity, "idempotency_key_reused")
	refuses(t, ada.checksOut(t, moved, "sim_ok", noWait), http.StatusPreconditionFailed, "version_mismatch")
}

// brokenConnection hangs up as soon as the request is out, and then asks again with the same key.
func brokenConnection(t *testing.T, s *site) {
	t.Parallel()
	sku := s.sells(t, 1000)
	for range 10 {
		ada := s.shopper(t)
		c, key := ada.fills(t, sku), uuid.NewString()
		ctx, hangUp := context.WithCancel(t.Context())
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { hangUp() }})
		_, _ = s.try(ctx, http.MethodPost, checkoutPath(c), ada.token, paying("sim_ok"),
			"Idempotency-Key", key, "If-Match", tag(c.Version), "Prefer", waiting)
		done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting, "Idempotency-Key", key), http.StatusCreated)
		require.Equal(t, []string{"authorize", "capture"}, s.ledger(t, *done.PaymentID))
		require.Equal(t, cart.StatusCheckedOut, ada.cart(t, c.ID).Status)
		hangUp()
	}
}

func movingPrice(t *testing.T, s *site) {
	const carts = 20
	sku := s.sells(t, 1000)
	ada := s.shopper(t)
	seen := ada.fills(t, sku)
	s.prices(t, sku, 999)
	refuses(t, ada.checksOut(t, seen, "sim_ok", waiting), http.StatusConflict, "price_changed")
	s.prices(t, sku, 1000)
	shoppers, filled := make([]shopper, carts), make([]cartView, carts)
	for i := range carts {
		shoppers[i] = s.shopper(t)
		filled[i] = shoppers[i].fills(t, sku)
	}
	answers := together(t, 2*carts, func(i int) (answer, error) {
		if i%2 == 1 { // every second one is the operator who cannot make up their mind
			body := map[string]any{"name": "Mug", "price": gbp(int64(1000 + i%4))}
			return s.try(t.Context(), http.MethodPut, "/v1/products/"+escape(sku), s.admin, body)
		}
		return shoppers[i/2].tries(t, filled[i/2], uuid.NewString(), waiting)
	})
	for i := range carts {
		switch a := answers[2*i]; a.StatusCode {
		case http.StatusCreated:
			require.Equal(t, filled[i].Total, as[checkoutView](t, a, http.StatusCreated).Total)
		default:
			p := refuses(t, a, http.StatusConflict, "price_changed")
			require.NotEqual(t, p.Lines[0].Was, p.Lines[0].Now)
			require.Equal(t, filled[i], shoppers[i].cart(t, filled[i].ID))
		}
	}
}
