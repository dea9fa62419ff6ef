package gates

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/platform/money"
)

// TestAnySequenceOfRequestsKeepsMoneyAndGoods sends random sequences of the requests of a shopper, a pricing service, an operator and
// somebody at the payment provider. A model says what each one is answered, and what is there afterwards. For longer:
//
//	go test ./e2e/gates -run 'TestAnySequenceOfRequestsKeepsMoneyAndGoods$' -rapid.checks=500 -v
func TestAnySequenceOfRequestsKeepsMoneyAndGoods(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	rapid.Check(t, func(rt *rapid.T) {
		m := newMarket(drawn{t, rt}, s)
		rt.Repeat(map[string]func(*rapid.T){
			"":                     func(*rapid.T) { m.agrees() },
			"add to a cart":        func(*rapid.T) { m.adds(m.cart()) },
			"set a quantity":       func(*rapid.T) { m.setsQuantity(m.cart()) },
			"remove a line":        func(*rapid.T) { m.removes(m.cart()) },
			"set adjustments":      func(*rapid.T) { m.adjusts(m.cart()) },
			"reprice":              func(*rapid.T) { m.reprices(m.cart()) },
			"merge a guest's cart": func(*rapid.T) { m.merges(m.cart()) },
			"change a product":     func(*rapid.T) { m.changesProduct() },
			"check out":            func(*rapid.T) { m.checksOut(m.cart()) },
			"buy":                  func(*rapid.T) { m.buys(m.cart()) },
			"refund":               func(*rapid.T) { m.refunds(m.order()) },
			"refund elsewhere":     func(*rapid.T) { m.refundsElsewhere(m.order()) },
			"fulfil":               func(*rapid.T) { m.fulfils(m.order()) },
			"cancel":               func(*rapid.T) { m.cancels(m.order()) },
			"adjust the stock":     func(*rapid.T) { m.adjustsStock() },
			"count the stock":      func(*rapid.T) { m.countsStock() },
		})
		m.audits()
	})
	require.Empty(t, s.Reconcile(t, http.MethodGet).Data)
}

// drawn is a test whose failures rapid hears of, so that it looks for a shorter sequence.
type drawn struct {
	*testing.T
	rapid *rapid.T
}

func (d drawn) Helper() {}

func (d drawn) Errorf(format string, args ...any) { d.rapid.Errorf(format, args...) }

func (d drawn) Fatalf(format string, args ...any) { d.rapid.Fatalf(format, args...) }

func (d drawn) FailNow() { d.rapid.FailNow() }

// answers checks that a request was refused with that code, or done where it is empty.
func (m *market) answers(a harness.Answer, code string) {
	was := ""
	if a.StatusCode >= http.StatusBadRequest {
		was = harness.As[harness.Problem](m.t, a, a.StatusCode).Code
	}
	require.Equal(m.t, code, was, "%s %s: %s", a.Request.Method, a.Request.URL.Path, a.Text)
}

// edits sends a change of a cart, and reports whether it was made, as it must be where the code is empty.
func (m *market) edits(c *modelCart, code, method, path, token string, body any, headers ...string) bool {
	a := m.site.Send(m.t, method, "/v1/carts/"+c.id.String()+path, token, body, headers...)
	m.answers(a, code)
	if code == "" {
		c.version = harness.As[harness.CartView](m.t, a, http.StatusOK).Version
	}
	return code == ""
}

func (m *market) adds(c *modelCart) {
	sku, quantity, code := m.sku(), m.quantity(), ""
	product, line := m.products[sku], c.lines[sku]
	if line.quantity == 0 {
		line.price = product.Amount
	}
	if product.Currency != "GBP" {
		code = "currency_mismatch"
	}
	if m.edits(c, code, http.MethodPost, "/items", c.Token, map[string]any{"sku": sku, "quantity": quantity}) {
		c.lines[sku] = modelLine{line.quantity + quantity, line.price}
	}
}

// missing is the refusal of a change to a line that is not there.
func (c *modelCart) missing(sku string) string {
	if _, there := c.lines[sku]; there {
		return ""
	}
	return "no_such_line"
}

