package crash

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// scenario is what happens in the shop while the program dies, and how it ends, whenever that was.
type scenario struct {
	name        string
	method      string
	settings    []string
	compensates bool                    // then it dies a second time, anywhere on the way back
	before      func(*testing.T, *sale) // until then nobody dies
	act         func(*testing.T, *sale) // every request is repeated until it is answered
	check       func(*testing.T, *sale)
	races       bool // which places are reached is left to chance
}

// sale is one sale of one unit, of five, to one shopper.
type sale struct {
	*victim
	ctx      context.Context
	method   string
	ada      harness.Shopper
	sku      string
	cart     harness.CartView
	key      string
	checkout uuid.UUID
	order    uuid.UUID
	payment  uuid.UUID
	other    *sale // of another cart of the shopper
	late     bool  // to be cancelled, it was said
}

var scenarios = []scenario{
	{name: "paid", method: "sim_ok", act: checkOut, check: paid},
	{name: "paid, and the shopper is gone", method: "sim_ok", act: checkOutOnce, check: paidOrNothing},
	{name: "nothing to pay", method: "sim_declined", before: makeFree, act: checkOut, check: free},
	{name: "declined", method: "sim_declined", act: checkOut, check: failed("payment_declined"), compensates: true},
	{name: "out of stock", method: "sim_ok", before: sellOut, act: checkOut, check: notSold, compensates: true},
	{name: "capture refused", method: "sim_capture_fails", act: checkOut, check: failed("capture_refused", "authorize", "void"), compensates: true},
	{name: "authorization expires", method: "sim_authorization_expires", act: checkOut, check: failed("capture_refused", "authorize", "void"), compensates: true},
	{name: "answers lost", method: "sim_timeout_applied", act: checkOut, check: paid},
	{name: "calls lost", method: "sim_timeout_lost", act: checkOut, check: paid},
	{name: "flaky", method: "sim_flaky", act: checkOut, check: paid},
	{name: "rate limited", method: "sim_rate_limited", act: checkOut, check: paid},
	{name: "approved at the bank", method: "sim_requires_action", act: inTurn(checkOut, answerAtBank("approve")), check: paid},
	{name: "approved, webhooks twice", method: "sim_duplicate_webhooks", act: inTurn(checkOut, answerAtBank("approve")), check: paid},
	{name: "denied at the bank", method: "sim_requires_action", act: inTurn(checkOut, answerAtBank("deny")), check: failed("authentication_failed"), compensates: true},
	{name: "never at the bank", method: "sim_requires_action", settings: []string{"PAYMENT_ACTION_TTL=1500ms"}, act: checkOut, check: failed("authentication_expired"), compensates: true},
	{name: "must not wait at the bank", method: "sim_requires_action", settings: []string{"LIMITS=true", "WAITING_CHECKOUTS_PER_GUEST=1", "LIMIT_READS=none",
		"LIMIT_EDITS=none", "LIMIT_CHECKOUTS=none", "LIMIT_SESSIONS=none", "LIMIT_OPERATORS=none"},
		before: fillAnother, act: whileAnotherWaits(checkOut), check: failed("too_many_waiting"), compensates: true},
	{name: "cancelled at the bank", method: "sim_requires_action", act: inTurn(checkOut, cancel), check: cancelled, compensates: true},
	{name: "compensated by an operator", method: "sim_requires_action", act: inTurn(checkOut, compensate), check: cancelled, compensates: true},
	{name: "cancelled at once", method: "sim_ok", act: cancelAtOnce, check: cancelledUnlessLate, compensates: true, races: true},
	{name: "cancelled in doubt", method: "sim_timeout_applied", settings: []string{"PAYMENT_TIMEOUT=600ms"}, act: cancelAtOnce,
		check: cancelledUnlessLate, compensates: true, races: true},
	{name: "capture refused, void fails", method: "sim_capture_fails", before: failVoids, act: checkOut,
		check: failed("capture_refused", "authorize", "void"), compensates: true},
	{name: "part refunded", method: "sim_ok", before: buy, act: refund, check: partlyRefunded},
	{name: "part refunded, flaky", method: "sim_refund_flaky", before: buy, act: refund, check: partlyRefunded},
	{name: "part refunded, answer lost", method: "sim_timeout_applied", before: buy, act: refund, check: partlyRefunded},
	{name: "part refunded, call lost", method: "sim_timeout_lost", before: buy, act: refund, check: partlyRefunded},
	{name: "order cancelled", method: "sim_ok", before: buy, act: cancelOrder, check: fullyRefunded, compensates: true},
	{name: "order cancelled, flaky", method: "sim_refund_flaky", before: buy, act: cancelOrder, check: fullyRefunded},
	{name: "order cancelled, answer lost", method: "sim_timeout_applied", before: buy, act: cancelOrder, check: fullyRefunded, compensates: true},
	{name: "order cancelled, call lost", method: "sim_timeout_lost", before: buy, act: cancelOrder, check: fullyRefunded},
	{name: "order cancelled after a dashboard refund", method: "sim_ok", before: buy, act: inTurn(refundElsewhere, cancelOrder), check: fullyRefunded},
	{name: "paid, and lost to a dispute", method: "sim_disputed", act: checkOut, check: lostToDispute},
	{name: "refund refused, resolved by an operator", method: "sim_refund_refused", before: buy,
		act: inTurn(cancelOrder, resolveByHand), check: resolvedByHand},
}

