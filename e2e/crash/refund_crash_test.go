package crash

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
)

// TestRefundCrash kills the program with kill -9 while orders are refunded and cancelled, and starts it again. The
// operators and shoppers repeat what was not answered, under the same key. In the end each of them has what they asked for,
// once, and nobody but the program did anything for it.
func TestRefundCrash(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills and starts the program many times")
	}
	luck := rand.New(rand.NewPCG(harness.SeedOf(t), 0))
	f := harness.NewFleet(t, 1, pgtest.New(t))
	f.Limit = harness.Patience
	h, s := f.Replicas[0], f.Up(t)
	shelf := []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
	s.SetStock(t, shelf[0], 1_000_000)
	admin, wide := s.Admin, t.Context()
	closing, closes := context.WithCancel(wide)
	var all sync.WaitGroup
	given := make([][]harness.Return, 6)
	for i := range given {
		lots := rand.New(rand.NewPCG(luck.Uint64(), 1))
		all.Go(func() {
			for n := 0; closing.Err() == nil; n++ {
				g, err := harness.BuyAndReturn(wide, f, admin, shelf, harness.ReturnMethods[(i+n)%len(harness.ReturnMethods)], lots)
				if err != nil {
					t.Errorf("customer %d: %v", i, err)
					return
				}
				given[i] = append(given[i], g)
			}
		})
	}
	for range 4 {
		f.AwaitAnswers(t, 20+luck.Int64N(60))
		h.Kill(t)
		h.Start(t)
	}
	f.AwaitAnswers(t, 50)
	closes()
	all.Wait()

	s = f.Up(t)
	orders, back := 0, int64(0)
	s.RequirePromises(t) // and all has come to its end
	for _, of := range given {
		for _, g := range of {
			o := s.Order(t, g.Order)
			require.Equal(t, g.Refunded, o.Refunded.Amount, "%+v", g)
			require.Equal(t, g.Cancelled, o.Status == order.StatusCancelled, "%+v", g)
			orders, back = orders+1, back+g.Refunded
		}
	}
	t.Logf("%d orders, %d given back", orders, back)
}
