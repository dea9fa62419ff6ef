package cart

import (
	"cmp"
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// listProducts answers with the price book.
//
//	@Summary	List or search products, newest first
//	@Description	`q` selects the products whose name or SKU contains the text.
//	@ID			listProducts
//	@Tags		products
//	@Param		q		query		string	false	"A part of the name or the SKU, in upper or lower case"
//	@Param		limit	query		int		false	"Page size: 1 to 100, 20 by default"
//	@Param		cursor	query		string	false	"next_cursor of the previous page"
//	@Success	200		{object}	web.Page[ProductView]
//	@Failure	422		{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Failure	429		{object}	web.Problem	"too_many_requests: more searches than SEARCH_CONNECTIONS allows"
//	@Failure	503		{object}	web.Problem	"search_too_slow"
//	@Router		/v1/products [get]
func (m *Module) listProducts(c echo.Context) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	found, err := m.listOrSearch(c.Request().Context(), c.QueryParam("q"), page)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}

func (m *Module) listOrSearch(ctx context.Context, text string, page web.PageRequest) (web.Page[ProductView], error) {
	if text == "" {
		return m.productList(ctx, page)
	}
	return m.search(ctx, text, page)
}

// showProduct answers with a product.
//
//	@Summary	Read a product
//	@Description	Shows the current price and the number of units that can be sold. `available` is null if the stock is not tracked. The `ETag` is the version, followed by a dot and `available` if the stock is tracked: `"7"` or `"7.12"`. The `If-Match` of a PUT accepts both forms and compares the version.
//	@ID			getProduct
//	@Tags		products
//	@Param		sku				path		string	true	"SKU, percent-encoded"
//	@Param		If-None-Match	header		string	false	"The ETag that the client has"
//	@Success	200				{object}	ProductView
//	@Header		200				{string}	ETag	"The version and the available units, quoted"
//	@Success	304
//	@Failure	404	{object}	web.Problem	"unknown_product"
//	@Failure	422	{object}	web.Problem	"validation_failed: not a valid SKU"
//	@Router		/v1/products/{sku} [get]
func (m *Module) showProduct(c echo.Context) error {
	sku, err := web.SKU(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	product, err := products.Load(ctx, m.store, productID(sku))
	if err != nil {
		return err
	}
	if !product.State.known() {
		return errUnknownProduct
	}
	views, err := m.withStock(ctx, product)
	if err != nil {
		return err
	}
	if web.NotModified(c, product.Version, views[0].beside()...) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSON(http.StatusOK, views[0])
}

// putProduct sets the price book's entry of a SKU.
//
//	@Summary		Add a product to the price book, or change it
//	@Description	Carts with the product keep its old price until they are repriced.
//	@ID				putProduct
//	@Tags			products
//	@Security		BearerAuth[catalog:write]
//	@Param			sku					path		string			true	"SKU, percent-encoded"
//	@Param			body				body		productRequest	true	"The whole product. Without active, an existing product keeps its value and a new one is active"
//	@Param			Idempotency-Key		header		string			false	"Repeating a request with the same key returns the original response"
//	@Param			If-Match			header		string			false	"Only if the product has this version"
//	@Param			If-None-Match		header		string			false	"*: only if the product does not exist"
//	@Success		200					{object}	ProductView		"Changed"
//	@Success		201					{object}	ProductView		"Created"
//	@Header			200,201				{string}	ETag			"The version and the available units, quoted"
//	@Failure		403	{object}	web.Problem
//	@Failure		412					{object}	web.Problem	"version_mismatch"
//	@Failure		422					{object}	web.Problem	"validation_failed, amount_too_large, unknown_field, idempotency_key_reused"
//	@Router			/v1/products/{sku} [put]
func (m *Module) putProduct(c echo.Context) error {
	var cmd putProduct
	r, err := web.Read(c, web.Needs{}, func(r web.Request[productRequest]) (err error) {
		cmd, err = r.Body.command(r.SKU)
		return err
	})
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	receipt, err := m.put(ctx, r.Write, cmd)
	if err != nil {
		return err
	}
	return m.answerPut(ctx, c, receipt)
}

func (m *Module) put(ctx context.Context, write web.Write, c putProduct) (eventstore.Receipt, error) {
	id := productID(c.SKU)
	return products.Handle(ctx, m.store, id, commandOf(write, "put"), func(tx *eventstore.Tx, product eventstore.Stream[Product]) ([]ProductEvent, error) {
		if err := checkVersion(tx, id, write); err != nil {
			return nil, err
		}
		status := http.StatusOK
		if !product.Exists() {
			status = http.StatusCreated
		}
		tx.SetStatus(status)
		events, err := decideProduct(product.State, c)
		after := product.State
		for _, e := range events {
			after = evolveProduct(after, e)
		}
		saveSearched(tx, product, after)
		return events, err
	})
}

func (m *Module) answerPut(ctx context.Context, c echo.Context, receipt eventstore.Receipt) error {
	product, err := products.Result(ctx, m.store, receipt)
	if err != nil {
		return err
	}
	views, err := m.withStock(ctx, product)
	if err != nil {
		return err
	}
	web.Replayed(c, receipt.Replayed)
	web.ETag(c, product.Version, views[0].beside()...)
	return c.JSON(cmp.Or(receipt.Status, http.StatusOK), views[0])
}

// withStock returns products in their wire form, with the available stock of each.
func (m *Module) withStock(ctx context.Context, found ...eventstore.Stream[Product]) ([]ProductView, error) {
	available, err := m.Stock.Available(ctx, web.Map(found, func(p eventstore.Stream[Product]) string { return p.State.SKU }))
	if err != nil {
		return nil, err
	}
	return web.Map(found, func(p eventstore.Stream[Product]) ProductView { return productViewOf(p.State, available) }), nil
}