func inTurn(all ...func(*testing.T, *sale)) func(*testing.T, *sale) {
	return func(t *testing.T, d *sale) {
		for _, each := range all {
			each(t, d)
		}
	}
}

// newSale fills a cart.
func newSale(t *testing.T, m *victim, method string) *sale {
	t.Helper()
	d := &sale{victim: m, method: method, key: uuid.NewString()}
	var cancel context.CancelFunc
	d.ctx, cancel = context.WithTimeout(m.life, 2*harness.Patience)
	t.Cleanup(cancel)
	s := m.Up(t)
	d.ada, d.sku = s.Shopper(t), s.AddProduct(t, 1250)
	s.SetStock(t, d.sku, 5)
	d.cart = d.ada.Fill(t, d.sku)
	return d
}

// post repeats a POST until it is answered.
func (d *sale) post(t *testing.T, path, token string, body any, headers ...string) harness.Answer {
	t.Helper()
	a, err := d.Retry(d.ctx, http.MethodPost, path, token, body, headers...)
	require.NoError(t, err, path)
	return a
}

func (d *sale) headers(more ...string) []string {
	return append([]string{"Idempotency-Key", d.key, "If-Match", harness.Tag(d.cart.Version), "Prefer", harness.Waiting}, more...)
}

func checkOut(t *testing.T, d *sale) {
	a := d.post(t, harness.CheckoutPath(d.cart), d.ada.Token, harness.Paying(d.method), d.headers()...)
	member := map[int]string{http.StatusCreated: "id", http.StatusAccepted: "id", http.StatusPaymentRequired: "checkout_id",
		http.StatusConflict: "checkout_id"}[a.StatusCode]
	require.NotEmpty(t, member, string(a.Text))
	d.learn(t, harness.As[map[string]any](t, a, a.StatusCode)[member].(string))
}

// learn reads what belongs to a checkout.
func (d *sale) learn(t *testing.T, checkout string) {
	t.Helper()
	c, err := harness.RetryAs[harness.CheckoutView](d.ctx, d, http.MethodGet, "/v1/checkouts/"+checkout, d.ada.Token, nil)
	require.NoError(t, err)
	d.checkout, d.order = c.ID, c.OrderID
	if c.PaymentID != nil {
		d.payment = *c.PaymentID
	}
}

// checkOutOnce is a shopper who does not come back.
func checkOutOnce(t *testing.T, d *sale) {
	_, _ = d.Up(t).Ask(t.Context(), http.MethodPost, harness.CheckoutPath(d.cart), d.ada.Token, harness.Paying(d.method),
		"Idempotency-Key", d.key, "If-Match", harness.Tag(d.cart.Version))
}

func answerAtBank(word string) func(*testing.T, *sale) {
	return func(t *testing.T, d *sale) {
		harness.As[map[string]any](t, d.post(t, "/simulator/payments/"+d.payment.String()+"/"+word, "", nil), http.StatusOK)
	}
}

// fillAnother fills another cart of the shopper.
func fillAnother(t *testing.T, d *sale) {
	other := *d
	other.key = d.key + "/other"
	s := d.Up(t)
	sku := s.AddProduct(t, 990)
	s.SetStock(t, sku, 5)
	other.cart = d.ada.Fill(t, sku)
	d.other = &other
}

// whileAnotherWaits lets the checkout of the other cart wait at the bank until the act is done.
func whileAnotherWaits(act func(*testing.T, *sale)) func(*testing.T, *sale) {
	return func(t *testing.T, d *sale) {
		checkOut(t, d.other)
		act(t, d)
		cancel(t, d.other)
	}
}

func cancel(t *testing.T, d *sale) {
	a := d.post(t, "/v1/checkouts/"+d.checkout.String()+"/cancel", d.ada.Token, nil, "Idempotency-Key", d.key+"/cancel")
	harness.As[harness.CheckoutView](t, a, http.StatusOK, http.StatusAccepted)
}

