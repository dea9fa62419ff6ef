package order

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/eventstore"
	"shopping-cart/platform/email"
	"shopping-cart/platform/web"
)

// SaveContact stores the personal data of a future order. It keeps the first contact under an id.
func (m *Module) SaveContact(ctx context.Context, c Contact) error {
	return eventstore.Chain(ctx, m.ContactLink(c))[0].Err
}

// ContactLink returns the command of SaveContact for a chain. It is harmless, since it keeps the first contact.
func (m *Module) ContactLink(c Contact) eventstore.Link {
	var address any // NULL if there is none
	if len(c.ShippingAddress) > 0 {
		address = string(c.ShippingAddress)
	}
	cmd := commandOf(web.Write{Caller: web.Caller{Subject: c.CustomerID}}, "save_contact")
	cmd.Harmless = true
	cmd.Decide = func(tx *eventstore.Tx) error {
		tx.Exec(`insert into orders.contacts (id, customer, email, email_folded, shipping_address, created_at)
			values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing`, c.ID, c.CustomerID, c.Email, email.Fold(c.Email), address, tx.Now())
		return nil
	}
	return eventstore.Link{Store: m.store, Command: cmd}
}

// DropContact erases personal data that no order needs. It does nothing if there is none.
func (m *Module) DropContact(ctx context.Context, id uuid.UUID) error {
	_, err := m.exec(ctx, web.Write{}, "drop_contact", func(tx *eventstore.Tx) { tx.Exec(`delete from orders.contacts where id = $1`, id) })
	return err
}

// ContactsOf returns the contacts of customers.
func (m *Module) ContactsOf(ctx context.Context, customers []string) ([]ContactRef, error) {
	return collect[ContactRef](ctx, m.Query, "find the contacts of customers", "select id, customer, email from orders.contacts where customer = any($1)", customers)
}

// ContactsByEmail returns the contacts with an e-mail address, in upper or lower case of any script.
func (m *Module) ContactsByEmail(ctx context.Context, address string) ([]ContactRef, error) {
	const sql = "select id, customer, email from orders.contacts where email_folded = $1 or email_folded is null and lower(email) = $1"
	return collect[ContactRef](ctx, m.Query, "find contacts by e-mail address", sql, email.Fold(address))
}

// ReadContacts returns contacts as {email, shipping_address}.
func (m *Module) ReadContacts(ctx context.Context, ids []uuid.UUID) ([]eventstore.Document, error) {
	return m.store.Documents(ctx, `select id, created_at, created_at, json_build_object('email', email, 'shipping_address', shipping_address)
		from @.contacts where id = any($1)`, ids)
}

// oldContact finds old contacts, unless their order still has to be confirmed, fulfilled or cancelled.
var oldContact = `created_at < now() - $3::interval and not exists (select from orders.streams o
	where o.kind = 'order' and o.customer is not null and o.customer = contacts.customer and o.status in ('pending', 'confirmed', 'cancelling')
	and ` + eventstore.TextOf("o.state", "contact_id") + ` = contacts.id::text)`

// EraseContacts deletes contacts. A repetition of the write deletes too.
func (m *Module) EraseContacts(ctx context.Context, w web.Write, ids []uuid.UUID) (replayed bool, err error) {
	erase := func(tx *eventstore.Tx) { tx.Exec(`delete from orders.contacts where id = any($1)`, ids) }
	receipt, err := m.exec(ctx, w, "erase_contacts", erase)
	if receipt.Replayed && err == nil && len(ids) > 0 {
		_, err = m.exec(ctx, web.Write{Actor: w.Actor}, "erase_contacts", erase)
	}
	return receipt.Replayed, err
}

// held finds orders by the index of customers.
var held = `select id, coalesce(` + eventstore.TextOf("state", "contact_id") + `, ''), coalesce(` + eventstore.TextOf("state", "payment_id") + `, '')
	from orders.streams where kind = 'order' and customer is not null and customer = any($1)`

// HeldOf returns all orders of customers, also those that were never confirmed.
func (m *Module) HeldOf(ctx context.Context, customers []string) ([]Held, error) {
	return collect[Held](ctx, m.Query, "find the orders of customers", held, customers)
}

func collect[T any](ctx context.Context, pool *pgxpool.Pool, what, sql string, args ...any) ([]T, error) {
	rows, _ := pool.Query(ctx, sql, args...)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return found, nil
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
