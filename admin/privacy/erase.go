package privacy

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/platform/email"
	"shopping-cart/platform/web"
)

// person is a customer, or whoever used an e-mail address.
type person struct{ customer, email string }

// held is what the modules hold about a person.
type held struct {
	contacts                       []order.ContactRef
	carts, orders, sagas, payments []uuid.UUID
	parked                         []uuid.UUID // messages of their streams
}

// find finds what the modules hold about a person.
func (m *Module) find(ctx context.Context, p person) (h held, err error) {
	if p.email != "" {
		return m.findByEmail(ctx, p.email)
	}
	customer := []string{p.customer}
	if h.contacts, err = m.Orders.ContactsOf(ctx, customer); err != nil {
		return h, err
	}
	if h.carts, err = m.Carts.Store().OfCustomer(ctx, "cart", p.customer); err != nil {
		return h, err
	}
	return m.findSales(ctx, h, customer, nil)
}

// findByEmail leaves out the orders and checkouts whose contact has another address. The contact of a checkout that became no order is gone.
func (m *Module) findByEmail(ctx context.Context, address string) (h held, err error) {
	if h.contacts, err = m.Orders.ContactsByEmail(ctx, address); err != nil {
		return h, err
	}
	customers := web.Map(h.contacts, func(c order.ContactRef) string { return c.Customer })
	all, err := m.Orders.ContactsOf(ctx, customers)
	if err != nil {
		return h, err
	}
	others := map[string]bool{}
	for _, c := range all {
		others[c.ID.String()] = true
	}
	for _, c := range h.contacts {
		delete(others, c.ID.String())
	}
	return m.findSales(ctx, h, customers, others)
}

// findSales adds the orders, sagas and payments of customers, without those of other contacts.
func (m *Module) findSales(ctx context.Context, h held, customers []string, others map[string]bool) (held, error) {
	orders, err := m.Orders.HeldOf(ctx, customers)
	if err != nil {
		return h, err
	}
	sagas, err := m.Sagas.HeldOf(ctx, customers)
	if err != nil {
		return h, err
	}
	foreign := map[string]bool{} // orders
	for _, o := range orders {
		if foreign[o.ID.String()] = others[o.ContactID]; !others[o.ContactID] {
			h.orders, h.payments = append(h.orders, o.ID), appendID(h.payments, o.PaymentID)
		}
	}
	for _, s := range sagas {
		if !others[s.ContactID] && !foreign[s.OrderID] {
			h.sagas, h.payments = append(h.sagas, s.ID), appendID(h.payments, s.PaymentID)
		}
	}
	for _, s := range h.streams(m) {
		parked, err := s.ParkedOf(ctx, s.of)
		if err != nil {
			return h, err
		}
		h.parked = append(h.parked, parked...)
	}
	return h, nil
}

// appendID appends an id. It skips an invalid text, so that the other ids are erased.
func appendID(ids []uuid.UUID, text string) []uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil {
		return ids
	}
	return append(ids, id)
}

// streamsOf are the streams of a person in one store.
type streamsOf struct {
	*eventstore.Store
	of []uuid.UUID
}

func (h held) streams(m *Module) []streamsOf {
	return []streamsOf{{m.Carts.Store(), h.carts}, {m.Orders.Store(), h.orders}, {m.Sagas.Store(), h.sagas}, {m.Payments.Store(), h.payments}}
}

// objects returns the names under which the audit knows a person.
func (h held) objects(p person) []string {
	objects := []string{}
	if p.customer != "" {
		objects = append(objects, p.customer)
	}
	for _, id := range slices.Concat(h.carts, h.orders, h.sagas, h.payments, h.parked) {
		objects = append(objects, id.String())
	}
	return objects
}

// mentions returns regular expressions of PostgreSQL that find the e-mail addresses of a person in lower case, and not a longer address.
func (h held) mentions(p person) []string {
	all := []string{}
	for _, address := range append(web.Map(h.contacts, func(c order.ContactRef) string { return c.Email }), p.email) {
		if address != "" {
			all = append(all, mention(strings.ToLower(address)), mention(email.Fold(address)))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func mention(address string) string {
	return `(?<![[:alnum:]._%+-])` + regexp.QuoteMeta(address) + `(?![[:alnum:]_-]|\.[[:alnum:]])`
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
	for _, s := range h.streams(m) {
		v.Notes += count(s.EraseNotes(ctx, s.of, mentions))
	}
	v.Notes += count(m.Audit.Forget(ctx, h.objects(p), mentions))
	v.Webhooks = count(m.Payments.Erase(ctx, h.payments))
	if failed != nil {
		return v, false, failed
	}
	replayed, err = m.Orders.EraseContacts(ctx, w, web.Map(h.contacts, func(c order.ContactRef) uuid.UUID { return c.ID }))
	return v, replayed, err
}
