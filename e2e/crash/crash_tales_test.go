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

// tale is what happens in the shop while the program dies, and how it ends, whenever that was.
type tale struct {
	name     string
	method   string
	settings []string
	undoes   bool                    // then it dies a second time, anywhere on the way back
	before   func(*testing.T, *deal) // until then nobody dies
	happens  func(*testing.T, *deal) // every request is repeated until it is answered
	ends     func(*testing.T, *deal)
	races    bool // which places are reached is left to chance
}

// deal is one sale of one unit, of five, to one shopper.
type deal struct {
	*mortal
	ctx      context.Context
	method   string
	ada      harness.Shopper
	sku      string
	cart     harness.CartView
	key      string
	checkout uuid.UUID
	order    uuid.UUID
	payment  uuid.UUID
	late     bool // to be cancelled, it was said
}

var tales = []tale{
	{name: "paid", method: "sim_ok", happens: checksOut, ends: paid},
	{name: "paid, and the shopper is gone", method: "sim_ok", happens: checksOutOnce, ends: paidOrNothing},
	{name: "nothing to pay", method: "sim_declined", before: isFree, happens: checksOut, ends: free},
	{name: "price changed", method: "sim_ok", before: dearer, happens: isRefused, ends: untouched},
	{name: "declined", method: "sim_declined", happens: checksOut, ends: failed("payment_declined"), undoes: true},
	{name: "out of stock", method: "sim_ok", before: soldOut, happens: checksOut, ends: notSold, undoes: true},
	{name: "capture refused", method: "sim_capture_fails", happens: checksOut, ends: failed("capture_refused", "authorize", "void"), undoes: true},
	{name: "authorization expires", method: "sim_authorization_expires", happens: checksOut, ends: failed("capture_refused", "authorize", "void"), undoes: true},
	{name: "answers lost", method: "sim_timeout_applied", happens: checksOut, ends: paid},
	{name: "calls lost", method: "sim_timeout_lost", happens: checksOut, ends: paid},
	{name: "flaky", method: "sim_flaky", happens: checksOut, ends: paid},
	{name: "approved at the bank", method: "sim_requires_action", happens: inTurn(checksOut, atBank("approve")), ends: paid},
	{name: "approved, webhooks twice", method: "sim_duplicate_webhooks", happens: inTurn(checksOut, atBank("approve")), ends: paid},
	{name: "denied at the bank", method: "sim_requires_action", happens: inTurn(checksOut, atBank("deny")), ends: failed("authentication_failed"), undoes: true},
	{name: "never at the bank", method: "sim_requires_action", settings: []string{"PAYMENT_ACTION_TTL=1500ms"}, happens: checksOut, ends: failed("authentication_expired"), undoes: true},
	{name: "cancelled at the bank", method: "sim_requires_action", happens: inTurn(checksOut, isCancelled), ends: cancelled, undoes: true},
	{name: "compensated by an operator", method: "sim_requires_action", happens: inTurn(checksOut, isCompensated), ends: cancelled, undoes: true},
	{name: "cancelled at once", method: "sim_ok", happens: cancelsAtOnce, ends: cancelledUnlessLate, undoes: true, races: true},
	{name: "cancelled in doubt", method: "sim_timeout_applied", settings: []string{"PAYMENT_TIMEOUT=600ms"}, happens: cancelsAtOnce,
		ends: cancelledUnlessLate, undoes: true, races: true},
	{name: "capture refused, void fails", method: "sim_capture_fails", before: troubled, happens: checksOut,
		ends: failed("capture_refused", "authorize", "void"), undoes: true},
	{name: "part refunded", method: "sim_ok", before: bought, happens: refunded, ends: partBack},
	{name: "part refunded, flaky", method: "sim_refund_flaky", before: bought, happens: refunded, ends: partBack},
	{name: "part refunded, answer lost", method: "sim_timeout_applied", before: bought, happens: refunded, ends: partBack},
	{name: "part refunded, call lost", method: "sim_timeout_lost", before: bought, happens: refunded, ends: partBack},
	{name: "order cancelled", method: "sim_ok", before: bought, happens: cancelsOrder, ends: allBack, undoes: true},
	{name: "order cancelled, flaky", method: "sim_refund_flaky", before: bought, happens: cancelsOrder, ends: allBack},
	{name: "order cancelled, answer lost", method: "sim_timeout_applied", before: bought, happens: cancelsOrder, ends: allBack, undoes: true},
	{name: "order cancelled, call lost", method: "sim_timeout_lost", before: bought, happens: cancelsOrder, ends: allBack},
	{name: "order cancelled after a dashboard refund", method: "sim_ok", before: bought, happens: inTurn(refundedElsewhere, cancelsOrder), ends: allBack},
	{name: "paid, and lost to a dispute", method: "sim_disputed", happens: checksOut, ends: lostToDispute},
	{name: "refund refused, resolved by an operator", method: "sim_refund_refused", before: bought,
		happens: inTurn(cancelsOrder, resolvesByHand), ends: resolvedByHand},
}