func (m *market) setsQuantity(c *modelCart) {
	sku, quantity := m.sku(), m.quantity()
	if m.edits(c, c.missing(sku), http.MethodPatch, "/items/"+harness.Escape(sku), c.Token, map[string]any{"quantity": quantity}) {
		c.lines[sku] = modelLine{quantity, c.lines[sku].price}
	}
}

func (m *market) removes(c *modelCart) {
	sku := m.sku()
	if m.edits(c, c.missing(sku), http.MethodDelete, "/items/"+harness.Escape(sku), c.Token, nil) {
		delete(c.lines, sku)
	}
}

// adjusts sets up to two adjustments, with If-Match and without.
func (m *market) adjusts(c *modelCart) {
	list, lines := []int64{}, c.lines.total()
	for range rapid.IntRange(0, 2).Draw(m.t.rapid, "adjustments") {
		list = append(list, draw(m, "amount", 20, -50, -lines, -lines-1))
	}
	version, code := draw(m, "version", 0, c.version, c.version+1), ""
	switch {
	case version > c.version:
		code = "version_mismatch"
	case lines+totalOf(list) < 0:
		code = "negative_total"
	}
	m.setsAdjustments(c, code, list, version)
}

func (m *market) setsAdjustments(c *modelCart, code string, list []int64, version int64) {
	body, headers := []any{}, []string(nil)
	for _, amount := range list {
		body = append(body, map[string]any{"code": "any", "label": "Any", "amount": harness.GBP(amount)})
	}
	if version != 0 {
		headers = []string{"If-Match", harness.Tag(version)}
	}
	if m.edits(c, code, http.MethodPut, "/adjustments", m.pricing, map[string]any{"adjustments": body}, headers...) {
		c.adjustments, c.pricedFor = list, maps.Clone(c.lines)
	}
}

// foreign are the SKUs of a cart that are sold in another currency now.
func (m *market) foreign(c *modelCart) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(c.lines)), func(sku string) bool { return m.products[sku].Currency == "GBP" })
}

// today are the lines of a cart at today's prices.
func (m *market) today(c *modelCart) modelLines {
	lines := modelLines{}
	for sku, line := range c.lines {
		lines[sku] = modelLine{line.quantity, m.products[sku].Amount}
	}
	return lines
}

func (m *market) reprices(c *modelCart) {
	code := ""
	if len(m.foreign(c)) > 0 {
		code = "currency_mismatch"
	}
	if m.edits(c, code, http.MethodPost, "/reprice", c.Token, nil) {
		c.lines = m.today(c)
	}
}

// merges fills the cart of a guest, who signs in then.
func (m *market) merges(into *modelCart) {
	guest := m.opens(m.site.Shopper(m.t))
	m.adds(guest)
	m.adjusts(guest)
	m.edits(into, "", http.MethodPost, "/merge", into.Token, map[string]any{"source_cart_id": guest.id, "source_token": guest.Token})
	for sku, line := range guest.lines {
		if there, ok := into.lines[sku]; ok {
			line = modelLine{there.quantity + line.quantity, there.price}
		}
		into.lines[sku] = line
	}
	if len(guest.adjustments) > 0 {
		into.adjustments, into.pricedFor = slices.Concat(into.adjustments, guest.adjustments), nil
	}
}

func (m *market) changesProduct() {
	sku, price := m.sku(), money.Of(draw[int64](m, "price", 0, 1, 100, 250), draw(m, "currency", "GBP", "GBP", "EUR"))
	a := m.site.Send(m.t, http.MethodPut, "/v1/products/"+harness.Escape(sku), m.site.Admin, map[string]any{"name": "Mug", "price": price})
	m.answers(a, "")
	m.products[sku] = price
}

