package gates

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/eventstore"
	"shopping-cart/internal/bench"
	"shopping-cart/internal/pgtest"
)

// TestFloodOfOneGuest sends a flood of one guest's edits without limits at the edge, while both connections of the committer are busy.
// Then a shopper and an operator send a request each. They wait only for the batches that hold the guest's part of the queue. The whole
// flood would need seven.
func TestFloodOfOneGuest(t *testing.T) {
	const queue, flood = 1024, 800
	t.Setenv("QUEUE_SIZE", strconv.Itoa(queue))
	shop, err := bench.OpenShop(t.Context(), pgtest.New(t), 1, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shop.Stop()) })
	s, committer, sku := &harness.Site{Base: shop.Client.Base}, shop.Databases[shop.URL].Committer, shop.SKUs[0]
	shopper, guest, many := s.Shopper(t), s.Shopper(t), s.From(t, unkind, flood)
	own, flooded := shopper.Fill(t, sku), guest.Fill(t, sku)
	release := holdConnections(t, shop, 2)

	var all sync.WaitGroup
	var refused atomic.Int64
	for i := range flood {
		all.Go(func() {
			a, err := many.Ask(t.Context(), http.MethodPatch, lineOf(flooded, sku), guest.Token, map[string]any{"quantity": 1 + i%9})
			switch {
			case err != nil || a.StatusCode != http.StatusOK && a.StatusCode != http.StatusTooManyRequests:
				t.Error(a.StatusCode, string(a.Text), err)
			case a.StatusCode == http.StatusTooManyRequests && a.Header.Get("Retry-After") == "1":
				refused.Add(1)
			}
		})
	}
	harness.Until(t, "the flood waits or is refused", func() bool { return committer.Waiting()+int(refused.Load()) == flood })
	waiting, before := committer.Waiting(), committer.Counts().Batches
	for who, request := range map[string]func() (harness.Answer, error){
		"shopper": func() (harness.Answer, error) {
			return s.Ask(t.Context(), http.MethodPatch, lineOf(own, sku), shopper.Token, map[string]any{"quantity": 2})
		},
		"operator": func() (harness.Answer, error) {
			return s.Ask(t.Context(), http.MethodPut, "/v1/stock/"+sku, shop.Operator, map[string]any{"on_hand": 100})
		},
	} {
		all.Go(func() {
			a, err := request()
			batches := committer.Counts().Batches - before
			t.Logf("%d of %d edits waited; the %s waited for %d batches", waiting, flood, who, batches)
			if err != nil || a.StatusCode != http.StatusOK || batches > 6 {
				t.Error(a.StatusCode, string(a.Text), err)
			}
		})
	}
	harness.Until(t, "both wait", func() bool { return committer.Waiting() == waiting+2 })
	release()
	all.Wait()
	require.Equal(t, queue/16, waiting)
	metrics := string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text)
	require.Regexp(t, fmt.Sprintf(`shopping_cart_limited_total{by="subject",what="commands-public"} %d\n`, flood-queue/16), metrics)
	require.Regexp(t, `shopping_cart_commands_waiting{lane="public",store="\w+"} 0\n`, metrics)
}

func lineOf(c harness.CartView, sku string) string {
	return "/v1/carts/" + c.ID.String() + "/items/" + sku
}

// holdConnections keeps so many connections of the committer busy until release is called.
func holdConnections(t *testing.T, s *bench.Shop, many int) (release func()) {
	t.Helper()
	held, end := make(chan struct{}), make(chan struct{})
	release = sync.OnceFunc(func() { close(end) })
	t.Cleanup(release)
	for range many {
		go func() {
			_, err := s.App.Carts.Store().Do(context.Background(), eventstore.Command{Decide: func(*eventstore.Tx) error {
				held <- struct{}{}
				<-end
				return nil
			}})
			if err != nil {
				t.Error(err)
			}
		}()
		<-held // apart from the next one, so that they do not share a batch
	}
	return release
}
