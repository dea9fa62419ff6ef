package api

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/payment"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

func TestRaces(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) { c.PaymentTimeout = 10 * time.Second })
	t.Run("OneKeyIsOneCheckout", func(t *testing.T) { sameKey(t, s) })
	t.Run("ALostAnswerIsGivenAgain", func(t *testing.T) { lostAnswer(t, s) })
	t.Run("ABrokenConnectionIsOneCheckout", func(t *testing.T) { brokenConnection(t, s) })
}

func twoTabs(t *testing.T, s *harness.Site) {
	sku := s.AddProduct(t, 1000)
	for range 10 {
		ada := s.Shopper(t)
		c := ada.Fill(t, sku)
		tabs := harness.RunTogether(t, 2, func(int) (harness.Answer, error) { return ada.TryCheckOut(t, c, uuid.NewString(), harness.Waiting) })
		won := harness.WithStatus(tabs, http.StatusCreated)
		lost := harness.WithStatus(tabs, http.StatusPreconditionFailed)
		require.True(t, len(won) == 1 && len(lost) == 1, "%s %s", tabs[0].Text, tabs[1].Text)
		harness.RequireProblem(t, lost[0], http.StatusPreconditionFailed, "version_mismatch")
		done := harness.As[harness.CheckoutView](t, won[0], http.StatusCreated)
		require.Equal(t, []string{"authorize", "capture"}, s.Ledger(t, *done.PaymentID))
		require.Len(t, harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", ada.Token).Data, 1)
	}
}

func lastUnit(t *testing.T, s *harness.Site) {
	const wanting = 50
	sku := s.AddProduct(t, 1000)
	s.SetStock(t, sku, 1)
	shoppers, carts := make([]harness.Shopper, wanting), make([]harness.CartView, wanting)
	for i := range wanting {
		shoppers[i] = s.Shopper(t)
		carts[i] = shoppers[i].Fill(t, sku)
	}
	answers := harness.RunTogether(t, wanting, func(i int) (harness.Answer, error) {
		return shoppers[i].TryCheckOut(t, carts[i], uuid.NewString(), harness.Waiting)
	})
	require.Len(t, harness.WithStatus(answers, http.StatusCreated), 1)
	for i, a := range answers {
		if a.StatusCode != http.StatusCreated {
			require.Equal(t, sku, harness.RequireProblem(t, a, http.StatusConflict, "out_of_stock").Lines[0].SKU)
			shoppers[i].RequireReopened(t, carts[i], shoppers[i].Cart(t, carts[i].ID))
		}
	}
	require.Equal(t, harness.StockView{SKU: sku, OnHand: 1, Reserved: 1}, s.Stock(t, sku))
}

func manyEditors(t *testing.T, s *harness.Site) {
	const editors, edits = 20, 5
	processes := []*harness.Site{s, besideWith(t, s, func(bank payment.Provider) payment.Provider { return bank })}
	ada, shared := s.Shopper(t), s.AddProduct(t, 100)
	c := ada.Fill(t)
	own := make([]string, editors)
	for i := range own {
		own[i] = s.AddProduct(t, 100)
	}
	answers := harness.RunTogether(t, editors*edits, func(n int) (harness.Answer, error) {
		body := map[string]any{"sku": shared, "quantity": 1}
		if n%edits == 0 {
			body["sku"] = own[n/edits]
		}
		return processes[n%2].Try(t.Context(), http.MethodPost, "/v1/carts/"+c.ID.String()+"/items", ada.Token, body)
	})
	require.Len(t, harness.WithStatus(answers, http.StatusOK), editors*edits)
	versions := map[int64]bool{}
	for _, a := range answers {
		versions[harness.As[harness.CartView](t, a, http.StatusOK).Version] = true
	}
	require.Len(t, versions, editors*edits, "every edit has a version of its own")
	c = ada.Cart(t, c.ID)
	require.Len(t, c.Items, editors+1)
	require.EqualValues(t, 100*editors*edits, c.Total.Amount)
	require.EqualValues(t, 1+editors*edits, c.Version)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
	require.Equal(t, c.Total, done.Total)
}

func sameKey(t *testing.T, s *harness.Site) {
	t.Parallel()
	const clients = 6
	sku := s.AddProduct(t, 1000)
	for range 5 {
		ada := s.Shopper(t)
		c, key := ada.Fill(t, sku), uuid.NewString()
		answers := harness.RunTogether(t, clients, func(int) (harness.Answer, error) { return ada.TryCheckOut(t, c, key, harness.Waiting) })
		first, replays := uuid.Nil, 0
		for _, a := range answers {
			done := harness.As[harness.CheckoutView](t, a, http.StatusCreated)
			if first == uuid.Nil {
				first = done.ID
			}
			require.Equal(t, first, done.ID)
			if a.Header.Get("Idempotent-Replayed") == "true" {
				replays++
			}
		}
		require.Equal(t, clients-1, replays)

		c = ada.Fill(t, sku)
		answers = harness.RunTogether(t, clients, func(int) (harness.Answer, error) {
			return s.Try(t.Context(), http.MethodPost, "/v1/carts/"+c.ID.String()+"/items", ada.Token,
				map[string]any{"sku": sku, "quantity": 1}, "Idempotency-Key", key+"-item")
		})
		for _, a := range answers {
			require.Equal(t, c.Version+1, harness.As[harness.CartView](t, a, http.StatusOK).Version)
		}
		require.EqualValues(t, 2, ada.Cart(t, c.ID).Items[0].Quantity)
	}
}

// lostAnswer repeats what succeeded, after the version has moved: the receipt comes before If-Match and the state.
func lostAnswer(t *testing.T, s *harness.Site) {
	t.Parallel()
	ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
	c := ada.Fill(t, sku)
	item := []string{"Idempotency-Key", uuid.NewString(), "If-Match", harness.Tag(c.Version)}
	first := harness.As[harness.CartView](t, ada.Add(t, c, sku, 3, item...), http.StatusOK)
	moved := harness.As[harness.CartView](t, ada.Add(t, c, sku, 1), http.StatusOK)
	again := ada.Add(t, c, sku, 3, item...)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, first, harness.As[harness.CartView](t, again, http.StatusOK), "the answer of then")
	require.Equal(t, harness.Tag(first.Version), again.Header.Get("ETag"))
	harness.RequireProblem(t, ada.Add(t, c, sku, 4, item...), http.StatusUnprocessableEntity, "idempotency_key_reused")
	stale := harness.RequireProblem(t, ada.Add(t, c, sku, 3, "If-Match", harness.Tag(c.Version)), http.StatusPreconditionFailed, "version_mismatch")
	require.Equal(t, moved.Version, stale.Version)
	require.Equal(t, moved, ada.Cart(t, c.ID))

	key := []string{"Idempotency-Key", uuid.NewString()}
	begun := harness.As[harness.CheckoutView](t, ada.CheckOut(t, moved, "sim_ok", harness.NoWait, key...), http.StatusAccepted)
	ada.AwaitStatus(t, begun.ID, saga.Completed)
	replay := ada.CheckOut(t, moved, "sim_ok", harness.Waiting, key...)
	require.Equal(t, "true", replay.Header.Get("Idempotent-Replayed"))
	shown := harness.As[harness.CheckoutView](t, replay, http.StatusCreated)
	require.Equal(t, begun.ID, shown.ID)
	require.Equal(t, saga.Completed, shown.Status, "a checkout is shown as it is now")
	harness.RequireProblem(t, ada.CheckOut(t, moved, "sim_flaky", harness.NoWait, key...), http.StatusUnprocessableEntity, "idempotency_key_reused")
	harness.RequireProblem(t, ada.CheckOut(t, moved, "sim_ok", harness.NoWait), http.StatusPreconditionFailed, "version_mismatch")
}

