package chaos

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"shopping-cart/platform/money"
)

// books hold the final data from the API and from the provider's ledger.
type books struct {
	sagas    map[string]sagaView
	orders   map[string]orderView
	accounts map[string]account // by payment
}

// account is the balance of a payment in the provider's ledger.
type account struct{ captured, refunded money.Amount }

// awaitFinished returns when nothing is in progress. It reports everything that cannot be expected to end.
func (s *shop) awaitFinished(ctx context.Context) {
	var left []sagaView
	for until := time.Now().Add(patience); time.Now().Before(until); {
		s.retryNeedingAttention(ctx)
		if left = s.unfinished(ctx); len(left) == 0 || !pause(ctx, 250*time.Millisecond) {
			return
		}
	}
	for _, l := range left {
		s.addFinding("%s %s is still %s", l.Type, l.ID, l.Status)
	}
}

func (s *shop) unfinished(ctx context.Context) (left []sagaView) {
	for _, status := range []string{"running", "compensating", "requires_action", "needs_attention"} {
		a, _ := s.retry(ctx, call{method: http.MethodGet, path: "/v1/admin/sagas?limit=100&status=" + status, token: s.operator}, "200")
		left = append(left, in[struct{ Data []sagaView }](a).Data...)
	}
	return left
}

// audit reads everything back, and compares it with the promises and with all acknowledged answers.
func (s *shop) audit(ctx context.Context) (b books, err error) {
	if b, err = s.read(ctx); err != nil {
		return b, err
	}
	byCheckout := map[string]orderView{}
	for _, o := range b.orders {
		if other, twice := byCheckout[o.CheckoutID]; twice {
			s.addFinding("checkout %s has two orders: %s and %s", o.CheckoutID, o.ID, other.ID)
		}
		byCheckout[o.CheckoutID] = o
	}
	for _, d := range s.known.records {
		s.checkRecord(d, b, byCheckout[d.checkout])
	}
	for id, one := range b.sagas {
		if one.Type == "checkout" {
			s.addFinding("the checkout %s is %s, and no answer named it", id, one.Status)
		}
	}
	s.checkMoney(b)
	if err := s.checkRefunds(ctx); err != nil {
		return b, err
	}
	if err := s.checkStock(ctx, b); err != nil {
		return b, err
	}
	return b, s.checkStored(ctx)
}

func (s *shop) read(ctx context.Context) (b books, err error) {
	sagas, err := all[sagaView](ctx, s, "/v1/admin/sagas", url.Values{})
	if err != nil {
		return b, err
	}
	b = books{sagas: map[string]sagaView{}, orders: map[string]orderView{}, accounts: map[string]account{}}
	for _, one := range sagas {
		b.sagas[one.ID] = one
	}
	for _, status := range []string{"pending", "confirmed", "cancelling", "fulfilled", "cancelled"} {
		orders, err := all[orderView](ctx, s, "/v1/admin/orders", url.Values{"status": {status}})
		if err != nil {
			return b, err
		}
		for _, o := range orders {
			b.orders[o.ID] = o
		}
	}
	entries, err := all[struct {
		Reference, Operation, Currency string
		Amount                         int64
	}](ctx, s, "/simulator/ledger", url.Values{})
	for _, e := range entries {
		a := b.accounts[e.Reference]
		a.captured.Currency, a.refunded.Currency = e.Currency, e.Currency
		switch e.Operation {
		case "capture":
			a.captured.Amount += e.Amount
		case "refund":
			a.refunded.Amount += e.Amount
		}
		b.accounts[e.Reference] = a
	}
	return b, err
}

// checkRecord compares a checkout with the answers about it.
func (s *shop) checkRecord(d *checkoutRecord, b books, o orderView) {
	now := b.sagas[d.checkout]
	end := checkoutView{Status: now.Status, Failure: now.Failure}.end()
	s.count("checkouts", end)
	s.count(paidWith+d.method, end)
	switch {
	case d.seen != "" && d.seen != end:
		s.addFinding("checkout %s was %s, and is %s", d.checkout, d.seen, end)
	case !slices.Contains(d.mayEnd(), end):
		s.addFinding("checkout %s of %s, paid with %q, became %s; allowed were %v", d.checkout, d.total, d.method, end, d.mayEnd())
	}
	switch {
	case end == "completed" && !slices.Contains([]string{"confirmed", "fulfilled", "cancelled"}, o.Status):
		s.addFinding("checkout %s is completed, and its order %q", d.checkout, o.Status)
	case end != "completed" && o.ID != "" && o.Status != "cancelled":
		s.addFinding("checkout %s is %s, and its order %s", d.checkout, end, o.Status)
	case o.ID != "" && o.Total != d.total:
		s.addFinding("order %s is over %s, and the shopper saw %s", o.ID, o.Total, d.total)
	case d.fulfilled && d.cancelled:
		s.addFinding("answers said that order %s is fulfilled and that it is cancelled", o.ID)
	case d.fulfilled && o.Status != "fulfilled", d.cancelled && o.Status != "cancelled",
		!d.fulfilled && o.Status == "fulfilled", end == "completed" && !d.cancelled && o.Status == "cancelled":
		s.addFinding("order %s is %s; acknowledged were fulfilled %t and cancelled %t", o.ID, o.Status, d.fulfilled, d.cancelled)
	}
	delete(b.sagas, d.checkout) // the remaining ones were never acknowledged
}

