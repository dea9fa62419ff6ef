package admin

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

var errNoModule = web.Refused("module", "unknown_module", "Name one of cart, order, payment, saga, audit.")

// listEvents reads the log of a module.
//
//	@Summary		Read the log of a module, oldest first
//	@ID				listEvents
//	@Tags			operators
//	@Security		BearerAuth[events:read]
//	@Param			module	query		string	true	"The module; each has its own positions"	Enums(cart,order,payment,saga,audit)
//	@Param			stream	query		string	false	"Only this stream"								format(uuid)
//	@Param			type	query		string	false	"Only this type of event, such as cart.item_added"
//	@Param			after	query		int		false	"Only events after this position"	minimum(0)
//	@Param			limit	query		int		false	"Maximum number"			minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the previous page"
//	@Success		200		{object}	web.Page[saga.EventView]
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"validation_failed"
//	@Router			/v1/admin/events [get]
func (m *Module) listEvents(c echo.Context) error {
	page, err := web.AfterOf(c)
	if err != nil {
		return err
	}
	of, known := m.store(c.QueryParam("module"))
	if !known {
		return errNoModule
	}
	filter := eventstore.Filter{Type: c.QueryParam("type")}
	if s := c.QueryParam("stream"); s != "" {
		if filter.Stream, err = uuid.Parse(s); err != nil {
			return web.Refused("stream", "not_an_id", "This is not an id.")
		}
	}
	events, err := of.ReadLog(c.Request().Context(), page.After, page.Limit+1, filter)
	if err != nil {
		return err
	}
	if err := of.RevealEvents(c.Request().Context(), events); err != nil {
		return err
	}
	views := make([]saga.EventView, len(events))
	for i, e := range events {
		views[i] = saga.EventViewOf(e)
	}
	return c.JSON(http.StatusOK, web.NewPage(views, page.Limit, func(v saga.EventView) int64 { return v.Position }))
}
