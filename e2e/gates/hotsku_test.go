package gates

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
	"shopping-cart/payment/simulator"
	"shopping-cart/saga"
)

// Gate 8: a hot SKU. Many buyers want the few that there are, all at once over two replicas: one piece or some, alone or
// beside other lines, and some from two tabs. Exactly the stock is sold; everybody else is told so, and keeps their cart.
// This is its full length.
//
//	go test ./e2e/gates -run 'TestHotSKU$' -seed=7 -v

const (
	wanting  = 128
	hotStock = 50
)

// wanter is a buyer of the hot SKU.
type wanter struct {
	token string
	lines []wanted
	hot   int64 // pieces of the hot SKU among them
	cart  harness.CartView
	tabs  []*harness.Site // the replicas at which they check out, all at once
}

type wanted struct {
	sku      string
	quantity int64
}

// sold is what the orders must come to.
type sold struct {
	pieces map[string]int64
	total  int64
	orders []uuid.UUID
	least  int64 // what the most modest of those who were refused wanted of the hot SKU
}

func TestHotSKU(t *testing.T) {
	t.Parallel()
	luck := rand.New(rand.NewPCG(harness.SeedOf(t), wanting))
	f := harness.NewFleet(t, 2, pgtest.New(t), "PAYMENT_TIMEOUT=10s")
	s := f.Up(t)
	shelf := []string{s.AddProduct(t, 700), s.AddProduct(t, 300), s.AddProduct(t, 50)}
	hot, plenty := shelf[0], shelf[1] // of the third nobody counts the stock
	s.SetStock(t, hot, hotStock)
	s.SetStock(t, plenty, 2*wanting)

	buyers := make([]*wanter, wanting)
	var filling errgroup.Group
	filling.SetLimit(16)
	for i := range buyers {
		buyers[i] = newWanter(t, f, luck, shelf)
		filling.Go(func() error { return buyers[i].fills(t.Context(), f) })
	}
	require.NoError(t, filling.Wait())

	all := sold{pieces: map[string]int64{}, least: hotStock + 1}
	for i, tabs := range rush(t, buyers) {
		buyers[i].cameAway(t, s, tabs, &all)
	}
	left := hotStock - all.pieces[hot]
	t.Logf("%d buyers wanted %d pieces of %d: %d orders, %d pieces sold, %d left, the next wants %d; %d pence taken in",
		wanting, wants(buyers), hotStock, len(all.orders), all.pieces[hot], left, all.least, all.total)
	require.GreaterOrEqual(t, left, int64(0), "oversold")
	require.Less(t, left, all.least, "somebody was refused what there is")
	require.Equal(t, harness.StockView{SKU: hot, OnHand: hotStock, Reserved: all.pieces[hot], Available: left}, s.Stock(t, hot))
	require.Equal(t, all.pieces[plenty], s.Stock(t, plenty).Reserved, "who was refused gave back the rest")
	s.RequirePromises(t)
	require.Equal(t, all.total, taken(t, s))
	for _, id := range all.orders {
		done := s.Send(t, http.MethodPost, "/v1/orders/"+id.String()+"/fulfil", s.Admin, nil, "Idempotency-Key", uuid.NewString())
		require.Equal(t, order.StatusFulfilled, harness.As[harness.OrderView](t, done, http.StatusOK).Status)
	}
	require.Equal(t, harness.StockView{SKU: hot, OnHand: left, Available: left}, s.Stock(t, hot), "nothing stays reserved")
}

// newWanter decides what a buyer wants, and from where.
func newWanter(t *testing.T, f *harness.Fleet, luck *rand.Rand, shelf []string) *wanter {
	b := &wanter{token: harness.Mint(t, harness.Settings(), uuid.NewString()), hot: max(1, luck.Int64N(6)-2)}
	b.lines = []wanted{{shelf[0], b.hot}}
	if luck.IntN(3) == 0 {
		b.lines = append(b.lines, wanted{shelf[1], 1 + luck.Int64N(2)})
	}
	if luck.IntN(3) == 0 {
		b.lines = append(b.lines, wanted{shelf[2], 1})
	}
	luck.Shuffle(len(b.lines), func(i, j int) { b.lines[i], b.lines[j] = b.lines[j], b.lines[i] })
	for n, first := 1+luck.IntN(4)/3, luck.IntN(len(f.Replicas)); len(b.tabs) < n; first++ {
		b.tabs = append(b.tabs, f.Replicas[first%len(f.Replicas)].Up(t))
	}
	return b
}

