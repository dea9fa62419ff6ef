package cart

import (
	"context"

	"github.com/google/uuid"

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

// productList returns a page of all products, newest first.
func (m *Module) productList(ctx context.Context, p web.PageRequest) (web.Page[ProductView], error) {
	query := m.Views.WithContext(ctx).Table("cart.streams").Where("kind = 'product'")
	return web.ListNewest("products", p.Newest(query, "streams"), p, m.loadProducts(ctx))
}

// loadProducts returns a function that loads a page of products.
func (m *Module) loadProducts(ctx context.Context) func(ids []uuid.UUID) ([]ProductView, int, error) {
	return func(ids []uuid.UUID) ([]ProductView, int, error) {
		found, covered, err := products.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
		if err != nil {
			return nil, 0, err
		}
		views, err := m.withStock(ctx, found...)
		return views, covered, err
	}
}
