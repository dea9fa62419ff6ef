package cart

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// open makes a cart.
//
//	@Summary	Open a cart
//	@Description	The cart is empty, has one currency and belongs to the caller. A request with an `If-Match` is refused with 412, since the cart does not exist yet.
//	@ID			openCart
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		body			body		openRequest	true	"The currency of the cart"
//	@Success	201				{object}	View
//	@Header		201				{string}	Location	"/v1/carts/{id}"
//	@Header		201				{string}	ETag		"The version, quoted"
//	@Failure	412				{object}	web.Problem	"version_mismatch: If-Match was sent"
//	@Failure	422				{object}	web.Problem	"validation_failed, unknown_field, idempotency_key_reused"
//	@Router		/v1/carts [post]
func (m *Module) open(c echo.Context) error {
	r, err := web.Read(c, web.Needs{}, func(r web.Request[openRequest]) error { return web.EndedCurrency("currency", r.Body.Currency) })
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	cmd := create{CustomerID: r.Caller.Subject, Currency: r.Body.Currency}
	cart, err := m.edit(c.Request().Context(), edit{cart: id, write: r.Write, command: cmd})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/carts/"+cart.ID.String())
	return answer(c, http.StatusCreated, cart)
}

// show answers with a cart.
//
//	@Summary	Read a cart, now or at an earlier version
//	@Description	The `ETag` is the version. `version` shows the cart as it was then, with its lines and prices.
//	@ID			getCart
//	@Tags		carts
//	@Security	BearerAuth
//	@x-operator-scopes ["orders:read","carts:price"]
//	@Param		id				path		string	true	"Cart"	format(uuid)
//	@Param		version			query		int		false	"Show the cart at this version"
//	@Param		If-None-Match	header		string	false	"The version that the client has"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Success	304
//	@Failure	404	{object}	web.Problem	"not_found: the cart, or the version"
//	@Failure	422	{object}	web.Problem	"validation_failed: the version is not a number from 1"
//	@Failure	429	{object}	web.Problem	"too_many_requests: many old versions are being read"
//	@Router		/v1/carts/{id} [get]
func (m *Module) show(c echo.Context) error {
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	cart, err := m.load(c.Request().Context(), web.CallerOf(c), id)
	if err != nil {
		return err
	}
	if version := c.QueryParam("version"); version != "" {
		if cart, err = m.asOf(c, cart, version); err != nil {
			return err
		}
	}
	if web.NotModified(c, cart.Version) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSON(http.StatusOK, viewOf(cart))
}

var errNoSuchVersion = errNotFound.Detailf("The cart has no such version.")

// asOf returns the cart at the version that the client named.
func (m *Module) asOf(c echo.Context, now eventstore.Stream[State], named string) (eventstore.Stream[State], error) {
	version, err := strconv.ParseInt(named, 10, 64)
	switch {
	case err != nil || version < 1:
		return now, web.Refused("version", "range", "It must be a whole number from 1.")
	case version > now.Version:
		return now, errNoSuchVersion
	case version == now.Version:
		return now, nil
	}
	return carts.LoadAt(c.Request().Context(), m.store, now.ID, version)
}

// history answers with the events of a cart.
//
//	@Summary	List the events of a cart, oldest first
//	@Description	Lists every change since the cart was opened: what changed, when, and by whom.
//	@ID			listCartEvents
//	@Tags		carts
//	@Security	BearerAuth
//	@x-operator-scopes ["orders:read"]
//	@Param		id		path		string	true	"Cart"	format(uuid)
//	@Param		limit	query		int		false	"Page size: 1 to 100, 20 by default"
//	@Param		after	query		int		false	"Only events after this version; the same as cursor"	minimum(0)
//	@Param		cursor	query		string	false	"next_cursor of the previous page"
//	@Success	200		{object}	web.Page[EventView]
//	@Failure	422		{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Router		/v1/carts/{id}/events [get]
func (m *Module) history(c echo.Context) error {
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if _, err := m.Authorize(ctx, web.CallerOf(c), id); err != nil {
		return err
	}
	log, err := web.AfterOf(c)
	if err != nil {
		return err
	}
	events, err := m.store.ReadStream(ctx, id, log.After, log.Limit+1)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, web.NewPage(web.Map(events, eventViewOf), log.Limit, func(e EventView) int64 { return e.Version }))
}

// list answers with the caller's carts.
//
//	@Summary	List my carts, newest first
//	@Description	Lists open and closed carts in their current state.
//	@ID			listCarts
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		limit	query		int		false	"Page size: 1 to 100, 20 by default"
//	@Param		cursor	query		string	false	"next_cursor of the previous page"
//	@Success	200		{object}	web.Page[View]
//	@Failure	422		{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Router		/v1/carts [get]
func (m *Module) list(c echo.Context) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	mine, err := m.cartsOf(c.Request().Context(), web.CallerOf(c).Subject, page)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, mine)
}
