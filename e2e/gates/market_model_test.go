package gates

import (
	"context"
	"maps"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/payment/simulator"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// What a shop with one shopper must show, in few words: what market_test.go holds every answer against.

// market is the model of a shop with one shopper. Amounts are pence.
type market struct {
	t           drawn
	site        *harness.Site
	ada         harness.Shopper
	pricing     string // the token of the pricing service
	skus        []string
	products    map[string]money.Amount
	stock       map[string]*modelStock // of the SKUs that are tracked
	carts       []*modelCart           // those that are open
	orders      []*modelOrder          // those that were confirmed
	unconfirmed int                    // orders whose payment failed
}

type modelStock struct{ onHand, reserved int64 }

type modelLine struct{ quantity, price int64 }

type modelLines map[string]modelLine // by SKU

// modelCart is an open cart.
type modelCart struct {
	harness.Shopper
	id          uuid.UUID
	version     int64
	lines       modelLines
	adjustments []int64
	pricedFor   modelLines // the lines for which the adjustments were set; nil where that was done for another cart
}

// modelOrder is an order that was confirmed.
type modelOrder struct {
	id, payment uuid.UUID
	method      string
	lines       modelLines
	adjustments []int64
	total       int64
	refunded    int64 // by whomever
	byHand      int64 // of that, what the provider did not refund
	status      order.Status
}

// stale: adjustments hold for the lines that they were set for.
func (c *modelCart) stale() bool {
	return len(c.adjustments) > 0 && (c.pricedFor == nil || !maps.Equal(c.lines, c.pricedFor))
}

func (o *modelOrder) left() int64 { return o.total - o.refunded }

func (l modelLines) total() (sum int64) {
	for _, line := range l {
		sum += line.quantity * line.price
	}
	return sum
}

func totalOf(amounts []int64) (sum int64) {
	for _, a := range amounts {
		sum += a
	}
	return sum
}

func newMarket(t drawn, s *harness.Site) *market {
	m := &market{
		t: t, site: s, ada: s.Shopper(t), pricing: harness.Mint(t, s.Settings, "pricing service", web.ScopeCartsPrice),
		products: map[string]money.Amount{}, stock: map[string]*modelStock{},
	}
	for range 3 {
		sku := s.AddProduct(t, 100)
		m.skus, m.products[sku] = append(m.skus, sku), money.Of(100, "GBP")
	}
	for _, sku := range m.tracked() {
		s.SetStock(t, sku, 6)
		m.stock[sku] = &modelStock{onHand: 6}
	}
	return m
}

func (m *market) tracked() []string { return m.skus[:2] }

func draw[V any](m *market, what string, from ...V) V {
	return rapid.SampledFrom(from).Draw(m.t.rapid, what)
}

func (m *market) sku() string { return m.skus[rapid.IntRange(0, len(m.skus)-1).Draw(m.t.rapid, "sku")] }

func (m *market) quantity() int64 { return rapid.Int64Range(1, 3).Draw(m.t.rapid, "quantity") }

// cart is one of at most two.
func (m *market) cart() *modelCart {
	i := rapid.IntRange(0, 1).Draw(m.t.rapid, "cart")
	if i >= len(m.carts) {
		i, m.carts = len(m.carts), append(m.carts, m.opens(m.ada))
	}
	return m.carts[i]
}

func (m *market) opens(by harness.Shopper) *modelCart {
	v := by.Fill(m.t)
	return &modelCart{Shopper: by, id: v.ID, version: v.Version, lines: modelLines{}, adjustments: []int64{}}
}

// order is one of those that were confirmed. Where there is none, somebody buys first.
func (m *market) order() *modelOrder {
	if len(m.orders) == 0 {
		m.buys(m.cart())
		m.agrees() // the shop has heard of it by then
	}
	if len(m.orders) == 0 {
		m.t.rapid.Skip("there is no order")
	}
	return m.orders[rapid.IntRange(0, len(m.orders)-1).Draw(m.t.rapid, "order")]
}

// displayed is what a cart or an order shows.
type displayed struct {
	Version     int64 // of carts
	Lines       modelLines
	Adjustments []int64
	Total       int64
	Stale       bool         // of carts
	Status      order.Status // of orders
	Refunded    int64        // of orders
}

// agrees holds what carts, orders and stock show against the model. An order hears of a refund a moment later.
func (m *market) agrees() {
	carts, orders := map[uuid.UUID]displayed{}, map[uuid.UUID]displayed{}
	for _, c := range m.carts {
		total := max(0, c.lines.total()+totalOf(c.adjustments))
		carts[c.id] = displayed{Version: c.version, Lines: c.lines, Adjustments: c.adjustments, Total: total, Stale: c.stale()}
	}
	require.Equal(m.t, carts, m.shownCarts())
	for _, o := range m.orders {
		orders[o.id] = displayed{Lines: o.lines, Adjustments: o.adjustments, Total: o.total, Status: o.status, Refunded: o.refunded}
	}
	var is map[uuid.UUID]displayed
	ctx, cancel := context.WithTimeout(m.t.Context(), harness.Patience)
	defer cancel()
	harness.Eventually(ctx, func() bool {
		is = m.shownOrders()
		return assert.ObjectsAreEqual(orders, is)
	})
	require.Equal(m.t, orders, is)
	for sku, s := range m.stock {
		free := s.onHand - s.reserved
		require.Equal(m.t, harness.StockView{SKU: sku, OnHand: s.onHand, Reserved: s.reserved, Available: max(0, free), Short: max(0, -free)}, m.site.Stock(m.t, sku))
	}
}

func (m *market) shownCarts() map[uuid.UUID]displayed {
	all := map[uuid.UUID]displayed{}
	for _, v := range harness.Get[harness.List[harness.CartView]](m.t, m.site, "/v1/carts?limit=100", m.ada.Token).Data {
		is := displayed{Version: v.Version, Lines: modelLines{}, Adjustments: []int64{}, Total: v.Total.Amount, Stale: v.AdjustmentsStale}
		for _, item := range v.Items {
			is.Lines[item.SKU] = modelLine{item.Quantity, item.UnitPrice.Amount}
		}
		for _, a := range v.Adjustments {
			is.Adjustments = append(is.Adjustments, a.Amount.Amount)
		}
		if v.Status == cart.StatusOpen {
			all[v.ID] = is
		}
	}
	return all
}

// shownOrders are the orders that are listed. Each of them adds up.
func (m *market) shownOrders() map[uuid.UUID]displayed {
	all := map[uuid.UUID]displayed{}
	for _, v := range harness.Get[harness.List[harness.OrderView]](m.t, m.site, "/v1/orders?limit=100", m.ada.Token).Data {
		is := displayed{Lines: modelLines{}, Adjustments: []int64{}, Total: v.Total.Amount, Status: v.Status, Refunded: v.Refunded.Amount}
		for _, item := range v.Items {
			is.Lines[item.SKU] = modelLine{item.Quantity, item.UnitPrice.Amount}
		}
		for _, a := range v.Adjustments {
			is.Adjustments = append(is.Adjustments, a.Amount.Amount)
		}
		require.Equal(m.t, is.Lines.total()+totalOf(is.Adjustments), is.Total)
		require.GreaterOrEqual(m.t, is.Total, int64(0))
		all[v.ID] = is
	}
	return all
}

// audits holds what the payments and the provider's ledger say against the orders.
func (m *market) audits() {
	for _, o := range m.orders {
		if o.total == 0 {
			continue
		}
		p := m.site.Payment(m.t, o.payment)
		require.Equal(m.t, [2]int64{o.total, o.refunded}, [2]int64{p.Captured.Amount, p.Refunded.Amount})
		moved := map[string]int64{}
		for _, e := range harness.Get[harness.List[simulator.Entry]](m.t, m.site, "/simulator/ledger?limit=100&reference="+o.payment.String(), m.site.Admin).Data {
			moved[e.Operation] += e.Amount
		}
		require.Equal(m.t, [2]int64{o.total, o.refunded - o.byHand}, [2]int64{moved["capture"], moved["refund"]})
	}
	all := harness.Get[harness.List[harness.OrderView]](m.t, m.site, "/v1/orders?limit=100&include=unconfirmed", m.ada.Token).Data
	require.Len(m.t, all, len(m.orders)+m.unconfirmed)
}