// buys does what the refusals of a checkout tell a client to do, and checks out.
func (m *market) buys(c *modelCart) {
	for _, sku := range m.foreign(c) {
		m.edits(c, "", http.MethodDelete, "/items/"+harness.Escape(sku), c.Token, nil)
		delete(c.lines, sku)
	}
	m.adds(c)
	m.reprices(c)
	m.setsAdjustments(c, "", []int64{draw(m, "amount", 20, 20, -c.lines.total())}, c.version)
	m.checksOut(c)
}

// endings are the payment methods, and the code with which a checkout ends.
var endings = map[string]string{
	"sim_ok": "", "sim_declined": "payment_declined", "sim_capture_fails": "capture_refused",
	"sim_refunded_elsewhere": "", "sim_disputed": "", "sim_refund_refused": "",
}

func (m *market) checksOut(c *modelCart) {
	method := draw(m, "method", append(slices.Sorted(maps.Keys(endings)), "sim_ok", "")...)
	refusal, sealed := m.refusal(c, method)
	a := c.CheckOut(m.t, harness.CartView{ID: c.id, Version: c.version}, method, harness.Waiting)
	m.answers(a, refusal)
	switch {
	case refusal == "":
		m.sold(c, harness.As[harness.CheckoutView](m.t, a, http.StatusCreated), method)
	case sealed:
		c.version += 2 // sealed and reopened
	}
}

// refusal is why a checkout fails. It is empty where it completes. sealed: it began.
func (m *market) refusal(c *modelCart, method string) (code string, sealed bool) {
	total := c.lines.total() + totalOf(c.adjustments)
	switch {
	case len(c.lines) == 0:
		return "cart_empty", false
	case len(m.foreign(c)) > 0:
		return "currency_mismatch", false
	case !maps.Equal(c.lines, m.today(c)):
		return "price_changed", false
	case c.stale():
		return "adjustments_stale", false
	case total > 0 && method == "":
		return "validation_failed", false
	}
	for sku, stock := range m.stock {
		if c.lines[sku].quantity > max(0, stock.onHand-stock.reserved) {
			return "out_of_stock", true
		}
	}
	if total > 0 && endings[method] != "" {
		m.unconfirmed++
		return endings[method], true
	}
	return "", true
}

func (m *market) sold(c *modelCart, v harness.CheckoutView, method string) {
	o := &modelOrder{id: v.OrderID, method: method, lines: c.lines, adjustments: c.adjustments, status: order.StatusConfirmed}
	if o.total = c.lines.total() + totalOf(c.adjustments); o.total > 0 {
		o.payment = *v.PaymentID
	}
	if method == "sim_refunded_elsewhere" || method == "sim_disputed" {
		o.refunded = o.total
	}
	m.holds(o, 1)
	m.orders = append(m.orders, o)
	m.carts = slices.DeleteFunc(m.carts, func(other *modelCart) bool { return other == c })
}

// holds reserves what an order holds, or releases it for -1.
func (m *market) holds(o *modelOrder, sign int64) {
	for sku, stock := range m.stock {
		stock.reserved += sign * o.lines[sku].quantity
	}
}

// refunds asks for a refund of a part, of all that is left, or of the amount null.
func (m *market) refunds(o *modelOrder) {
	kind, pence := draw(m, "amount", "all", "part", "null"), o.left()
	body, code := map[string]any{"reason": "Broken."}, ""
	switch kind {
	case "part":
		pence = rapid.Int64Range(1, o.total+1).Draw(m.t.rapid, "pence")
		body["amount"] = harness.GBP(pence)
	case "null":
		body["amount"] = nil
	}
	switch {
	case kind == "null":
		code = "validation_failed"
	case o.total == 0:
		code = "not_captured"
	case o.left() == 0 || pence > o.left():
		code = "exceeds_captured"
	case o.method == "sim_refund_refused":
		code = "refund_failed"
	default:
		o.refunded += pence
	}
	path := "/v1/orders/" + o.id.String() + "/refunds"
	m.answers(m.site.Send(m.t, http.MethodPost, path, m.site.Admin, body, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting), code)
}

