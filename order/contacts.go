package order

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/email"
)

// SaveContact stores the personal data of a future order. It keeps the first contact under an id.
func (m *Module) SaveContact(ctx context.Context, c Contact) error {
	var address any // NULL if there is none
	if len(c.ShippingAddress) > 0 {
		address = string(c.ShippingAddress)
	}
	return m.also(ctx, func(tx *eventstore.Tx) {
		tx.Exec(`insert into orders.contacts (id, customer, email, email_folded, shipping_address, created_at)
			values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing`, c.ID, c.CustomerID, c.Email, email.Fold(c.Email), address, tx.Now())
	})
}

// DropContact erases personal data that no order needs. It does nothing if there is none.
func (m *Module) DropContact(ctx context.Context, id uuid.UUID) error {
	return m.also(ctx, func(tx *eventstore.Tx) {
		tx.Exec(`delete from orders.contacts where id = $1`, id)
	})
}

// eraseElsewhere erases personal data that is stored with a customer's payments. It covers the payments of orders that were never
// confirmed: an order is placed before its payment is requested.
func (m *Module) eraseElsewhere(ctx context.Context, customer string) error {
	var found []sql.NullString
	err := m.views.WithContext(ctx).Table("orders.streams").Where("kind = 'order' and customer = ?", customer).
		Pluck(eventstore.TextOf("state", "payment_id"), &found).Error
	if err != nil {
		return fmt.Errorf("find the payments of a customer: %w", err)
	}
	var payments []uuid.UUID
	for _, text := range found {
		if id, err := uuid.Parse(text.String); err == nil { // an unreadable payment id must not keep the others from erasure
			payments = append(payments, id)
		}
	}
	return m.payments.Erase(ctx, payments)
}

// also writes rows beside the streams, in the batches of the commands and without a transaction of its own.
func (m *Module) also(ctx context.Context, write func(*eventstore.Tx)) error {
	_, err := m.store.Do(ctx, eventstore.Command{Decide: func(tx *eventstore.Tx) error {
		write(tx)
		return nil
	}})
	return err
}

// contact is a row of orders.contacts.
type contact struct {
	ID              uuid.UUID
	Email           string
	ShippingAddress *string
	Oversized       bool // the address is too large and was not read
}

// contactsOf returns the contacts of orders by id, in one query. Erased contacts are missing.
func (m *Module) contactsOf(ctx context.Context, found []eventstore.Stream[State]) (map[uuid.UUID]contact, error) {
	ids := make([]uuid.UUID, len(found))
	for i, o := range found {
		ids[i] = o.State.ContactID
	}
	var rows []contact
	if len(ids) > 0 {
		err := m.views.WithContext(ctx).Table("orders.contacts").
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