// brokenConnection hangs up as soon as the request is out, and then asks again with the same key.
func brokenConnection(t *testing.T, s *harness.Site) {
	t.Parallel()
	sku := s.AddProduct(t, 1000)
	for range 10 {
		ada := s.Shopper(t)
		c, key := ada.Fill(t, sku), uuid.NewString()
		ctx, hangUp := context.WithCancel(t.Context())
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { hangUp() }})
		_, _ = s.Try(ctx, http.MethodPost, harness.CheckoutPath(c), ada.Token, harness.Paying("sim_ok"),
			"Idempotency-Key", key, "If-Match", harness.Tag(c.Version), "Prefer", harness.Waiting)
		done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting, "Idempotency-Key", key), http.StatusCreated)
		require.Equal(t, []string{"authorize", "capture"}, s.Ledger(t, *done.PaymentID))
		require.Equal(t, cart.StatusCheckedOut, ada.Cart(t, c.ID).Status)
		hangUp()
	}
}

func movingPrice(t *testing.T, s *harness.Site) {
	const carts = 20
	sku := s.AddProduct(t, 1000)
	ada := s.Shopper(t)
	seen := ada.Fill(t, sku)
	s.SetPrice(t, sku, 999)
	harness.RequireProblem(t, ada.CheckOut(t, seen, "sim_ok", harness.Waiting), http.StatusConflict, "price_changed")
	s.SetPrice(t, sku, 1000)
	shoppers, filled := make([]harness.Shopper, carts), make([]harness.CartView, carts)
	for i := range carts {
		shoppers[i] = s.Shopper(t)
		filled[i] = shoppers[i].Fill(t, sku)
	}
	answers := harness.RunTogether(t, 2*carts, func(i int) (harness.Answer, error) {
		if i%2 == 1 { // every second one is the operator who cannot make up their mind
			body := map[string]any{"name": "Mug", "price": harness.GBP(int64(1000 + i%4))}
			return s.Try(t.Context(), http.MethodPut, "/v1/products/"+harness.Escape(sku), s.Admin, body)
		}
		return shoppers[i/2].TryCheckOut(t, filled[i/2], uuid.NewString(), harness.Waiting)
	})
	for i := range carts {
		switch a := answers[2*i]; a.StatusCode {
		case http.StatusCreated:
			require.Equal(t, filled[i].Total, harness.As[harness.CheckoutView](t, a, http.StatusCreated).Total)
		default:
			p := harness.RequireProblem(t, a, http.StatusConflict, "price_changed")
			require.NotEqual(t, p.Lines[0].Was, p.Lines[0].Now)
			require.Equal(t, filled[i], shoppers[i].Cart(t, filled[i].ID))
		}
	}
}