// wants is how many pieces of the hot SKU buyers want together.
func wants(buyers []*wanter) (pieces int64) {
	for _, b := range buyers {
		pieces += b.hot
	}
	return pieces
}

// rush checks out in all tabs at once, and gives what each buyer was told in theirs.
func rush(t *testing.T, buyers []*wanter) [][]harness.Answer {
	t.Helper()
	var at []int // whose tab it is
	var tabs []harness.Shopper
	for i, b := range buyers {
		for _, replica := range b.tabs {
			at, tabs = append(at, i), append(tabs, harness.Shopper{Site: replica, Token: b.token})
		}
	}
	heard := make([][]harness.Answer, len(buyers))
	for n, a := range harness.RunTogether(t, len(tabs), func(n int) (harness.Answer, error) {
		return tabs[n].TryCheckOut(t, buyers[at[n]].cart, uuid.NewString(), harness.Waiting)
	}) {
		heard[at[n]] = append(heard[at[n]], a)
	}
	return heard
}

func (b *wanter) fills(ctx context.Context, f *harness.Fleet) (err error) {
	b.cart, err = harness.RetryAs[harness.CartView](ctx, f, http.MethodPost, "/v1/carts", b.token, map[string]any{"currency": "GBP"}, "Idempotency-Key", "open")
	for i, l := range b.lines {
		if err != nil {
			break
		}
		b.cart, err = harness.RetryAs[harness.CartView](ctx, f, http.MethodPost, "/v1/carts/"+b.cart.ID.String()+"/items", b.token,
			map[string]any{"sku": l.sku, "quantity": l.quantity}, "Idempotency-Key", strconv.Itoa(i))
	}
	return err
}

// cameAway checks what a buyer was told in each tab, and what they have now.
func (b *wanter) cameAway(t *testing.T, s *harness.Site, tabs []harness.Answer, all *sold) {
	t.Helper()
	me := harness.Shopper{Site: s, Token: b.token}
	orders := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", b.token).Data
	stale := harness.WithStatus(tabs, http.StatusPreconditionFailed)
	require.Len(t, stale, len(tabs)-1, "one tab is heard")
	for _, a := range stale {
		harness.RequireProblem(t, a, http.StatusPreconditionFailed, "version_mismatch")
	}
	if out := harness.WithStatus(tabs, http.StatusConflict); len(out) > 0 {
		p := harness.RequireProblem(t, out[0], http.StatusConflict, "out_of_stock")
		require.Len(t, p.Lines, 1)
		require.Equal(t, b.hot, p.Lines[0].Requested)
		require.Less(t, p.Lines[0].Available, b.hot)
		require.Equal(t, saga.Failed, me.Checkout(t, p.CheckoutID).Status)
		me.RequireReopened(t, b.cart, me.Cart(t, b.cart.ID))
		require.Empty(t, orders)
		all.least = min(all.least, b.hot)
		return
	}
	won := harness.WithStatus(tabs, http.StatusCreated)
	require.Len(t, won, 1, "%s", tabs[0].Text)
	done := harness.As[harness.CheckoutView](t, won[0], http.StatusCreated)
	require.Equal(t, b.cart.Total, done.Total)
	require.Equal(t, cart.StatusCheckedOut, me.Cart(t, b.cart.ID).Status)
	require.Len(t, orders, 1)
	require.Equal(t, order.StatusConfirmed, orders[0].Status)
	require.Equal(t, b.cart.Total, orders[0].Total)
	require.Len(t, orders[0].Items, len(b.lines))
	for i, l := range b.lines {
		require.Equal(t, l, wanted{orders[0].Items[i].SKU, orders[0].Items[i].Quantity})
		all.pieces[l.sku] += l.quantity
	}
	all.orders, all.total = append(all.orders, orders[0].ID), all.total+orders[0].Total.Amount
}

// taken is what the provider took in, less what it gave back, by its own book.
func taken(t *testing.T, s *harness.Site) (total int64) {
	t.Helper()
	for path := "/simulator/ledger?limit=100"; ; {
		page := harness.Get[harness.List[simulator.Entry]](t, s, path, s.Admin)
		for _, e := range page.Data {
			switch e.Operation {
			case "capture":
				total += e.Amount
			case "refund":
				total -= e.Amount
			}
		}
		if page.NextCursor == nil {
			return total
		}
		path = "/simulator/ledger?limit=100&cursor=" + url.QueryEscape(*page.NextCursor)
	}
}