// checkMoney requires for each payment that captured − refunded at the provider equals total − refunded of its order, if that
// is owed.
func (s *shop) checkMoney(b books) {
	owed := map[string]money.Amount{}
	for _, o := range b.orders {
		if o.PaymentID != nil && (o.Status == "confirmed" || o.Status == "fulfilled") {
			owed[*o.PaymentID] = money.Of(o.Total.Amount-o.Refunded.Amount, o.Total.Currency)
		}
	}
	for id, a := range b.accounts {
		net := money.Of(a.captured.Amount-a.refunded.Amount, a.captured.Currency)
		if due, ok := owed[id]; ok && net != due || !ok && net.Amount != 0 {
			s.addFinding("payment %s: %s captured − refunded, and %s owed for its order", id, net, due)
		}
		delete(owed, id)
	}
	for id, due := range owed {
		s.addFinding("payment %s: nothing captured, and %s owed for its order", id, due)
	}
}

// checkRefunds requires each acknowledged refund, unchanged, and none of unknown outcome.
func (s *shop) checkRefunds(ctx context.Context) error {
	for _, d := range s.known.records {
		if len(d.refunds) == 0 {
			continue
		}
		a, ok := s.retry(ctx, call{method: http.MethodGet, path: "/v1/payments/" + d.payment, token: s.operator}, "200")
		if !ok {
			continue
		}
		there := map[string]refundView{}
		for _, r := range in[struct{ Refunds []refundView }](a).Refunds {
			there[r.ID] = r
			if r.Status == "pending" {
				s.count("refunds", "unknown outcome")
				s.addFinding("refund %s of payment %s has no outcome", r.ID, d.payment)
			}
		}
		for _, told := range d.refunds {
			if now := there[told.ID]; now.Amount != told.Amount || now.Status != told.Status && told.Status != "pending" {
				s.addFinding("refund %s of %s was %s, and is %s of %s", told.ID, told.Amount, told.Status, now.Status, now.Amount)
			}
		}
	}
	return ctx.Err()
}

// checkStock requires that the reserved units equal the units that confirmed orders hold, and exist.
func (s *shop) checkStock(ctx context.Context, b books) error {
	held := map[string]int64{}
	for _, o := range b.orders {
		if o.Status == "pending" || o.Status == "confirmed" || o.Status == "cancelling" {
			for _, i := range o.Items {
				held[i.SKU] += i.Quantity
			}
		}
	}
	for _, p := range s.shelf {
		if !p.tracked() {
			continue
		}
		a, ok := s.retry(ctx, call{method: http.MethodGet, path: "/v1/stock/" + url.PathEscape(p.sku), token: s.operator}, "200")
		v := in[stockView](a)
		if ok && (v.Reserved != held[p.sku] || v.Available < 0 || v.OnHand-v.Reserved != v.Available) {
			s.addFinding("%s: %d of %d are reserved, for orders of %d", p.sku, v.Reserved, v.OnHand, held[p.sku])
		}
	}
	return ctx.Err()
}

// checkStored requires that every acknowledged webhook was stored, and that no message is parked.
func (s *shop) checkStored(ctx context.Context) error {
	kept, err := all[struct{ ID, Status string }](ctx, s, "/v1/admin/webhooks", url.Values{})
	if err != nil {
		return err
	}
	missing := maps.Clone(s.known.webhooks)
	for _, w := range kept {
		s.count("webhooks", w.Status)
		delete(missing, w.ID[len("simulator:"):])
	}
	for id := range missing {
		s.addFinding("the webhook %s was acknowledged and is not stored", id)
	}
	parked, err := all[struct{ ID, Error string }](ctx, s, "/v1/admin/parked", url.Values{})
	for _, p := range parked {
		s.addFinding("the message %s is parked: %s", p.ID, p.Error)
	}
	return err
}
