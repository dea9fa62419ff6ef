package main

import (
	"context"
	"encoding/json"
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
	"shopping-cart/internal/app"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/payment/simulator"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// bankCloses lets every call to the simulator hang, until the bank opens again.
func (s *site) bankCloses(t *testing.T) (opens func()) {
	t.Helper()
	return s.locks(t, "simulator", "lock table simulator.payments in access exclusive mode")
}

// tillCloses lets every call that would change something at the simulator hang, until the till opens again. The bank's page
// and look-ups go on.
func (s *site) tillCloses(t *testing.T) (opens func()) {
	t.Helper()
	return s.locks(t, "simulator", "lock table simulator.calls in exclusive mode")
}

// locks holds what a statement locks.
func (s *site) locks(t *testing.T, schema, sql string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.urls[schema])
	require.NoError(t, err)
	for _, sql := range []string{"begin", sql} {
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	release = func() { _ = conn.Close(context.Background()) }
	t.Cleanup(release)
	return release
}

// beside runs another process of the program, on the same databases, whose calls to the simulator pass through a provider
// of the test's own.
func (s *site) beside(t *testing.T, wrap func(payment.Provider) payment.Provider) *site {
	t.Helper()
	c := s.settings
	require.NoError(t, c.FillSecrets())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	other := &site{base: "http://" + listener.Addr().String(), settings: c, urls: s.urls, admin: s.admin}
	pool, err := pgxpool.New(t.Context(), s.urls["simulator"])
	require.NoError(t, err)
	bank := simulator.New(simulator.Config{
		Pool: pool, Secret: c.SimulatorSecret, PublicURL: func() string { return other.base }, WebhookURL: func() string { return "" },
	})
	p, err := app.New(t.Context(), c, s.urls, listener.Addr(), slog.New(slog.DiscardHandler), wrap(bank))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, listener, c.ShutdownTimeout) }()
	t.Cleanup(func() {
		stop()
		browser.CloseIdleConnections()
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

func (s *site) breakerIs(t *testing.T, state string) bool {
	t.Helper()
	metrics := string(s.send(t, http.MethodGet, "/metrics", "", nil).body)
	return strings.Contains(metrics, `shopping_cart_provider_breaker_state{provider="simulator",state="`+state+`"} 1`)
}

// TestDeadProvider lets the provider hang under twenty-four checkouts. It is left alone then; carts, stock and checkouts with
// nothing to pay go on as ever. When it is back, every checkout ends, charged once, and none waits for its turn of then.
func TestDeadProvider(t *testing.T) {
	t.Parallel()
	s := open(t, databaseEach, func(_ testing.TB, c *config.Config) { c.PaymentConcurrency = 8 })
	sku := s.sells(t, 1250)
	s.stocks(t, sku, 100)
	require.True(t, s.breakerIs(t, "closed"))
	opens := s.bankCloses(t)

	var buyers []shopper
	var begun []checkoutView
	buys := func(n int) {
		for range n {
			ada := s.shopper(t)
			buyers, begun = append(buyers, ada), append(begun, ada.starts(t, ada.fills(t, sku), "sim_ok"))
		}
	}
	buys(24)
	until(t, "the breaker opens", func() bool { return s.breakerIs(t, "open") })
	buys(6) // not one of these is asked for
	withoutPayment(t, s, "sim_declined")
	bob := s.shopper(t)
	c := bob.fills(t, sku)
	require.EqualValues(t, 3, as[cartView](t, bob.adds(t, c, sku, 2), http.StatusOK).Items[0].Quantity)
	require.EqualValues(t, 30, s.stock(t, sku).Reserved, "what may yet be paid is held")
	t.Cleanup(func() {
		if t.Failed() {
			for _, c := range begun {
				t.Log(c.ID, s.tries(t, saga.ChargeMoney, c.ID))
			}
		}
	})
	until(t, "one has to wait for long", func() bool { return s.pausesFor(t, saga.ChargeMoney, idsOfCheckouts(begun)) > 3*time.Second })
	opens()

	early := 0
	for i, ada := range buyers {
		done := ada.reaches(t, begun[i].ID, saga.Completed)
		require.Equal(t, []string{"authorize", "capture"}, s.ledger(t, *done.PaymentID))
		require.Equal(t, order.StatusConfirmed, get[orderView](t, s, "/v1/orders/"+done.OrderID.String(), ada.token).Status)
		require.Equal(t, cart.StatusCheckedOut, ada.cart(t, done.CartID).Status)
		if s.cameEarly(t, saga.ChargeMoney, done.ID) {
			early++
		}
	}
	require.Positive(t, early, "nobody was told that the provider is back")
	require.True(t, s.breakerIs(t, "closed"))
}

// TestDeadProviderGivesBackLater: refunds and cancellations that were asked for meanwhile wait too, and go on when it is back.
func TestDeadProviderGivesBackLater(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase, func(_ testing.TB, c *config.Config) { c.PaymentConcurrency = 8 })
	sku := s.sells(t, 1250)
	s.stocks(t, sku, 100)
	var sold []checkoutView
	for range 24 {
		ada := s.shopper(t)
		sold = append(sold, as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated))
	}
	opens := s.bankCloses(t)
	var backs []uuid.UUID
	for i, c := range sold {
		path, body := "/v1/orders/"+c.OrderID.String(), map[string]any{"reason": "Broken."}
		if i%2 == 0 {
			as[orderView](t, s.send(t, http.MethodPost, path+"/cancel", s.admin, body, "Idempotency-Key", "c"+path), http.StatusAccepted)
			continue
		}
		backs = append(backs, as[refundView](t, s.refunds(t, c.OrderID, 250), http.StatusAccepted).ID)
	}
	until(t, "the breaker opens", func() bool { return s.breakerIs(t, "open") })
	var cancellations []uuid.UUID
	for _, v := range get[list[saga.View]](t, s, "/v1/admin/sagas?limit=100&type=cancellation", s.admin).Data {
		cancellations = append(cancellations, v.ID)
	}
	require.Len(t, cancellations, 12)
	until(t, "some of both have to wait for long", func() bool {
		return s.pausesFor(t, saga.RefundMoney, backs) > 3*time.Second && s.pausesFor(t, saga.UndoPayment, cancellations) > 3*time.Second
	})
	opens()
	for i, c := range sold {
		if i%2 == 0 {
			s.becomes(t, c.OrderID, order.StatusCancelled)
		}
		until(t, "the money is back", func() bool { return len(s.ledger(t, *c.PaymentID)) == 3 })
	}
	for step, ids := range map[string][]uuid.UUID{saga.RefundMoney: backs, saga.UndoPayment: cancellations} {
		early := 0
		for _, id := range ids {
			until(t, "it has ended", func() bool {
				return get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.admin).Status == saga.Completed
			})
			if s.cameEarly(t, step, id) {
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

func (s *site) tries(t *testing.T, step string, id uuid.UUID) (found []try) {
	t.Helper()
	for _, e := range get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.admin).Events {
		var c try
		require.NoError(t, json.Unmarshal(e.Data, &c))
		if c.Step == step {
			found = append(found, c)
		}
	}
	return found
}

func idsOfCheckouts(all []checkoutView) (ids []uuid.UUID) {
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids
}

// pausesFor is the longest pause that one of them makes now, on its own.
func (s *site) pausesFor(t *testing.T, step string, sagas []uuid.UUID) (longest time.Duration) {
	t.Helper()
	for _, id := range sagas {
		if tries := s.tries(t, step, id); len(tries) > 0 {
			last := tries[len(tries)-1]
			longest = max(longest, last.RetryAt.Sub(last.At))
		}
	}
	return longest
}

// cameEarly reports whether a step went well before its turn.
func (s *site) cameEarly(t *testing.T, step string, id uuid.UUID) bool {
	t.Helper()
	tries := s.tries(t, step, id)
	require.Greater(t, len(tries), 1)
	return tries[len(tries)-1].BeganAt.Before(tries[len(tries)-2].RetryAt)
}
