package cart

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// BenchmarkDecide measures the rule alone: no database, no JSON.
func BenchmarkDecide(b *testing.B) {
	cart, prices := tenLines(b)
	for b.Loop() {
		if _, err := decide(cart, addItem{SKU: "sku-3", Quantity: 1}, prices); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFold folds a cart of ten lines from its events' JSON.
func BenchmarkFold(b *testing.B) {
	data, err := json.Marshal(ItemAdded{Line{SKU: "sku", Name: "WHITE HANGING HEART T-LIGHT HOLDER", Quantity: 1, UnitPrice: 255}})
	require.NoError(b, err)
	for b.Loop() {
		var cart State
		for range 10 {
			e, err := carts.Event(eventstore.Recorded{Type: "cart.item_added", Data: data})
			if err != nil {
				b.Fatal(err)
			}
			cart = evolve(cart, e)
		}
	}
}

func tenLines(b *testing.B) (State, priceBook) {
	cart, prices := evolve(State{}, Created{CustomerID: "ada", Currency: "GBP"}), priceBook{}
	for n := range 10 {
		sku := "sku-" + strconv.Itoa(n)
		prices[sku] = Product{SKU: sku, Name: "WHITE HANGING HEART T-LIGHT HOLDER", Price: money.Of(255, "GBP"), Active: true}
		events, err := decide(cart, addItem{SKU: sku, Quantity: 1}, prices)
		require.NoError(b, err)
		for _, e := range events {
			cart = evolve(cart, e)
		}
	}
	return cart, prices
}

// turn makes every quantity differ from the last, since a command that changes nothing appends nothing.
var turn atomic.Int64

// BenchmarkCommand drives the store with cart commands from many callers at once. Use it for profiles (-cpuprofile).
// "shopping-cart bench" compares its figures with baselines.
func BenchmarkCommand(b *testing.B) {
	url := pgtest.Durable(b)
	m, committer := openModule(b, url)
	ids := fill(b, m)
	for _, callers := range []int{1, 8, 32, 128} {
		for _, kind := range []struct {
			name string
			ids  []uuid.UUID
		}{{"spread", ids}, {"hot", ids[:1]}} {
			b.Run(fmt.Sprintf("%s/callers=%d", kind.name, callers), func(b *testing.B) {
				before := committer.Counts()
				b.ResetTimer()
				each(b.N, callers, func(i int) {
					mustEdit(b, m, kind.ids[i%len(kind.ids)], setQuantity{SKU: "sku-1", Quantity: 1 + turn.Add(1)%MaxQuantity})
				})
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "per_s")
				b.ReportMetric(float64(committer.Counts().Batches-before.Batches)/float64(b.N), "commits/op")
			})
		}
	}
}

func openModule(b *testing.B, url string) (*Module, *eventstore.Committer) {
	pools, err := database.Open(b.Context(), url, database.Options{})
	require.NoError(b, err)
	b.Cleanup(pools.Close)
	committer := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin})
	m := New(Config{Database: databaseOf(pools, committer)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- committer.Run(ctx) }()
	b.Cleanup(func() { cancel(); require.NoError(b, <-done) })
	return m, committer
}

// fill makes a product and opens a thousand carts with one line.
func fill(b *testing.B, m *Module) []uuid.UUID {
	_, err := m.store.Do(b.Context(), eventstore.Command{
		Streams: []eventstore.Ref{products.Ref(productID("sku-1"))},
		Decide: func(tx *eventstore.Tx) error {
			products.Append(tx, productID("sku-1"), ProductCreated{SKU: "sku-1", Name: "WHITE HANGING HEART T-LIGHT HOLDER", Price: money.Of(255, "GBP"), Active: true})
			return nil
		},
	})
	require.NoError(b, err)
	ids := make([]uuid.UUID, 1000)
	each(len(ids), 64, func(i int) {
		ids[i] = uuid.Must(uuid.NewV7())
		mustEdit(b, m, ids[i], create{CustomerID: "ada", Currency: "GBP"})
		mustEdit(b, m, ids[i], addItem{SKU: "sku-1", Quantity: MaxQuantity})
	})
	return ids
}

func mustEdit(b *testing.B, m *Module, id uuid.UUID, c command) {
	_, err := m.edit(context.Background(), edit{
		cart: id, caller: web.Caller{Subject: "ada"}, command: c,
		write: web.Write{ID: uuid.Must(uuid.NewV7()), Actor: "ada", Correlation: uuid.New()},
	})
	if err != nil {
		b.Error(err)
	}
}

// each calls do n times from several concurrent callers.
func each(n, callers int, do func(i int)) {
	next := make(chan int, callers)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
