package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// look reads the books of checkouts, and says what is wrong with them. young is how many were touched a moment ago: they are left out.
func (m *Module) look(ctx context.Context, keys []key, settled time.Time) (found []Finding, young int, err error) {
	if len(keys) == 0 {
		return nil, 0, nil
	}
	all, err := m.read(ctx, keys, settled)
	if err != nil {
		return nil, 0, err
	}
	for i, k := range keys {
		if all[i].young {
			young++
			continue
		}
		found = append(found, m.findings(k, all[i])...)
	}
	return found, young, nil
}

// read merges the books, key by key. A checkout that was touched a moment ago is under way: its books are young and nothing else.
func (m *Module) read(ctx context.Context, keys []key, settled time.Time) ([]books, error) {
	stored, err := byIDs(ctx, m.Sagas.Book(), keys, func(k key) uuid.UUID { return k.checkout }, func(s saga.Standing) uuid.UUID { return s.ID })
	if err != nil {
		return nil, err
	}
	carts, err := byIDs(ctx, m.Carts.Records(), keys, func(k key) uuid.UUID { return k.cart }, func(c cart.Record) uuid.UUID { return c.ID })
	if err != nil {
		return nil, err
	}
	orders, err := byIDs(ctx, m.Orders.Records(), keys, func(k key) uuid.UUID { return k.order }, func(o order.Record) uuid.UUID { return o.ID })
	if err != nil {
		return nil, err
	}
	payments, err := byIDs(ctx, m.Payments.Book(), keys, func(k key) uuid.UUID { return k.payment }, func(p payment.Standing) uuid.UUID { return p.ID })
	if err != nil {
		return nil, err
	}
	old := make([]payment.Standing, 0, len(payments))
	for _, k := range keys {
		p, s := entry(payments, k.payment), entry(stored, k.checkout)
		// The others need not be looked up: they are young, or seen from their checkout.
		if p != nil && !p.UpdatedAt.After(settled) && (s == nil || s.Type == saga.TypeCheckout) {
			old = append(old, *p)
		}
	}
	balances, err := m.Payments.Balances(ctx, old)
	if err != nil {
		return nil, err
	}
	givingBack, err := m.refundSagas(ctx, orders, payments)
	if err != nil {
		return nil, err
	}
	all := make([]books, len(keys))
	for i, k := range keys {
		all[i].young = true
		b := books{checkout: k.checkout, cart: entry(carts, k.cart), order: entry(orders, k.order), payment: entry(payments, k.payment), bank: entry(balances, k.payment)}
		if s := entry(stored, k.checkout); s != nil {
			b.saga, b.overdue = s, !s.LateAfter.IsZero() && s.LateAfter.Before(settled)
			if s.UpdatedAt.After(settled) {
				continue
			}
		}
		if b.order != nil && b.order.UpdatedAt.After(settled) || b.payment != nil && b.payment.UpdatedAt.After(settled) || b.bank != nil && b.bank.At.After(settled) {
			continue
		}
		if b.cart != nil && b.cart.UpdatedAt.After(settled) { // open again, and used: that says nothing of the rest
			b.cart = nil
		}
		b.begins = b.cart != nil && b.cart.UpdatedAt.After(settled.Add(-beginsWithin))
		if b.addRefundSagas(givingBack, settled) {
			all[i] = b
		}
	}
	return all, nil
}

func entry[T any](of map[uuid.UUID]T, id uuid.UUID) *T {
	if e, ok := of[id]; ok {
		return &e
	}
	return nil
}

// byIDs are the entries of a book that the keys name.
func byIDs[T any](ctx context.Context, book eventstore.Query[T], keys []key, id func(key) uuid.UUID, of func(T) uuid.UUID) (map[uuid.UUID]T, error) {
	var ids []uuid.UUID
	for _, k := range keys {
		if one := id(k); one != uuid.Nil {
			ids = append(ids, one)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	entries, err := book.ByID(ctx, ids)
	all := make(map[uuid.UUID]T, len(entries))
	for _, e := range entries {
		all[of(e)] = e
	}
	return all, err
}

// findings are the promises that the books of one checkout break.
func (m *Module) findings(k key, b books) (found []Finding) {
	add := func(check, detail, remedy string, repair func(context.Context) error, does string) {
		id := k.checkout.String()
		if k.reference != "" {
			id = k.reference
		}
		found = append(found, Finding{
			ID: check + ":" + id, Check: check, Detail: detail, Remedy: remedy, Streams: b.streams(k), Healable: repair != nil, repair: repair, does: does,
			again: func(ctx context.Context, settled time.Time) ([]Finding, error) {
				now, _, err := m.look(ctx, []key{k}, settled)
				return now, err
			},
		})
	}
	switch {
	case b.overdue:
		add(checkOverdue, fmt.Sprintf("It is %s since %s.", b.saga.Status, b.saga.At.Format(time.RFC3339)), remedyOverdue, m.wake(k.checkout), "woke the saga")
	case b.ended(saga.NeedsAttention):
		add(checkAttention, "It waits for a person since "+b.saga.At.Format(time.RFC3339)+".", remedyAttention, nil, "")
	}
	if b.saga != nil && b.saga.Type != saga.TypeCheckout {
		if detail := b.refundEnds(k.checkout); detail != "" {
			add(checkEnds, detail, remedyEnds, nil, "")
		}
		return found
	}
	for _, p := range invariants {
		if detail := p.violation(b); detail != "" {
			repair, does := m.repairOf(k.checkout, p, b)
			add(p.check, detail, p.remedy, repair, does)
		}
	}
	return found
}

func (b books) streams(k key) (all []StreamRef) {
	all = []StreamRef{}
	if b.cart != nil {
		all = append(all, StreamRef{"cart", k.cart})
	}
	if b.order != nil {
		all = append(all, StreamRef{"order", k.order})
	}
	if b.payment != nil {
		all = append(all, StreamRef{"payment", k.payment})
	}
	if b.saga != nil {
		all = append(all, StreamRef{"saga", k.checkout})
	}
	return all
}
