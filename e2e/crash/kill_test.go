package crash

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

// TestKilled kills the program with kill -9 while shoppers check out, and starts it again. The shoppers repeat what was not
// answered, under the same key. In the end everything that was acknowledged is there, every promise is kept, and nobody
// but the program did anything for it.
func TestKilled(t *testing.T) {
	t.Parallel()
	from := harness.SeedOf(t)
	for name, c := range map[string]struct {
		kills    int
		database func(*testing.T) []string // settings
	}{
		"WithItsOwnPostgres": {10, func(*testing.T) []string { return nil }},
		"OnAServer": {4, func(t *testing.T) []string {
			return []string{"DATABASE_URL=" + pgtest.New(t), "PAYMENT_PROVIDER=simulator"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				t.Skip("kills and starts the program many times")
			}
			underFire(t, rand.New(rand.NewPCG(from, uint64(c.kills))), c.kills, c.database(t))
		})
	}
}

const buyers = 8

func underFire(t *testing.T, luck *rand.Rand, kills int, database []string) {
	h := harness.NewHost(t, database)
	h.Start(t)
	f := &harness.Fleet{Replicas: []*harness.Host{h}, Limit: harness.Patience}
	shelf := []string{h.Up(t).AddProduct(t, 450), h.Up(t).AddProduct(t, 1999)}
	h.Up(t).SetStock(t, shelf[0], 60) // some go away empty-handed

	shopping, giveUp := context.WithCancel(t.Context())
	closing, closes := context.WithCancel(shopping)
	var all sync.WaitGroup
	defer func() { // nobody shops on when the test has failed
		giveUp()
		all.Wait()
	}()
	bought := make([][]harness.Purchase, buyers)
	for i := range buyers {
		all.Go(func() {
			for n := 0; closing.Err() == nil; n++ {
				p, err := harness.Buy(shopping, f, shelf, harness.Methods[(i+n)%len(harness.Methods)])
				if shopping.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("buyer %d: %v", i, err)
					return
				}
				bought[i] = append(bought[i], p)
			}
		})
	}
	for range kills {
		f.AwaitAnswers(t, 5+luck.Int64N(60))
		h.Kill(t)
		h.Start(t)
	}
	f.AwaitAnswers(t, 50)
	closes()
	everybody := make(chan struct{})
	go func() {
		all.Wait()
		close(everybody)
	}()
	select {
	case <-everybody:
	case <-time.After(2 * harness.Patience):
		t.Fatal("somebody is never answered")
	}

	s := h.Up(t)
	s.RequirePromises(t)
	for _, p := range slices.Concat(bought...) {
		p.RequireKept(t, s)
	}
	t.Logf("%d checkouts, %d times killed", len(slices.Concat(bought...)), kills)
}
