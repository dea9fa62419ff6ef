package harness

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/saga"
)

// TestFleet checks the harness: the shopper must not notice the faults.
func TestFleet(t *testing.T) {
	t.Parallel()
	f := NewFleet(t, 3, pgtest.New(t))
	f.Limit = 300 * time.Millisecond
	sku := f.Up(t).AddProduct(t, 450)
	f.Replicas[2].Kill(t)
	f.Replicas[1].Freeze(t)
	_, err := (&Site{Base: f.Replicas[1].Up(t).Base}).Ask(Within(t, 50*time.Millisecond), http.MethodGet, "/healthz", "", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a frozen replica answers nothing")

	c, err := RetryAs[CartView](t.Context(), f, http.MethodPost, "/v1/carts", Mint(t, Settings(), "ada"), map[string]any{"currency": "GBP"},
		"Idempotency-Key", uuid.NewString())
	require.NoError(t, err)
	require.EqualValues(t, 1, c.Version)

	f.Replicas[1].Thaw()
	f.Replicas[2].Start(t)
	f.Limit = 7 * time.Second
	for range f.Replicas { // each replica is asked in turn, and sees the writes of the others
		p, err := Buy(t.Context(), f, []string{sku}, "sim_ok")
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, p.Status)
		require.Equal(t, saga.Completed, Shopper{f.Up(t), p.Shopper.Token, p.Shopper.ID}.Checkout(t, p.Checkout).Status)
	}
	f.Up(t).RequirePromises(t)
}
