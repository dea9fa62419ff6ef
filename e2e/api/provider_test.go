package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/app"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/payment/simulator"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// bankCloses lets every call to the simulator hang, until the bank opens again.
func bankCloses(t *testing.T, s *harness.Site) (opens func()) {
	t.Helper()
	return locks(t, s, "simulator", "lock table simulator.payments in access exclusive mode")
}

// tillCloses lets every call that would change something at the simulator hang, until the till opens again. The bank's page
// and look-ups go on.
func tillCloses(t *testing.T, s *harness.Site) (opens func()) {
	t.Helper()
	return locks(t, s, "simulator", "lock table simulator.calls in exclusive mode")
}

// locks holds what a statement locks.
func locks(t *testing.T, s *harness.Site, schema, sql string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URLs[schema])
	require.NoError(t, err)
	for _, sql := range []string{"begin", sql} {
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	release = func() { _ = conn.Close(context.Background()) }
	t.Cleanup(release)
	return release
}

// besideWith runs another process of the program, on the same databases, whose calls to the simulator pass through a provider
// of the test's own.
func besideWith(t *testing.T, s *harness.Site, wrap func(payment.Provider) payment.Provider) *harness.Site {
	t.Helper()
	c := s.Settings
	require.NoError(t, c.FillSecrets())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	other := &harness.Site{Base: "http://" + listener.Addr().String(), Settings: c, URLs: s.URLs, Admin: s.Admin}
	pool, err := pgxpool.New(t.Context(), s.URLs["simulator"])
	require.NoError(t, err)
	bank := simulator.New(simulator.Config{
		Pool: pool, Secret: c.SimulatorSecret, PublicURL: func() string { return other.Base }, WebhookURL: func() string { return "" },
	})
	p, err := app.New(t.Context(), c, s.URLs, listener.Addr(), slog.New(slog.DiscardHandler), wrap(bank))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, app.Listeners{Public: listener}, c.ShutdownTimeout) }()
	t.Cleanup(func() {
		stop()
		harness.Browser.CloseIdleConnections()
		assert.NoError(t, <-ended)
		p.Close()
		pool.Close()
	})
	return other
}

// authorizes is a provider that authorizes in a way of its own.
type authorizes struct {
	payment.Provider
	authorize func(ctx context.Context, c payment.Call) (payment.Answer, error)
}

func (a authorizes) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return a.authorize(ctx, c)
}

func breakerIs(t *testing.T, s *harness.Site, state string) bool {
	t.Helper()
	metrics := string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text)
	return strings.Contains(metrics, `shopping_cart_provider_breaker_state{provider="simulator",state="`+state+`"} 1`)
}

// apart returns a shopper at the n-th address of the loopback network, since an address has one vote for the circuit breaker.
func apart(t *testing.T, s *harness.Site, n int) harness.Shopper {
	t.Helper()
	return s.From(t, fmt.Sprintf("127.0.1.%d", n+1), 1).Shopper(t)
}

// TestDeadProvider lets the provider hang under twenty-four checkouts. It is left alone then; carts, stock and checkouts with
// nothing to pay go on as ever. When it is back, every checkout ends, charged once, and none waits for its turn of then.
func TestDeadProvider(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach, func(_ testing.TB, c *config.Config) { c.PaymentConcurrency = 8 })
	sku := s.AddProduct(t, 1250)
	s.SetStock(t, sku, 100)
	require.True(t, breakerIs(t, s, "closed"))
	opens := bankCloses(t, s)

	var buyers []harness.Shopper
	var begun []harness.CheckoutView
	buys := func(n int) {
		for range n {
			ada := apart(t, s, len(buyers))
			buyers, begun = append(buyers, ada), append(begun, ada.StartCheckout(t, ada.Fill(t, sku), "sim_ok"))
		}
	}
	buys(24)
	harness.Until(t, "the breaker opens", func() bool { return breakerIs(t, s, "open") })
	buys(6) // not one of these is asked for
	harness.CheckOutFree(t, s, "sim_declined")
	bob := s.Shopper(t)
	c := bob.Fill(t, sku)
	require.EqualValues(t, 3, harness.As[harness.CartView](t, bob.Add(t, c, sku, 2), http.StatusOK).Items[0].Quantity)
	require.EqualValues(t, 30, s.Stock(t, sku).Reserved, "what may yet be paid is held")
	t.Cleanup(func() {
		if t.Failed() {
			for _, c := range begun {
				t.Log(c.ID, tries(t, s, saga.ChargeMoney, c.ID))
			}
		}
	})
	harness.Until(t, "one has to wait for long", func() bool { return pausesFor(t, s, saga.ChargeMoney, idsOfCheckouts(begun)) > 3*time.Second })
	opens()

	early := 0
	for i, ada := range buyers {
		done := ada.AwaitStatus(t, begun[i].ID, saga.Completed)
		require.Equal(t, []string{"authorize", "capture"}, s.Ledger(t, *done.PaymentID))
		require.Equal(t, order.StatusConfirmed, harness.Get[harness.OrderView](t, s, "/v1/orders/"+done.OrderID.String(), ada.Token).Status)
		require.Equal(t, cart.StatusCheckedOut, ada.Cart(t, done.CartID).Status)
		if cameEarly(t, s, saga.ChargeMoney, done.ID) {
			early++
		}
	}
	require.Positive(t, early, "nobody was told that the provider is back")
	require.True(t, breakerIs(t, s, "closed"))
}