func inTurn(all ...func(*testing.T, *deal)) func(*testing.T, *deal) {
	return func(t *testing.T, d *deal) {
		for _, each := range all {
			each(t, d)
		}
	}
}

// newDeal fills a cart.
func newDeal(t *testing.T, m *mortal, method string) *deal {
	t.Helper()
	d := &deal{mortal: m, method: method, key: uuid.NewString()}
	var cancel context.CancelFunc
	d.ctx, cancel = context.WithTimeout(m.life, 2*harness.Patience)
	t.Cleanup(cancel)
	s := m.Up(t)
	d.ada, d.sku = s.Shopper(t), s.AddProduct(t, 1250)
	s.SetStock(t, d.sku, 5)
	d.cart = d.ada.Fill(t, d.sku)
	return d
}

// asks repeats a POST until it is answered.
func (d *deal) asks(t *testing.T, path, token string, body any, headers ...string) harness.Answer {
	t.Helper()
	a, err := d.Retry(d.ctx, http.MethodPost, path, token, body, headers...)
	require.NoError(t, err, path)
	return a
}

func (d *deal) headers(more ...string) []string {
	return append([]string{"Idempotency-Key", d.key, "If-Match", harness.Tag(d.cart.Version), "Prefer", harness.Waiting}, more...)
}

func checksOut(t *testing.T, d *deal) {
	a := d.asks(t, harness.CheckoutPath(d.cart), d.ada.Token, harness.Paying(d.method), d.headers()...)
	member := map[int]string{http.StatusCreated: "id", http.StatusAccepted: "id", http.StatusPaymentRequired: "checkout_id",
		http.StatusConflict: "checkout_id"}[a.StatusCode]
	require.NotEmpty(t, member, string(a.Text))
	d.knows(t, harness.As[map[string]any](t, a, a.StatusCode)[member].(string))
}

// knows learns what belongs to a checkout.
func (d *deal) knows(t *testing.T, checkout string) {
	t.Helper()
	c, err := harness.RetryAs[harness.CheckoutView](d.ctx, d, http.MethodGet, "/v1/checkouts/"+checkout, d.ada.Token, nil)
	require.NoError(t, err)
	d.checkout, d.order = c.ID, c.OrderID
	if c.PaymentID != nil {
		d.payment = *c.PaymentID
	}
}

// checksOutOnce is a shopper who does not come back.
func checksOutOnce(t *testing.T, d *deal) {
	_, _ = d.Up(t).Ask(t.Context(), http.MethodPost, harness.CheckoutPath(d.cart), d.ada.Token, harness.Paying(d.method),
		"Idempotency-Key", d.key, "If-Match", harness.Tag(d.cart.Version))
}

func isRefused(t *testing.T, d *deal) {
	harness.RequireProblem(t, d.asks(t, harness.CheckoutPath(d.cart), d.ada.Token, harness.Paying(d.method), d.headers()...), http.StatusConflict, "price_changed")
}

func atBank(word string) func(*testing.T, *deal) {
	return func(t *testing.T, d *deal) {
		harness.As[map[string]any](t, d.asks(t, "/simulator/payments/"+d.payment.String()+"/"+word, "", nil), http.StatusOK)
	}
}

