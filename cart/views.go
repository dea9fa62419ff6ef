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
	return inOrder(ctx, m.store, carts, ids)
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
	return inOrder(ctx, m.store, products, ids)
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

// inOrder loads streams and keeps the order of the list. Loading refolds a state that another version of the program
// left, which the list itself could not.
func inOrder[S any, E eventstore.Event](ctx context.Context, s *eventstore.Store, a *eventstore.Aggregate[S, E], ids []uuid.UUID) ([]eventstore.Stream[S], error) {
	loaded, err := a.LoadAll(ctx, s, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]eventstore.Stream[S], len(loaded))
	for _, one := range loaded {
		byID[one.ID] = one
	}
	out := make([]eventstore.Stream[S], 0, len(ids))
	for _, id := range ids {
		if one, ok := byID[id]; ok {
			out = append(out, one)
		}
	}
	return out, nil
}
