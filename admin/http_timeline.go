package admin

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// TimelinePage is a page of the timeline of an order.
type TimelinePage struct {
	web.Page[TimelineEntry]
	Unavailable []string `json:"unavailable" enums:"cart,order,payment,saga,audit"` // modules whose database does not answer; their entries are left out
}

// showTimeline shows the timeline of an order.
//
//	@Summary		Read the timeline of an order, oldest first
//	@Description	The events of the cart, the checkout, the refunds, the cancellation, the payment and the order, with every attempt of a step, webhooks and the actions of operators. Entries are ordered by time, and never precede their cause. The `command` of an entry is the `causation` of its effects. Customers see no data, and only whether they or the shop acted. `unavailable` names the modules whose database does not answer within two seconds; their entries are left out, and follow on a later page if there is one.
//	@ID				getOrderTimeline
//	@Tags			orders
//	@Security		Bearer
//	@x-operator-scopes ["orders:read"]
//	@Param			id		path		string	true	"Order"				format(uuid)
//	@Param			limit	query		int		false	"Maximum number"	minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the previous page"
//	@Success		200		{object}	TimelinePage
//	@Failure		401		{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Failure		422		{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Failure		503		{object}	web.Problem	"unavailable, if the orders cannot be read"
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
