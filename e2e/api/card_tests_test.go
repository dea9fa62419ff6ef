package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

const mostDeclines = 10 // of one address

func guardsCards(_ testing.TB, c *config.Config) {
	c.Limits, c.LimitReplicas = "true", 1
	c.LimitSessions, c.LimitReads, c.LimitEdits, c.LimitCheckouts = "none", "none", "none", "none"
	c.MaxStreamsPerAddress, c.MaxStreamsPerSubject, c.MaxStreamsPerCheckout = 100, 100, 100
	c.PaymentMaxGuestDeclines, c.PaymentMaxAddressDeclines, c.PaymentDeclineWindow, c.CartPaymentPause = 3, mostDeclines, time.Hour, time.Minute
	c.PaymentOneDecline = true
}

// TestCardsAreNotTested has guests of one address try 42 cards at once. As many reach the provider as may be declined. A shopper at another address
// buys meanwhile and afterwards.
func TestCardsAreNotTested(t *testing.T) {
	t.Parallel()
	for name, rate := range map[string]string{"AtOnce": "none", "DeferredByTheRate": "40/s 8"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testsCards(t, rate)
		})
	}
}

func testsCards(t *testing.T, rate string) {
	s := harness.Open(t, harness.OneDatabase, guardsCards, func(_ testing.TB, c *config.Config) { c.PaymentRate = rate })
	sku := s.AddProduct(t, 1999)
	unkind, kind := s.From(t, "127.0.0.2", 42), s.From(t, "127.0.0.3", 2)
	codes := make(chan string, 42)
	var cards sync.WaitGroup
	for range cap(codes) {
		eve := unkind.Shopper(t)
		c := eve.Fill(t, sku)
		cards.Go(func() { codes <- triesCard(t.Context(), eve, c, "sim_insufficient_funds") })
	}
	ada := kind.Shopper(t)
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	cards.Wait()
	close(codes)
	seen := map[string]int{}
	for code := range codes {
		seen[code]++
	}
	require.Equal(t, map[string]int{"payment_declined": mostDeclines, "too_many_declines": 42 - mostDeclines}, seen)
	require.Equal(t, mostDeclines, cardsTried(t, s, "sim_insufficient_funds"))

	eve := unkind.Shopper(t)
	c := eve.Fill(t, sku)
	refused := eve.CheckOut(t, c, "sim_ok", harness.NoWait)
	harness.RequireProblem(t, refused, http.StatusTooManyRequests, "too_many_declines")
	wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 3600, wait, 120)
	require.Equal(t, c.Version, eve.Cart(t, c.ID).Version, "the cart is still open")
	require.Contains(t, string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text), `shopping_cart_limited_total{by="address",what="declines"} 33`)
	shown := harness.Get[web.LimitsView](t, s, "/v1/admin/limits", s.Admin).Guards
	require.Contains(t, shown, web.GuardView{What: "declines", By: "address", Refused: 33})
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
}

// triesCard checks a cart out, and returns the code of the problem, or the error.
func triesCard(ctx context.Context, s harness.Shopper, c harness.CartView, card string) string {
	a, err := s.Try(ctx, http.MethodPost, harness.CheckoutPath(c), s.Token, harness.Paying(card),
		"Idempotency-Key", uuid.NewString(), "If-Match", harness.Tag(c.Version), "Prefer", harness.Waiting)
	if err != nil {
		return err.Error()
	}
	var p struct{ Code string }
	if err := a.Decode(&p); err != nil {
		return err.Error()
	}
	return p.Code
}

// cardsTried returns the number of authorizations that the provider was asked for with a card.
func cardsTried(t *testing.T, s *harness.Site, card string) (n int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.URLs["simulator"])
	require.NoError(t, err)
	defer db.Close(context.Background())
	require.NoError(t, db.QueryRow(t.Context(), `select count(*) from simulator.calls c join simulator.payments p using (reference)
		where c.operation = 'authorize' and p.token = $1`, card).Scan(&n))
	return n
}

// TestGuestsDoNotLearnWhyACardWasDeclined looks for the reason in everything that a guest can read. Operators find it at the payment.
func TestGuestsDoNotLearnWhyACardWasDeclined(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, guardsCards)
	sku := s.AddProduct(t, 1999)
	eve := s.Shopper(t)
	c := eve.Fill(t, sku)
	begun := eve.StartCheckout(t, c, "sim_insufficient_funds")
	require.Equal(t, "payment_declined", eve.AwaitStatus(t, begun.ID, saga.Failed).Failure.Code)
	payment := "/v1/payments/" + begun.PaymentID.String()
	for _, path := range []string{
		"/v1/checkouts/" + begun.ID.String(), "/v1/checkouts/" + begun.ID.String() + "/stream", payment, "/v1/carts/" + c.ID.String(),
		"/v1/carts/" + c.ID.String() + "/events", "/v1/orders/" + begun.OrderID.String(), "/v1/orders/" + begun.OrderID.String() + "/timeline?limit=100",
	} {
		seen := eve.Send(t, http.MethodGet, path, eve.Token, nil)
		require.Equal(t, http.StatusOK, seen.StatusCode, path)
		require.NotContains(t, string(seen.Text), `"insufficient_funds"`, path)
		require.NotContains(t, string(seen.Text), "not enough money", path)
	}
	require.Equal(t, "payment_declined", harness.Get[harness.PaymentView](t, s, payment, eve.Token).Failure.Code)
	require.Equal(t, "insufficient_funds", harness.Get[harness.PaymentView](t, s, payment, s.Admin).Failure.Code)
	a := eve.CheckOut(t, eve.Cart(t, c.ID), "sim_insufficient_funds", harness.Waiting)
	harness.RequireProblem(t, a, http.StatusPaymentRequired, "payment_declined")
}