// cancelAtOnce asks for it while the checkout goes on.
func cancelAtOnce(t *testing.T, d *sale) {
	a := d.post(t, harness.CheckoutPath(d.cart), d.ada.Token, harness.Paying(d.method), d.headers("Prefer", harness.NoWait)...)
	d.learn(t, harness.As[harness.CheckoutView](t, a, http.StatusAccepted, http.StatusCreated).ID.String())
	a = d.post(t, "/v1/checkouts/"+d.checkout.String()+"/cancel", d.ada.Token, nil, "Idempotency-Key", d.key+"/cancel")
	if d.late = a.StatusCode == http.StatusConflict; d.late {
		harness.RequireProblem(t, a, http.StatusConflict, "too_late")
	}
}

func compensate(t *testing.T, d *sale) {
	path := "/v1/admin/sagas/" + d.checkout.String() + "/compensate"
	harness.As[map[string]any](t, d.post(t, path, d.audit.Admin, nil, "Idempotency-Key", d.key+"/compensate"), http.StatusAccepted)
}

func makeFree(t *testing.T, d *sale) {
	body := map[string]any{"adjustments": []any{map[string]any{"code": "gift", "label": "Gift card", "amount": harness.GBP(-1250)}}}
	d.cart = harness.As[harness.CartView](t, d.ada.Send(t, http.MethodPut, "/v1/carts/"+d.cart.ID.String()+"/adjustments", d.audit.Admin, body), http.StatusOK)
}

// failVoids lets the first two calls of a void fail at the bank.
func failVoids(t *testing.T, d *sale) {
	_, err := d.db.Exec(t.Context(), `create sequence if not exists simulator.trouble; alter sequence simulator.trouble restart;
		create or replace function simulator.in_trouble() returns trigger language plpgsql as
			$$ begin if nextval('simulator.trouble') <= 2 then raise exception 'in trouble'; end if; return new; end $$;
		create or replace trigger in_trouble before insert on simulator.calls for each row when (new.operation = 'void')
			execute function simulator.in_trouble()`)
	require.NoError(t, err)
}

func sellOut(t *testing.T, d *sale) { d.ada.SetStock(t, d.sku, 0) }

func buy(t *testing.T, d *sale) {
	checkOut(t, d)
	d.awaitIdle(t)
	d.key = uuid.NewString()
}

func refund(t *testing.T, d *sale) {
	body := map[string]any{"reason": "Broken.", "amount": harness.GBP(500)}
	a := d.post(t, "/v1/orders/"+d.order.String()+"/refunds", d.audit.Admin, body, "Idempotency-Key", d.key, "Prefer", harness.Waiting)
	harness.As[harness.RefundView](t, a, http.StatusCreated, http.StatusAccepted)
}

func cancelOrder(t *testing.T, d *sale) {
	a := d.post(t, "/v1/orders/"+d.order.String()+"/cancel", d.ada.Token, map[string]any{"reason": "Ordered twice."}, "Idempotency-Key", d.key)
	harness.As[harness.OrderView](t, a, http.StatusAccepted)
}

// refundElsewhere is somebody in the provider's dashboard. Asked again, nothing is left to refund.
func refundElsewhere(t *testing.T, d *sale) {
	a := d.post(t, "/simulator/payments/"+d.payment.String()+"/refund", d.audit.Admin, nil)
	require.Contains(t, []int{http.StatusOK, http.StatusUnprocessableEntity}, a.StatusCode, string(a.Text))
}

// resolveByHand is an operator who refunds by other means what the provider refused.
func resolveByHand(t *testing.T, d *sale) {
	var id uuid.UUID
	harness.Until(t, "the cancellation needs attention", func() bool {
		all, err := harness.RetryAs[harness.List[saga.View]](d.ctx, d, http.MethodGet, "/v1/admin/sagas?limit=100&type=cancellation&status=needs_attention", d.audit.Admin, nil)
		for _, v := range all.Data {
			if err == nil && v.OrderID == d.order {
				id = v.ID
			}
		}
		return id != uuid.Nil
	})
	body := map[string]any{"outcome": "refunded", "reason": "Transferred."}
	harness.Until(t, "the word counts", func() bool { // not while a saga that was woken again asks the provider once more
		return d.post(t, "/v1/admin/sagas/"+id.String()+"/settle", d.audit.Admin, body, "Idempotency-Key", d.key+"/settle").StatusCode == http.StatusAccepted
	})
}

// fate is all that is left of a sale.
type fate struct {
	Checkout saga.Status
	Failure  string
	Cart     cart.Status
	Order    order.Status
	Refunded int64
	Ledger   []string
	Stock    harness.StockView
}

