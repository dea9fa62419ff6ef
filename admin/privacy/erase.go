package privacy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"shopping-cart/order"
	"shopping-cart/platform/email"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// person is a customer, or whoever used an e-mail address.
type person struct{ customer, email string }

// held is what the modules hold about a person.
type held struct {
	contacts                       []order.ContactRef
	carts, orders, sagas, payments []uuid.UUID
}

// find finds what the modules hold about a person. By e-mail address, it covers the contacts with that address, and their orders and
// checkouts.
func (m *Module) find(ctx context.Context, p person) (h held, err error) {
	if h.contacts, err = m.Orders.FindContacts(ctx, p.customer, p.email); err != nil {
		return h, err
	}
	customers := []string{p.customer}
	if p.customer == "" {
		customers = customersOf(h.contacts)
	} else if h.carts, err = m.Carts.Store().OfCustomer(ctx, "cart", p.customer); err != nil {
		return h, err
	}
	orders, err := m.Orders.HeldOf(ctx, customers)
	if err != nil {
		return h, err
	}
	sagas, err := m.Sagas.HeldOf(ctx, customers)
	if err != nil {
		return h, err
	}
	if p.customer == "" {
		orders, sagas = withContacts(h.contacts, orders, sagas)
	}
	for _, o := range orders {
		h.orders, h.payments = append(h.orders, o.ID), appendID(h.payments, o.PaymentID)
	}
	for _, s := range sagas {
		h.sagas, h.payments = append(h.sagas, s.ID), appendID(h.payments, s.PaymentID)
	}
	return h, nil
}

func customersOf(contacts []order.ContactRef) []string {
	customers := web.Map(contacts, func(c order.ContactRef) string { return c.Customer })
	slices.Sort(customers)
	return slices.Compact(customers)
}

// withContacts returns the orders with one of the contacts, and their sagas.
func withContacts(contacts []order.ContactRef, orders []order.Held, sagas []saga.Held) ([]order.Held, []saga.Held) {
	wanted := map[string]bool{}
	for _, c := range contacts {
		wanted[c.ID.String()] = true
	}
	orders = slices.DeleteFunc(orders, func(o order.Held) bool { return !wanted[o.ContactID] })
	for _, o := range orders {
		wanted[o.ID.String()] = true
	}
	return orders, slices.DeleteFunc(sagas, func(s saga.Held) bool { return !wanted[s.ContactID] && !wanted[s.OrderID] })
}

// appendID appends an id once. It leaves out what is no id, which must not keep the others from erasure.
func appendID(ids []uuid.UUID, text string) []uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil || slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// objects returns the names under which the audit knows a person.
func (h held) objects(p person) []string {
	objects := []string{}
	if p.customer != "" {
		objects = append(objects, p.customer)
	}
	for _, id := range slices.Concat(h.carts, h.orders, h.sagas, h.payments) {
		objects = append(objects, id.String())
	}
	return objects
}

// mentions returns the e-mail addresses of a person in lower case.
func (h held) mentions(p person) []string {
	all := []string{}
	for _, address := range append(web.Map(h.contacts, func(c order.ContactRef) string { return c.Email }), p.email) {
		if address != "" {
			all = append(all, strings.ToLower(address), email.Fold(address))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// erase erases the personal data of a person. The contacts go last, since a repetition after a failure finds the rest by them.
func (m *Module) erase(ctx context.Context, w web.Write, p person) (v ErasureView, replayed bool, err error) {
	h, err := m.find(ctx, p)
	if err != nil {
		return v, false, err
	}
	mentions, failed := h.mentions(p), error(nil)
	count := func(n int64, err error) int64 {
		failed = errors.Join(failed, err)
		return n
	}
	v.Orders, v.Contacts = len(h.orders), len(h.contacts)
	v.Notes += count(m.Orders.Store().EraseNotes(ctx, h.orders, mentions))
	v.Notes += count(m.Payments.Store().EraseNotes(ctx, h.payments, mentions))
	v.Notes += count(m.Sagas.Store().EraseNotes(ctx, h.sagas, mentions))
	v.Notes += count(m.Carts.Store().EraseNotes(ctx, h.carts, mentions))
	v.Notes += count(m.Audit.Forget(ctx, h.objects(p), mentions))
	v.Webhooks = count(m.Payments.Erase(ctx, h.payments))
	if failed != nil {
		return v, false, failed
	}
	replayed, err = m.Orders.EraseContacts(ctx, w, web.Map(h.contacts, func(c order.ContactRef) uuid.UUID { return c.ID }))
	return v, replayed, err
}
