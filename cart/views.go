package cart

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// cartsOf returns a page of a customer's carts, newest first.
func (m *Module) cartsOf(ctx context.Context, customer string, p web.PageRequest) (web.Page[eventstore.Stream[State]], error) {
	query := m.Views.WithContext(ctx).Table("cart.streams").Where("kind = 'cart' and customer = ?", customer)
	page, err := newest(ctx, m.store, carts, query, p)
	if err != nil {
		return page, fmt.Errorf("list the carts of %s: %w", customer, err)
	}
	return page, nil
}

// search returns a page of the products with text in their name or SKU, in either case. Empty text matches all. strpos has no
// wildcards, so a percent sign matches itself.
func (m *Module) search(ctx context.Context, text string, p web.PageRequest) (web.Page[eventstore.Stream[Product]], error) {
	query := m.Views.WithContext(ctx).Table("cart.streams").Where("kind = 'product'")
	if text != "" {
		query = query.Where("strpos("+eventstore.TextOf("state", "search")+", ?) > 0", searchable(text))
	}
	page, err := newest(ctx, m.store, products, query, p)
	if err != nil {
		return page, fmt.Errorf("search the products: %w", err)
	}
	return page, nil
}

// listed is the position of a row in a list.
type listed struct {
	ID        uuid.UUID
	CreatedAt time.Time
}

func place(r listed) web.Cursor { return web.Cursor{At: r.CreatedAt, ID: r.ID} }

// newest returns a page of streams. The page is cut before they are loaded, so a stream that is left out does not end the list.
func newest[S any, E eventstore.Event](
	ctx context.Context, store *eventstore.Store, of *eventstore.Aggregate[S, E], query *gorm.DB, p web.PageRequest,
) (web.Page[eventstore.Stream[S]], error) {
	if at := p.Cursor; !at.IsZero() {
		query = query.Where("(created_at, id) < (?, ?)", at.At, at.ID)
	}
	var rows []listed
	if err := query.Select("id, created_at").Order("created_at desc, id desc").Limit(p.Limit + 1).Find(&rows).Error; err != nil {
		return web.Page[eventstore.Stream[S]]{}, err
	}
	page := web.NewPage(rows, p.Limit, place)
	ids := make([]uuid.UUID, len(page.Data))
	for i, r := range page.Data {
		ids[i] = r.ID
	}
	found, covered, err := of.LoadPage(ctx, store, ids, web.MaxPageBytes)
	page = page.Until(covered, place)
	return web.Page[eventstore.Stream[S]]{Data: found, NextCursor: page.NextCursor}, err
}
