package order

import (
	"context"
	"database/sql"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// query holds the filters of a list. An empty field does not filter.
type query struct {
	customer string
	number   string
	email    string // folded
	status   Status
	lacking  absence
	refunded refundedPart
	created  web.Created
}

// absence selects the orders that a list leaves out.
type absence int

const (
	nothing     absence = iota
	pending             // orders that are pending
	unconfirmed         // orders that were never confirmed: pending ones, and those that a checkout cancelled
)

// ofEmail finds the customers first, by an index, since no index covers the state. They form an array that is built once. With a
// join, the planner may read all orders, newest first, to find a few. "is true" turns the second condition into a hash lookup.
// With a join, each order of a customer would be compared with each of their contacts.
var ofEmail = `o.customer = any(array(select distinct customer from orders.contacts where ` + withEmail + `))
	and (` + eventstore.TextOf("o.state", "contact_id") + ` in (select id::text from orders.contacts where ` + withEmail + `)) is true`

// withEmail finds contacts by a folded address. It finds an unfolded one only if the database lowers letters the same way.
const withEmail = `(email_folded = @email or email_folded is null and lower(email) = @email)`

// rows queries a page of orders, newest first, and one more.
func (q query) rows(db *gorm.DB, p web.PageRequest) *gorm.DB {
	// The first condition is a literal, so that a generic plan still matches the partial indexes.
	db = q.narrow(db.Table("orders.streams o").Where("o.kind = 'order' and o.customer is not null"))
	at := q.refunded.ordered()
	bounds, moments := q.created.Where(at + ".created_at")
	return p.Newest(db.Where(bounds, moments...), at)
}

func (q query) narrow(db *gorm.DB) *gorm.DB {
	if q.customer != "" {
		db = db.Where("o.customer = ?", q.customer)
	}
	if q.number != "" {
		db = db.Where("o.key = ?", q.number)
	}
	if q.email != "" {
		db = db.Where(ofEmail, sql.Named("email", q.email))
	}
	if q.status != "" {
		db = db.Where("o.status = ?", string(q.status))
	}
	return q.lacking.narrow(q.refunded.narrow(db))
}

// narrow leaves orders out. A cancelled order was confirmed if its state names the saga that cancelled it.
func (a absence) narrow(db *gorm.DB) *gorm.DB {
	switch a {
	case nothing:
	case pending:
		return db.Where("o.status <> 'pending'")
	case unconfirmed:
		return db.Where("o.status <> 'pending' and (o.status <> 'cancelled' or " + eventstore.TextOf("o.state", "cancellation_id") + " is not null)")
	}
	return db
}

// list returns a page of orders, newest first. It needs three queries for any length: ids, states, contacts.
func (m *Module) list(ctx context.Context, q query, p web.PageRequest) (web.Page[View], error) {
	return web.ListNewest("orders", q.rows(m.Views.WithContext(ctx), p), p, func(ids []uuid.UUID) ([]View, int, error) {
		found, covered, err := orders.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
		if err != nil {
			return nil, 0, err
		}
		contacts, err := m.contactsOf(ctx, found...)
		return web.Map(found, func(o eventstore.Stream[State]) View { return viewOf(o, contacts) }), covered, err
	})
}

// view returns one order with its contact.
func (m *Module) view(ctx context.Context, o eventstore.Stream[State]) (View, error) {
	contacts, err := m.contactsOf(ctx, o)
	return viewOf(o, contacts), err
}

// Available returns the sellable units of those SKUs with tracked stock.
func (m *Module) Available(ctx context.Context, skus []string) (map[string]int64, error) {
	available := make(map[string]int64, len(skus))
	if len(skus) == 0 {
		return available, nil
	}
	found, err := stocks.LoadKnown(ctx, m.store, web.Map(skus, stockID))
	for _, s := range found {
		available[s.State.SKU] = s.State.Available()
	}
	return available, err
}
