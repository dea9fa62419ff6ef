package admin

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// TimelinePage is a part of what led to an order.
type TimelinePage struct {
	web.Page[TimelineEntry]
	Unavailable []string `json:"unavailable" enums:"cart,order,payment,saga"` // modules whose database does not answer: what they know is left out
}

// showTimeline tells how an order came about.
//
//	@Summary		Read what led to an order, oldest first
//	@Description	The events of its cart, its checkout, refunds and cancellation with every step and attempt, its payment and the order itself, webhooks as they came, and what operators did: by time, and nothing before its cause. What one entry gave as its command is the causation of what followed from it. Customers see whether it was them or the shop, and no data. Modules whose database does not answer within two seconds are named in `unavailable`; what they know is left out, and follows on a later page where there is one.
//	@ID				getOrderTimeline
//	@Tags			orders
//	@Security		Bearer
//	@Param			id		path		string	true	"Order"				format(uuid)
//	@Param			limit	query		int		false	"At most this many"	minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the page before"
//	@Success		200		{object}	TimelinePage
//	@Failure		401		{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Failure		422		{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Failure		503		{object}	web.Problem	"unavailable, where the orders cannot be read"
//	@Router			/v1/orders/{id}/timeline [get]
func (m *Module) showTimeline(c echo.Context) error {
	ctx, caller := c.Request().Context(), web.CallerOf(c)
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	trail, err := m.Orders.References(ctx, caller, id)
	if err != nil {
		return err
	}
	limit, from, err := web.CursorOf[cursor](c)
	if err != nil {
		return err
	}
	entries, away, err := m.timeline(ctx, id, trail, from, limit+1)
	if err != nil {
		return err
	}
	page := web.NewPage(entries, limit, func(TimelineEntry) cursor {
		at := from
		for _, e := range entries[:limit] {
			at = at.advance(e)
		}
		return at
	})
	if !caller.Operator() {
		page.Data = forCustomer(page.Data, trail.CustomerID)
	}
	return c.JSON(http.StatusOK, TimelinePage{page, away})
}
