package cart

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// cartsOf returns a page of a customer's carts, newest first.
func (m *Module) cartsOf(ctx context.Context, customer string, p web.PageRequest) (web.Page[View], error) {
	query := m.Views.WithContext(ctx).Table("cart.streams").Where("kind = 'cart' and customer = ?", customer)
	return web.ListNewest("carts", p.Newest(query, "streams"), p, func(ids []uuid.UUID) ([]View, int, error) {
		found, covered, err := carts.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
		return web.Map(found, viewOf), covered, err
	})
}

// search returns a page of the products with text in their name or SKU, in either case. Empty text matches all. strpos has no
// wildcards, so a percent sign matches itself.
func (m *Module) search(ctx context.Context, text string, p web.PageRequest) (web.Page[ProductView], error) {
	query := m.Views.WithContext(ctx).Table("cart.streams").Where("kind = 'product'")
	if text != "" {
		query = query.Where("strpos("+eventstore.TextOf("state", "search")+", ?) > 0", searchable(text))
	}
	return web.ListNewest("products", p.Newest(query, "streams"), p, func(ids []uuid.UUID) ([]ProductView, int, error) {
		found, covered, err := products.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
		if err != nil {
			return nil, 0, err
		}
		views, err := m.withStock(ctx, found...)
		return views, covered, err
	})
}
