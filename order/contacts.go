package order

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/email"
	"shopping-cart/platform/web"
)

// SaveContact stores the personal data of a future order. It keeps the first contact under an id.
func (m *Module) SaveContact(ctx context.Context, c Contact) error {
	var address any // NULL if there is none
	if len(c.ShippingAddress) > 0 {
		address = string(c.ShippingAddress)
	}
	_, err := m.exec(ctx, web.Write{}, "save_contact", func(tx *eventstore.Tx) {
		tx.Exec(`insert into orders.contacts (id, customer, email, email_folded, shipping_address, created_at)
			values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing`, c.ID, c.CustomerID, c.Email, email.Fold(c.Email), address, tx.Now())
	})
	return err
}

// DropContact erases personal data that no order needs. It does nothing if there is none.
func (m *Module) DropContact(ctx context.Context, id uuid.UUID) error {
	_, err := m.exec(ctx, web.Write{}, "drop_contact", func(tx *eventstore.Tx) { tx.Exec(`delete from orders.contacts where id = $1`, id) })
	return err
}

// eraseElsewhere erases personal data about a customer's orders that other modules store: with the payments, and in the audit. It covers
// orders that were never confirmed: an order is placed before its payment is requested.
func (m *Module) eraseElsewhere(ctx context.Context, customer string) error {
	var found []struct{ ID, Payment, Checkout sql.NullString }
	err := m.Views.WithContext(ctx).Table("orders.streams").Where("kind = 'order' and customer = ?", customer).
		Select("id, " + eventstore.TextOf("state", "payment_id") + " payment, " + eventstore.TextOf("state", "checkout_id") + " checkout").Find(&found).Error
	if err != nil {
		return fmt.Errorf("find the payments of a customer: %w", err)
	}
	var payments []uuid.UUID
	objects := []string{customer}
	for _, o := range found {
		objects = append(objects, o.ID.String, o.Payment.String, o.Checkout.String)
		if id, err := uuid.Parse(o.Payment.String); err == nil { // an unreadable payment id must not keep the others from erasure
			payments = append(payments, id)
		}
	}
	return errors.Join(m.Payments.Erase(ctx, payments), m.Audit.Forget(ctx, objects))
}

// exec writes rows outside the streams, in the batches of the commands and without a transaction of its own.
func (m *Module) exec(ctx context.Context, w web.Write, named string, write func(*eventstore.Tx)) (eventstore.Receipt, error) {
	cmd := commandOf(w, named)
	cmd.Decide = func(tx *eventstore.Tx) error {
		write(tx)
		return nil
	}
	return m.store.Do(ctx, cmd)
}

// contact is a row of orders.contacts.
type contact struct {
	ID              uuid.UUID
	Email           string
	ShippingAddress *string
	Oversized       bool // the address is too large and was not read
}

// address returns the shipping address as the shopper gave it. It returns nil if there is none, if it exceeds the limits, or if
// it holds a number that no client can read. Older versions stored any address: omitted is true for one that is not shown.
func (c contact) address() (address json.RawMessage, omitted bool) {
	if c.ShippingAddress == nil {
		return nil, c.Oversized
	}
	address = json.RawMessage(*c.ShippingAddress)
	if string(address) == "null" {
		return nil, false
	}
	if CheckAddress(address) != nil || !web.Readable(address) {
		return nil, true
	}
	return address, false
}

// contactsOf returns the contacts of orders by id, in one query. Erased contacts are missing.
func (m *Module) contactsOf(ctx context.Context, found ...eventstore.Stream[State]) (map[uuid.UUID]contact, error) {
	ids := web.Map(found, func(o eventstore.Stream[State]) uuid.UUID { return o.State.ContactID })
	var rows []contact
	if len(ids) > 0 {
		err := m.Views.WithContext(ctx).Table("orders.contacts").
			Select("id, email, case when octet_length(shipping_address::text) <= ? then shipping_address end as shipping_address, "+
				"coalesce(octet_length(shipping_address::text) > ?, false) as oversized", maxAddressBytes, maxAddressBytes).
			Where("id in ?", ids).Find(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("read contacts: %w", err)
		}
	}
	byID := make(map[uuid.UUID]contact, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID, nil
}