func (d *sale) fate(t *testing.T) (f fate) {
	t.Helper()
	s := d.Up(t)
	ada := harness.Shopper{Site: s, Token: d.ada.Token, ID: d.ada.ID}
	f.Cart, f.Stock = ada.Cart(t, d.cart.ID).Status, s.Stock(t, d.sku)
	if d.checkout == uuid.Nil {
		return f
	}
	c := ada.Checkout(t, d.checkout)
	if f.Checkout = c.Status; c.Failure != nil {
		f.Failure = c.Failure.Code
	}
	if a := s.Send(t, http.MethodGet, "/v1/orders/"+d.order.String(), d.ada.Token, nil); a.StatusCode == http.StatusOK {
		o := harness.As[harness.OrderView](t, a, http.StatusOK)
		f.Order, f.Refunded = o.Status, o.Refunded.Amount
	}
	if d.payment != uuid.Nil {
		f.Ledger = s.Ledger(t, d.payment)
	}
	return f
}

func (d *sale) shelf(reserved int64) harness.StockView {
	return harness.StockView{SKU: d.sku, OnHand: 5, Reserved: reserved, Available: 5 - reserved}
}

func (d *sale) sold(ledger ...string) fate {
	return fate{Checkout: saga.Completed, Cart: cart.StatusCheckedOut, Order: order.StatusConfirmed, Ledger: ledger, Stock: d.shelf(1)}
}

func paid(t *testing.T, d *sale) { require.Equal(t, d.sold("authorize", "capture"), d.fate(t)) }

func free(t *testing.T, d *sale) { require.Equal(t, d.sold(), d.fate(t)) }

func partlyRefunded(t *testing.T, d *sale) {
	want := d.sold("authorize", "capture", "refund")
	want.Refunded = 500
	require.Equal(t, want, d.fate(t))
}

func fullyRefunded(t *testing.T, d *sale) {
	want := d.sold("authorize", "capture", "refund")
	want.Order, want.Refunded, want.Stock = order.StatusCancelled, 1250, d.shelf(0)
	require.Equal(t, want, d.fate(t))
}

// lostToDispute: the order stands, and tells that all of it was refunded.
func lostToDispute(t *testing.T, d *sale) {
	want := d.sold("authorize", "capture", "refund")
	want.Refunded = 1250
	require.Equal(t, want, d.fate(t))
}

func resolvedByHand(t *testing.T, d *sale) {
	want := d.sold("authorize", "capture")
	want.Order, want.Refunded, want.Stock = order.StatusCancelled, 1250, d.shelf(0)
	require.Equal(t, want, d.fate(t))
}

func (d *sale) given(up saga.Status, code string, ledger []string) fate {
	return fate{Checkout: up, Failure: code, Cart: cart.StatusOpen, Order: order.StatusCancelled, Ledger: ledger, Stock: d.shelf(0)}
}

func failed(code string, ledger ...string) func(*testing.T, *sale) {
	return func(t *testing.T, d *sale) { require.Equal(t, d.given(saga.Failed, code, ledger), d.fate(t)) }
}

func cancelled(t *testing.T, d *sale) {
	require.Equal(t, d.given(saga.Cancelled, "cancelled", nil), d.fate(t))
}

// cancelledUnlessLate: what the shopper was told is so. How far the checkout had come by then is open.
func cancelledUnlessLate(t *testing.T, d *sale) {
	is := d.fate(t)
	if d.late {
		require.Equal(t, d.sold("authorize", "capture"), is)
		return
	}
	require.Contains(t, []order.Status{"", order.StatusCancelled}, is.Order)
	want := d.given(saga.Cancelled, "cancelled", is.Ledger)
	want.Order = is.Order
	require.Equal(t, want, is)
}

func notSold(t *testing.T, d *sale) {
	want := d.given(saga.Failed, "out_of_stock", nil)
	want.Order, want.Stock = "", harness.StockView{SKU: d.sku}
	require.Equal(t, want, d.fate(t))
}

// untouched: a refused request changes nothing.
func untouched(t *testing.T, d *sale) {
	require.Equal(t, fate{Cart: cart.StatusOpen, Stock: d.shelf(0)}, d.fate(t))
	require.Equal(t, d.cart, harness.Shopper{Site: d.Up(t), Token: d.ada.Token, ID: d.ada.ID}.Cart(t, d.cart.ID))
}

// paidOrNothing: what was not answered happened or did not, and never in part.
func paidOrNothing(t *testing.T, d *sale) {
	c := harness.Shopper{Site: d.Up(t), Token: d.ada.Token, ID: d.ada.ID}.Cart(t, d.cart.ID)
	if c.CheckoutID == nil {
		untouched(t, d)
		return
	}
	d.learn(t, c.CheckoutID.String())
	paid(t, d)
}