// TestDeadProviderGivesBackLater: refunds and cancellations that were asked for meanwhile wait too, and go on when it is back.
func TestDeadProviderGivesBackLater(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) { c.PaymentConcurrency = 8 })
	sku := s.AddProduct(t, 1250)
	s.SetStock(t, sku, 100)
	var sold []harness.CheckoutView
	for n := range 24 {
		ada := apart(t, s, n)
		sold = append(sold, harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated))
	}
	opens := bankCloses(t, s)
	var backs []uuid.UUID
	for i, c := range sold {
		path, body := "/v1/orders/"+c.OrderID.String(), map[string]any{"reason": "Broken."}
		if i%2 == 0 {
			harness.As[harness.OrderView](t, s.Send(t, http.MethodPost, path+"/cancel", s.Admin, body, "Idempotency-Key", "c"+path), http.StatusAccepted)
			continue
		}
		backs = append(backs, harness.As[harness.RefundView](t, s.Refund(t, c.OrderID, 250), http.StatusAccepted).ID)
	}
	harness.Until(t, "the breaker opens", func() bool { return breakerIs(t, s, "open") })
	var cancellations []uuid.UUID
	for _, v := range harness.Get[harness.List[saga.View]](t, s, "/v1/admin/sagas?limit=100&type=cancellation", s.Admin).Data {
		cancellations = append(cancellations, v.ID)
	}
	require.Len(t, cancellations, 12)
	harness.Until(t, "some of both have to wait for long", func() bool {
		return pausesFor(t, s, saga.RefundMoney, backs) > 3*time.Second && pausesFor(t, s, saga.UndoPayment, cancellations) > 3*time.Second
	})
	opens()
	for i, c := range sold {
		if i%2 == 0 {
			becomes(t, s, c.OrderID, order.StatusCancelled)
		}
		harness.Until(t, "the money is back", func() bool { return len(s.Ledger(t, *c.PaymentID)) == 3 })
	}
	for step, ids := range map[string][]uuid.UUID{saga.RefundMoney: backs, saga.UndoPayment: cancellations} {
		early := 0
		for _, id := range ids {
			harness.Until(t, "it has ended", func() bool {
				return harness.Get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.Admin).Status == saga.Completed
			})
			if cameEarly(t, s, step, id) {
				early++
			}
		}
		require.Positive(t, early, "nobody was told that the provider is back: %s", step)
	}
}

// try is how an attempt of a step went, as its saga tells.
type try struct {
	Step    string    `json:"step"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
	RetryAt time.Time `json:"retry_at"`
}

func tries(t *testing.T, s *harness.Site, step string, id uuid.UUID) (found []try) {
	t.Helper()
	for _, e := range harness.Get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.Admin).Events {
		var c try
		require.NoError(t, json.Unmarshal(e.Data, &c))
		if c.Step == step {
			found = append(found, c)
		}
	}
	return found
}

func idsOfCheckouts(all []harness.CheckoutView) (ids []uuid.UUID) {
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids
}

// pausesFor is the longest pause that one of them makes now, on its own.
func pausesFor(t *testing.T, s *harness.Site, step string, sagas []uuid.UUID) (longest time.Duration) {
	t.Helper()
	for _, id := range sagas {
		if tries := tries(t, s, step, id); len(tries) > 0 {
			last := tries[len(tries)-1]
			longest = max(longest, last.RetryAt.Sub(last.At))
		}
	}
	return longest
}

// cameEarly reports whether a step went well before its turn.
func cameEarly(t *testing.T, s *harness.Site, step string, id uuid.UUID) bool {
	t.Helper()
	tries := tries(t, s, step, id)
	require.Greater(t, len(tries), 1)
	return tries[len(tries)-1].BeganAt.Before(tries[len(tries)-2].RetryAt)
}
