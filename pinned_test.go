package main

import (
	"context"
	"flag"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/pgtest"
)

var pinnedMinutes = flag.Float64("pinned-minutes", 0, "how long TestPinnedSnapshot drives each load; 0: a moment")

const (
	pinnedCallers = 16
	pinnedParts   = 10 // the first is held against the last
	cartEdits     = 18 // of a cart, after it was opened and filled
	payingCarts   = 8  // one of so many is checked out
)

// TestPinnedSnapshot holds a snapshot open in another session, as a long report or a forgotten psql does: nothing that is
// deleted or replaced meanwhile can be cleaned up. What looks for work by time must not slow down with it.
func TestPinnedSnapshot(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL of its own")
	}
	t.Parallel()
	length, products := time.Duration(*pinnedMinutes*float64(time.Minute)), 500
	if *pinnedMinutes == 0 {
		length, products = 2*time.Second, 20
	}
	s, err := openBenchShop(t.Context(), pgtest.Durable(t), products, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	held := holdSnapshot(t, s.url)

	spread := s.parts(t, length, s.shops)
	hot := s.parts(t, length, func(ctx context.Context, _ int64) error { return s.buys(ctx, s.skus[0], 0, true) })
	held()

	t.Logf("commands a second, part by part, of carts edited and some bought: %.0f; last to first %.2f", spread, ratio(spread))
	t.Logf("commands a second, part by part, of carts with one hot SKU, all bought: %.0f; last to first %.2f", hot, ratio(hot))
	require.Positive(t, slices.Max(spread))
	require.Positive(t, slices.Max(hot))
	if *pinnedMinutes > 0 {
		require.GreaterOrEqual(t, ratio(spread), 0.9, "a pinned snapshot slows the store down")
	}
}

// holdSnapshot pins a snapshot until the test ends; held makes sure that it is the old one still.
func holdSnapshot(t *testing.T, url string) (held func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), "begin isolation level repeatable read")
	require.NoError(t, err)
	events := func() (n int64) {
		require.NoError(t, conn.QueryRow(t.Context(), "select coalesce(max(position), 0) from cart.events").Scan(&n))
		return n
	}
	before := events()
	return func() { require.Equal(t, before, events(), "the snapshot was lost") }
}

// parts drives a load for a while and gives the commands a second that were committed in each part of it.
func (s *benchShop) parts(t *testing.T, length time.Duration, do func(ctx context.Context, n int64) error) []float64 {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var turn atomic.Int64
	for range pinnedCallers {
		callers.Go(func() {
			for ctx.Err() == nil {
				if err := do(ctx, turn.Add(1)); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer callers.Wait()
	defer end()
	part := time.NewTicker(length / pinnedParts)
	defer part.Stop()
	<-part.C // caches and plans warm up
	began, before := time.Now(), s.databases[s.url].committer.Counts().Commands
	rates := make([]float64, pinnedParts)
	for i := range rates {
		now, count := <-part.C, s.databases[s.url].committer.Counts().Commands
		rates[i] = float64(count-before) / now.Sub(began).Seconds()
		began, before = now, count
	}
	return rates
}

func ratio(rates []float64) float64 { return rates[len(rates)-1] / rates[0] }

// shops is what most carts go through: opened, filled, edited again and again, and some of them bought.
func (s *benchShop) shops(ctx context.Context, n int64) error {
	return s.buys(ctx, s.skus[int(n)%len(s.skus)], cartEdits, n%payingCarts == 0)
}

func (s *benchShop) buys(ctx context.Context, sku string, edits int, paid bool) error {
	var cart struct{ ID uuid.UUID }
	if err := s.call(ctx, http.MethodPost, "/v1/carts", s.token, map[string]any{"currency": "GBP"}, &cart); err != nil {
		return err
	}
	path, line := "/v1/carts/"+cart.ID.String()+"/items", map[string]any{"sku": sku, "quantity": 1}
	if err := s.call(ctx, http.MethodPost, path, s.token, line, nil); err != nil {
		return err
	}
	for i := range edits {
		if _, err := s.program.carts.SetQuantity(ctx, s.caller, s.write(nil), cart.ID, sku, int64(2+i)); err != nil {
			return err
		}
	}
	if !paid {
		return nil
	}
	_, err := s.checksOut(ctx, cart.ID, int64(benchVersion+edits))
	return err
}
