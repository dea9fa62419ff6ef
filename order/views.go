package order

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// query is what a list asks for. Empty fields narrow nothing, and without a status pending orders are left out.
type query struct {
	customer string
	number   string
	email    string // in any letter case
	status   Status
}

// ofEmail goes by way of the customers, whom an index finds: no index looks into a state. They come as an array, made
// once; joined, the planner may read all orders, newest first, to find a few. "is true" makes the second condition a
// look-up in a hash; joined, each order of a customer would be compared with each of their contacts.
const ofEmail = `customer = any(array(select distinct customer from orders.contacts where lower(email) = lower(?)))
	and ((state->>'contact_id')::uuid in (select id from orders.contacts where lower(email) = lower(?))) is true`

func (q query) narrow(db *gorm.DB) *gorm.DB {
	if q.customer != "" {
		db = db.Where("customer = ?", q.customer)
	}
	if q.number != "" {
		db = db.Where("key = ?", q.number)
	}
	if q.email != "" {
		db = db.Where(ofEmail, q.email, q.email)
	}
	if q.status != "" {
		return db.Where("status = ?", string(q.status))
	}
	return db.Where("status <> 'pending'")
}

// listed is where a row stands in a list.
type listed struct {
	ID        uuid.UUID
	CreatedAt time.Time
}

// list answers a page of orders, newest first, in three queries however long it is: which, their states, their contacts.
func (m *Module) list(ctx context.Context, q query, p web.PageRequest) (web.Page[View], error) {
	// The first condition is a literal, so that a generic plan still fits the partial indexes.
	db := q.narrow(m.views.WithContext(ctx).Table("orders.streams").Select("id, created_at").
		Where("kind = 'order' and customer is not null"))
	if !p.Cursor.IsZero() {
		db = db.Where("(created_at, id) < (?, ?)", p.Cursor.At, p.Cursor.ID)
	}
	var rows []listed
	if err := db.Order("created_at desc, id desc").Limit(p.Limit + 1).Find(&rows).Error; err != nil {
		return web.Page[View]{}, fmt.Errorf("list orders: %w", err)
	}
	page := web.NewPage(rows, p.Limit, func(r listed) web.Cursor { return web.Cursor{At: r.CreatedAt, ID: r.ID} })
	views, err := m.read(ctx, page.Data)
	return web.Page[View]{Data: views, NextCursor: page.NextCursor}, err
}

// read makes the views of orders, in their order.
func (m *Module) read(ctx context.Context, rows []listed) ([]View, error) {
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	if len(ids) == 0 {
		return []View{}, nil
	}
	found, err := orders.LoadKnown(ctx, m.store, ids)
	if err != nil {
		return nil, err
	}
	contacts, err := m.contactsOf(ctx, found)
	if err != nil {
		return nil, err
	}
	views := make([]View, len(found))
	for i, o := range found {
		views[i] = viewOf(o, contacts)
	}
	return views, nil
}

// view is one order with its contact.
func (m *Module) view(ctx context.Context, o eventstore.Stream[State]) (View, error) {
	contacts, err := m.contactsOf(ctx, []eventstore.Stream[State]{o})
	if err != nil {
		return View{}, err
	}
	return viewOf(o, contacts), nil
}

// Available is how many units can still be sold, for those of the SKUs whose stock is tracked.
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