func isCancelled(t *testing.T, d *deal) {
	a := d.asks(t, "/v1/checkouts/"+d.checkout.String()+"/cancel", d.ada.Token, nil, "Idempotency-Key", d.key+"/cancel")
	harness.As[harness.CheckoutView](t, a, http.StatusOK, http.StatusAccepted)
}

// cancelsAtOnce asks for it while the checkout goes on.
func cancelsAtOnce(t *testing.T, d *deal) {
	a := d.asks(t, harness.CheckoutPath(d.cart), d.ada.Token, harness.Paying(d.method), d.headers("Prefer", harness.NoWait)...)
	d.knows(t, harness.As[harness.CheckoutView](t, a, http.StatusAccepted, http.StatusCreated).ID.String())
	a = d.asks(t, "/v1/checkouts/"+d.checkout.String()+"/cancel", d.ada.Token, nil, "Idempotency-Key", d.key+"/cancel")
	if d.late = a.StatusCode == http.StatusConflict; d.late {
		harness.RequireProblem(t, a, http.StatusConflict, "too_late")
	}
}

func isCompensated(t *testing.T, d *deal) {
	path := "/v1/admin/sagas/" + d.checkout.String() + "/compensate"
	harness.As[map[string]any](t, d.asks(t, path, d.audit.Admin, nil, "Idempotency-Key", d.key+"/compensate"), http.StatusAccepted)
}

func isFree(t *testing.T, d *deal) {
	body := map[string]any{"adjustments": []any{map[string]any{"code": "gift", "label": "Gift card", "amount": harness.GBP(-1250)}}}
	d.cart = harness.As[harness.CartView](t, d.ada.Send(t, http.MethodPut, "/v1/carts/"+d.cart.ID.String()+"/adjustments", d.audit.Admin, body), http.StatusOK)
}

func dearer(t *testing.T, d *deal) { d.ada.SetPrice(t, d.sku, 1300) }

// troubled lets the first two calls of a void fail at the bank.
func troubled(t *testing.T, d *deal) {
	_, err := d.db.Exec(t.Context(), `create sequence if not exists simulator.trouble; alter sequence simulator.trouble restart;
		create or replace function simulator.in_trouble() returns trigger language plpgsql as
			$$ begin if nextval('simulator.trouble') <= 2 then raise exception 'in trouble'; end if; return new; end $$;
		create or replace trigger in_trouble before insert on simulator.calls for each row when (new.operation = 'void')
			execute function simulator.in_trouble()`)
	require.NoError(t, err)
}

func soldOut(t *testing.T, d *deal) { d.ada.SetStock(t, d.sku, 0) }

func bought(t *testing.T, d *deal) {
	checksOut(t, d)
	d.rests(t)
	d.key = uuid.NewString()
}

func refunded(t *testing.T, d *deal) {
	body := map[string]any{"reason": "Broken.", "amount": harness.GBP(500)}
	a := d.asks(t, "/v1/orders/"+d.order.String()+"/refunds", d.audit.Admin, body, "Idempotency-Key", d.key, "Prefer", harness.Waiting)
	harness.As[harness.RefundView](t, a, http.StatusCreated, http.StatusAccepted)
}

func cancelsOrder(t *testing.T, d *deal) {
	a := d.asks(t, "/v1/orders/"+d.order.String()+"/cancel", d.ada.Token, map[string]any{"reason": "Ordered twice."}, "Idempotency-Key", d.key)
	harness.As[harness.OrderView](t, a, http.StatusAccepted)
}

// refundedElsewhere is somebody in the provider's dashboard. Asked again, nothing is left to refund.
func refundedElsewhere(t *testing.T, d *deal) {
	a := d.asks(t, "/simulator/payments/"+d.payment.String()+"/refund", d.audit.Admin, nil)
	require.Contains(t, []int{http.StatusOK, http.StatusUnprocessableEntity}, a.StatusCode, string(a.Text))
}

