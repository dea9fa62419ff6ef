package cart

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// cartsOf are the carts of a customer, newest first, and one more than the page holds.
func (m *Module) cartsOf(ctx context.Context, customer string, page web.PageRequest) ([]eventstore.Stream[State], error) {
	query := m.Views.WithContext(ctx).Table("cart.streams").Where("kind = 'cart' and customer = ?", customer)
	ids, err := newest(query, page)
	if err != nil {
		return nil, fmt.Errorf("list the carts of %s: %w", customer, err)
	}
	return carts.LoadAll(ctx, m.store, ids)
}

// search are the products whose name or SKU holds text, in either case; all of them for no text. strpos knows no
// wildcards, so a percent sign is a percent sign.
func (m *Module) search(ctx context.Context, text string, page web.PageRequest) ([]eventstore.Stream[Product], error) {
	query := m.Views.WithContext(ctx).Table("cart.streams").Where("kind = 'product'")
	if text != "" {
		query = query.Where("strpos(state->>'search', ?) > 0", searchable(text))
	}
	ids, err := newest(query, page)
	if err != nil {
		return nil, fmt.Errorf("search the products: %w", err)
	}
	return products.LoadAll(ctx, m.store, ids)
}

// newest are the ids of a page of streams, and of one more.
func newest(query *gorm.DB, page web.PageRequest) ([]uuid.UUID, error) {
	if at := page.Cursor; !at.IsZero() {
		query = query.Where("(created_at, id) < (?, ?)", at.At, at.ID)
	}
	var ids []uuid.UUID
	err := query.Order("created_at desc, id desc").Limit(page.Limit+1).Pluck("id", &ids).Error
	return ids, err
}
