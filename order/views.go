package order

import (
	"context"
	"database/sql"
	"fmt"
	"time"

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
	db = q.narrow(db.Table("orders.streams o").Select("o.id, o.created_at").Where("o.kind = 'order' and o.customer is not null"))
	at := q.refunded.ordered()
	bounds, moments := q.created.Where(at + ".created_at")
	db = db.Where(bounds, moments...)
	if !p.Cursor.IsZero() {
		db = db.Where("("+at+".created_at, "+at+".id) < (?, ?)", p.Cursor.At, p.Cursor.ID)
	}
	return db.Order(at + ".created_at desc, " + at + ".id desc").Limit(p.Limit + 1)
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

// listed is the position of a row in a list.
type listed struct {
	ID        uuid.UUID
	CreatedAt time.Time
}

// list returns a page of orders, newest first. It needs three queries for any length: ids, states, contacts.
func (m *Module) list(ctx context.Context, q query, p web.PageRequest) (web.Page[View], error) {
	var rows []listed
	if err := q.rows(m.views.WithContext(ctx), p).Find(&rows).Error; err != nil {
		return web.Page[View]{}, fmt.Errorf("list orders: %w", err)
	}
	page := web.NewPage(rows, p.Limit, inList)
	views, covered, err := m.read(ctx, page.Data)
	return web.Page[View]{Data: views, NextCursor: page.Until(covered, inList).NextCursor}, err
}

func inList(r listed) web.Cursor { return web.Cursor{At: r.CreatedAt, ID: r.ID} }

// read returns the views of orders in their order, as many as fit on one page.
func (m *Module) read(ctx context.Context, rows []listed) (views []View, covered int, err error) {
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	if len(ids) == 0 {
		return []View{}, 0, nil
	}
	found, covered, err := orders.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
	if err != nil {
		return nil, 0, err
	}
	contacts, err := m.contactsOf(ctx, found)
	if err != nil {
		return nil, 0, err
	}
	views = make([]View, len(found))
	for i, o := range found {
		views[i] = viewOf(o, contacts)
	}
	return views, covered, nil
}

// view returns one order with its contact.
func (m *Module) view(ctx context.Context, o eventstore.Stream[State]) (View, error) {
	contacts, err := m.contactsOf(ctx, []eventstore.Stream[State]{o})
	if err != nil {
		return View{}, err
	}
	return viewOf(o, contacts), nil
}

// Available returns the sellable units of those SKUs with tracked stock.
func (m *Module) Available(ctx context.Context, skus []string) (map[string]int64, error) {
	if len(skus) == 0 {
		return map[string]int64{}, nil
	}
	ids := make([]uuid.UUID, len(skus))
	for i, sku := range skus {
		ids[i] = stockID(sku)
	}
	found, err := stocks.LoadKnown(ctx, m.store, ids)
	if err != nil {
		return nil, err
	}
	available := make(map[string]int64, len(found))
	for _, s := range found {
		available[s.State.SKU] = s.State.Available()
	}
	return available, nil
}
