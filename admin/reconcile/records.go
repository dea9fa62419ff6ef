package reconcile

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// records hold what each module knows about one checkout; nil where a module knows nothing.
type records struct {
	checkout uuid.UUID
	saga     *saga.Record
	cart     *cart.Record
	order    *order.Record
	payment  *payment.Record
	balance  *payment.Balance // in the provider's ledger

	refunds      map[uuid.UUID]*saga.Record // the sagas of the payment's refunds
	cancellation *saga.Record               // the saga that cancels the order

	overdue        bool // no process executed the saga when it was due
	starting       bool // the cart was sealed not long ago: the saga of its checkout may still start
	refundStarting bool // the payment changed not long ago: the saga of a refund may still start
	cancelStarting bool // the order changed not long ago: the saga of its cancellation may still start
}

// key names the streams of one checkout.
type key struct {
	checkout, cart, order, payment uuid.UUID
	reference                      string // at the provider, of a payment that is not ours
}

func checkoutOf(k key) uuid.UUID { return k.checkout }
func cartOf(k key) uuid.UUID     { return k.cart }
func orderOf(k key) uuid.UUID    { return k.order }
func paymentOf(k key) uuid.UUID  { return k.payment }

func idsOf(keys []key, id func(key) uuid.UUID) (ids []uuid.UUID) {
	for _, k := range keys {
		if one := id(k); one != uuid.Nil {
			ids = append(ids, one)
		}
	}
	return ids
}

// snapshot holds the records of a page of keys, by id.
type snapshot struct {
	cutoff   time.Time // later changes are recent, and not checked
	sagas    map[uuid.UUID]saga.Record
	carts    map[uuid.UUID]cart.Record
	orders   map[uuid.UUID]order.Record
	payments map[uuid.UUID]payment.Record
	balances map[uuid.UUID]payment.Balance
}

// check returns the findings about checkouts. recent is the number of checkouts that it left out, since they just changed.
func (m *Module) check(ctx context.Context, keys []key, cutoff time.Time) (found []Finding, recent int, err error) {
	if len(keys) == 0 {
		return nil, 0, nil
	}
	s, err := m.read(ctx, keys, cutoff)
	if err != nil {
		return nil, 0, err
	}
	for _, k := range keys {
		r := s.records(k)
		if r.changedAfter(cutoff) {
			recent++
			continue
		}
		found = append(found, m.findings(k, r)...)
	}
	return found, recent, nil
}

// read reads the sagas of refunds and cancellations last. Those that changed meanwhile are recent.
func (m *Module) read(ctx context.Context, keys []key, cutoff time.Time) (s snapshot, err error) {
	s.cutoff = cutoff
	if s.sagas, err = m.Sagas.Records().ByID(ctx, idsOf(keys, checkoutOf)); err != nil {
		return s, err
	}
	if s.carts, err = m.Carts.Records().ByID(ctx, idsOf(keys, cartOf)); err != nil {
		return s, err
	}
	if s.orders, err = m.Orders.Records().ByID(ctx, idsOf(keys, orderOf)); err != nil {
		return s, err
	}
	if s.payments, err = m.Payments.Records().ByID(ctx, idsOf(keys, paymentOf)); err != nil {
		return s, err
	}
	if s.balances, err = m.Payments.Balances(ctx, s.compared(keys)); err != nil {
		return s, err
	}
	late, err := m.Sagas.Records().ByID(ctx, s.refundSagas())
	maps.Copy(s.sagas, late)
	return s, err
}

// compared returns the payments whose balances are compared. The others are recent, or keys of a refund or a cancellation.
func (s snapshot) compared(keys []key) (all []payment.Record) {
	for _, k := range keys {
		p, of := entry(s.payments, k.payment), entry(s.sagas, k.checkout)
		if p != nil && !p.UpdatedAt.After(s.cutoff) && (of == nil || of.Type == saga.TypeCheckout) {
			all = append(all, *p)
		}
	}
	return all
}

// refundSagas returns the ids of the sagas of refunds and cancellations.
func (s snapshot) refundSagas() (ids []uuid.UUID) {
	for _, o := range s.orders {
		if o.CancellationID != uuid.Nil {
			ids = append(ids, o.CancellationID)
		}
	}
	for _, p := range s.payments {
		for _, r := range p.Refunds {
			if r.Ordered {
				ids = append(ids, r.ID)
			}
		}
	}
	return ids
}

// records returns the records of one checkout. It leaves out a cart that was just used: that says nothing about the rest.
func (s snapshot) records(k key) records {
	r := records{
		checkout: k.checkout, saga: entry(s.sagas, k.checkout), cart: entry(s.carts, k.cart), order: entry(s.orders, k.order),
		payment: entry(s.payments, k.payment), balance: entry(s.balances, k.payment), refunds: map[uuid.UUID]*saga.Record{},
	}
	startsAfter := s.cutoff.Add(-startsWithin)
	if r.saga != nil {
		r.overdue = !r.saga.LateAfter.IsZero() && r.saga.LateAfter.Before(s.cutoff)
	}
	if r.cart != nil && r.cart.UpdatedAt.After(s.cutoff) {
		r.cart = nil
	}
	if r.cart != nil {
		r.starting = r.cart.UpdatedAt.After(startsAfter)
	}
	if r.payment != nil {
		r.refundStarting = r.payment.UpdatedAt.After(startsAfter)
		for _, refund := range r.payment.Refunds {
			if of := entry(s.sagas, refund.ID); of != nil {
				r.refunds[refund.ID] = of
			}
		}
	}
	if r.order != nil {
		r.cancelStarting = r.order.UpdatedAt.After(startsAfter)
		r.cancellation = entry(s.sagas, r.order.CancellationID)
	}
	return r
}

// changedAfter reports whether a record changed after a time.
func (r records) changedAfter(t time.Time) bool {
	switch {
	case r.saga != nil && r.saga.UpdatedAt.After(t), r.order != nil && r.order.UpdatedAt.After(t),
		r.payment != nil && r.payment.UpdatedAt.After(t), r.balance != nil && r.balance.At.After(t),
		r.cancellation != nil && r.cancellation.UpdatedAt.After(t):
		return true
	}
	for _, s := range r.refunds {
		if s.UpdatedAt.After(t) {
			return true
		}
	}
	return false
}

func entry[T any](of map[uuid.UUID]T, id uuid.UUID) *T {
	if e, ok := of[id]; ok {
		return &e
	}
	return nil
}

// streams lists the streams of a checkout that exist.
func (r records) streams(k key) []StreamRef {
	all := []StreamRef{}
	if r.cart != nil {
		all = append(all, StreamRef{"cart", k.cart})
	}
	if r.order != nil {
		all = append(all, StreamRef{"order", k.order})
	}
	if r.payment != nil {
		all = append(all, StreamRef{"payment", k.payment})
	}
	if r.saga != nil {
		all = append(all, StreamRef{"saga", k.checkout})
	}
	return all
}