// resolvesByHand is an operator who refunds by other means what the provider refused.
func resolvesByHand(t *testing.T, d *deal) {
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
		return d.asks(t, "/v1/admin/sagas/"+id.String()+"/settle", d.audit.Admin, body, "Idempotency-Key", d.key+"/settle").StatusCode == http.StatusAccepted
	})
}

// fate is all that is left of a deal.
type fate struct {
	Checkout saga.Status
	Failure  string
	Cart     cart.Status
	Order    order.Status
	Refunded int64
	Ledger   []string
	Stock    harness.StockView
}

func (d *deal) fate(t *testing.T) (f fate) {
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

func (d *deal) shelf(reserved int64) harness.StockView {
	return harness.StockView{SKU: d.sku, OnHand: 5, Reserved: reserved, Available: 5 - reserved}
}

func (d *deal) sold(ledger ...string) fate {
	return fate{Checkout: saga.Completed, Cart: cart.StatusCheckedOut, Order: order.StatusConfirmed, Ledger: ledger, Stock: d.shelf(1)}
}

func paid(t *testing.T, d *deal) { require.Equal(t, d.sold("authorize", "capture"), d.fate(t)) }

func free(t *testing.T, d *deal) { require.Equal(t, d.sold(), d.fate(t)) }

func partBack(t *testing.T, d *deal) {
	want := d.sold("authorize", "capture", "refund")
	want.Refunded = 500
	require.Equal(t, want, d.fate(t))
}

func allBack(t *testing.T, d *deal) {
	want := d.sold("authorize", "capture", "refund")
	want.Order, want.Refunded, want.Stock = order.StatusCancelled, 1250, d.shelf(0)
	require.Equal(t, want, d.fate(t))
}

// lostToDispute: the order stands, and tells that all of it was refunded.
func lostToDispute(t *testing.T, d *deal) {
	want := d.sold("authorize", "capture", "refund")
	want.Refunded = 1250
	require.Equal(t, want, d.fate(t))
}

func resolvedByHand(t *testing.T, d *deal) {
	want := d.sold("authorize", "capture")
	want.Order, want.Refunded, want.Stock = order.StatusCancelled, 1250, d.shelf(0)
	require.Equal(t, want, d.fate(t))
}

func (d *deal) given(up saga.Status, code string, ledger []string) fate {
	return fate{Checkout: up, Failure: code, Cart: cart.StatusOpen, Order: order.StatusCancelled, Ledger: ledger, Stock: d.shelf(0)}
}

func failed(code string, ledger ...string) func(*testing.T, *deal) {
	return func(t *testing.T, d *deal) { require.Equal(t, d.given(saga.Failed, code, ledger), d.fate(t)) }
}

func cancelled(t *testing.T, d *deal) {
	require.Equal(t, d.given(saga.Cancelled, "cancelled", nil), d.fate(t))
}

// cancelledUnlessLate: what the shopper was told is so. How far the checkout had come by then is open.
func cancelledUnlessLate(t *testing.T, d *deal) {
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

func notSold(t *testing.T, d *deal) {
	want := d.given(saga.Failed, "out_of_stock", nil)
	want.Order, want.Stock = "", harness.StockView{SKU: d.sku}
	require.Equal(t, want, d.fate(t))
}

// untouched: a refused request changes nothing.
func untouched(t *testing.T, d *deal) {
	require.Equal(t, fate{Cart: cart.StatusOpen, Stock: d.shelf(0)}, d.fate(t))
	require.Equal(t, d.cart, harness.Shopper{Site: d.Up(t), Token: d.ada.Token, ID: d.ada.ID}.Cart(t, d.cart.ID))
}

// paidOrNothing: what was not answered happened or did not, and never in part.
func paidOrNothing(t *testing.T, d *deal) {
	c := harness.Shopper{Site: d.Up(t), Token: d.ada.Token, ID: d.ada.ID}.Cart(t, d.cart.ID)
	if c.CheckoutID == nil {
		untouched(t, d)
		return
	}
	d.knows(t, c.CheckoutID.String())
	paid(t, d)
}