// refundsElsewhere is a refund in the provider's dashboard, or a lost dispute. A shopper may cancel before the shop hears of it.
func (m *market) refundsElsewhere(o *modelOrder) {
	if o.total == 0 || o.byHand > 0 {
		m.t.rapid.Skip("no payment is there to refund")
	}
	kind, pence, code := draw(m, "kind", "refund", "dispute"), rapid.Int64Range(1, o.total+1).Draw(m.t.rapid, "pence"), ""
	if pence > o.left() {
		code = "exceeds_captured"
	} else {
		o.refunded += pence
	}
	m.answers(m.atProvider(o, kind, map[string]any{"amount": harness.GBP(pence)}), code)
	if draw(m, "then cancel", false, false, true) {
		m.cancels(o)
	}
}

func (m *market) atProvider(o *modelOrder, kind string, body any) harness.Answer {
	return m.site.Send(m.t, http.MethodPost, "/simulator/payments/"+o.payment.String()+"/"+kind, m.site.Admin, body)
}

func (m *market) fulfils(o *modelOrder) {
	code := ""
	switch {
	case o.status == order.StatusCancelled:
		code = "order_cancelled"
	case o.status == order.StatusFulfilled:
		code = "already_fulfilled"
	case o.total > 0 && o.left() == 0:
		code = "order_refunded"
	case slices.ContainsFunc(m.tracked(), func(sku string) bool { return m.stock[sku].onHand < o.lines[sku].quantity }):
		code = "stock_short"
	}
	if m.answers(m.site.Fulfil(m.t, o.id), code); code != "" {
		return
	}
	o.status = order.StatusFulfilled
	for sku, stock := range m.stock {
		stock.onHand -= o.lines[sku].quantity
	}
	m.holds(o, -1)
}

func (m *market) cancels(o *modelOrder) {
	a := m.ada.CancelOrder(m.t, o.id)
	if o.status == order.StatusFulfilled {
		m.answers(a, "already_fulfilled")
		return
	}
	m.answers(a, "")
	if o.status == order.StatusCancelled {
		return
	}
	if o.method == "sim_refund_refused" && o.left() > 0 {
		m.resolves(o)
	}
	o.status, o.refunded = order.StatusCancelled, o.total
	m.holds(o, -1)
}

// resolves is an operator who minds a refund that the provider refuses for good: it is made in the dashboard, or by other means.
func (m *market) resolves(o *modelOrder) {
	id := m.site.CancellationOf(m.t, o.id)
	m.site.AwaitAttention(m.t, id)
	if draw(m, "resolve", "dashboard", "by hand") == "dashboard" {
		m.answers(m.atProvider(o, "refund", nil), "")
		harness.Until(m.t, "it is cancelled", func() bool {
			m.site.Operate(m.t, id, "retry", nil)
			return m.site.Order(m.t, o.id).Status == order.StatusCancelled
		})
		return
	}
	o.byHand = o.left()
	body := map[string]any{"outcome": "refunded", "reason": "Transferred."}
	harness.Until(m.t, "the word counts", func() bool { return m.site.Operate(m.t, id, "settle", body).StatusCode == http.StatusAccepted })
}

func (m *market) adjustsStock() {
	sku, delta, code := m.skus[draw(m, "sku", 0, 1)], draw[int64](m, "delta", 1, 5, -1, -5), ""
	if stock := m.stock[sku]; stock.onHand+delta < 0 {
		code = "below_zero"
	} else {
		stock.onHand += delta
	}
	m.answers(m.site.AdjustStock(m.t, sku, delta), code)
}

func (m *market) countsStock() {
	sku, onHand, code := m.skus[draw(m, "sku", 0, 1)], rapid.Int64Range(0, 6).Draw(m.t.rapid, "on hand"), ""
	if stock := m.stock[sku]; onHand < stock.reserved && onHand < stock.onHand {
		code = "below_reserved"
	} else {
		stock.onHand = onHand
	}
	m.answers(m.site.Send(m.t, http.MethodPut, "/v1/stock/"+harness.Escape(sku), m.site.Admin, map[string]any{"on_hand": onHand}), code)
}
