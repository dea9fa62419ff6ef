package cart

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

var errIntoItself = fault.New(fault.Invalid, "same_cart", "A cart cannot be merged into itself.")

// open makes a cart.
//
//	@Summary	Open a cart
//	@Description	Empty, in one currency, owned by whoever calls. With an `If-Match` nothing is opened: 412, since no such cart exists yet.
//	@ID			openCart
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		body			body		openRequest	true	"In what it is paid"
//	@Param		Idempotency-Key	header		string		false	"The same key again is answered, not done again"
//	@Success	201				{object}	View
//	@Header		201				{string}	Location	"/v1/carts/{id}"
//	@Header		201				{string}	ETag		"The version, quoted"
//	@Failure	400,401,413,415	{object}	web.Problem
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
	cart, receipt, err := m.do(c.Request().Context(), edit{cart: id, write: r.Write, command: cmd})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/carts/"+cart.ID.String())
	return answer(c, http.StatusCreated, cart, receipt)
}

// show answers with a cart.
//
//	@Summary	Read a cart, as it is or as it was
//	@Description	Its `ETag` is its version. With `version` it is shown as it was then, lines, prices and all. The scope `pricing` may read every cart.
//	@ID			getCart
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id				path		string	true	"Cart"	format(uuid)
//	@Param		version			query		int		false	"As it was at this version"
//	@Param		If-None-Match	header		string	false	"The version that is at hand"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Success	304
//	@Failure	401	{object}	web.Problem
//	@Failure	404	{object}	web.Problem	"not_found: the cart, or the version"
//	@Failure	422	{object}	web.Problem	"validation_failed: the version is no number from 1"
//	@Router		/v1/carts/{id} [get]
func (m *Module) show(c echo.Context) error {
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	cart, err := m.load(c.Request().Context(), web.CallerOf(c), adjusts, id)
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
	}
	return carts.LoadAt(c.Request().Context(), m.store, now.ID, version)
}

// history answers with the events of a cart.
//
//	@Summary	Read what happened to a cart, oldest first
//	@Description	Every change since it was opened: what it was, when, and by whom.
//	@ID			listCartEvents
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		id		path		string	true	"Cart"	format(uuid)
//	@Param		limit	query		int		false	"Events on a page: 1 to 100, 20 when left out"
//	@Param		after	query		int		false	"Only after this version; as cursor"	minimum(0)
//	@Param		cursor	query		string	false	"next_cursor of the page before"
//	@Success	200		{object}	web.Page[EventView]
//	@Failure	401,404	{object}	web.Problem
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
	views := make([]EventView, len(events))
	for i, e := range events {
		views[i] = eventViewOf(e)
	}
	return c.JSON(http.StatusOK, web.NewLog(views, log.Limit, func(e EventView) int64 { return e.Version }))
}

// list answers with the caller's carts.
//
//	@Summary	List my carts, newest first
//	@Description	Open ones and closed ones, each as it is now.
//	@ID			listCarts
//	@Tags		carts
//	@Security	BearerAuth
//	@Param		limit	query		int		false	"Carts on a page: 1 to 100, 20 when left out"
//	@Param		cursor	query		string	false	"next_cursor of the page before"
//	@Success	200		{object}	web.Page[View]
//	@Failure	401		{object}	web.Problem
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
	views := make([]View, len(mine.Data))
	for i, cart := range mine.Data {
		views[i] = viewOf(cart)
	}
	return c.JSON(http.StatusOK, web.Page[View]{Data: views, NextCursor: mine.NextCursor})
}

// answerEdit changes a cart by the command that parse makes of a request, and answers with the cart.
func answerEdit[T any](m *Module, c echo.Context, may access, parse func(web.Request[T]) (command, error)) error {
	cart, receipt, err := doEdit(m, c, may, parse)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, cart, receipt)
}

func doEdit[T any](
	m *Module, c echo.Context, may access, parse func(web.Request[T]) (command, error),
) (eventstore.Stream[State], eventstore.Receipt, error) {
	var cmd command
	r, err := web.Read(c, m.visibleLast(c, may), func(r web.Request[T]) (err error) {
		cmd, err = parse(r)
		return err
	})
	if err != nil {
		return eventstore.Stream[State]{}, eventstore.Receipt{}, err
	}
	return m.do(c.Request().Context(), edit{cart: r.ID, caller: r.Caller, access: may, write: r.Write, command: cmd})
}

// visibleLast hides the cart from callers without access when the request is refused. The command checks the access of the others.
func (m *Module) visibleLast(c echo.Context, may access) web.Needs {
	return web.Needs{VisibleLast: true, Visible: func(id uuid.UUID) error {
		_, err := m.load(c.Request().Context(), web.CallerOf(c), may, id)
		return err
	}}
}

// answer writes the cart in the state after a write.
func answer(c echo.Context, status int, cart eventstore.Stream[State], receipt eventstore.Receipt) error {
	web.Replayed(c, receipt.Replayed)
	web.ETag(c, cart.Version)
	return c.JSON(status, viewOf(cart))
}
