package saga

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/order"
	"shopping-cart/platform/web"
)

type cancelOrderRequest struct {
	Reason string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"Ordered twice."`
}

// cancelOrder cancels an order before its fulfilment.
//
//	@Summary		Cancel an order: refund and restock
//	@Description	The order becomes `cancelling` and cannot be fulfilled. The rest of its payment is refunded, then the order becomes `cancelled` and its stock is free. A repeated request, even with another key, returns the progress.
//	@ID				cancelOrder
//	@Tags			orders
//	@Security		Bearer
//	@x-operator-scopes ["refunds:write"]
//	@Param			id				path		string			true	"Order"	format(uuid)
//	@Param			body			body		cancelOrderRequest	true	"The reason"
//	@Param			Idempotency-Key	header		string			true	"1 to 255 visible ASCII characters"
//	@Success		202				{object}	order.View
//	@Header			202				{string}	ETag	"The version of the order, quoted"
//	@Failure		400,401,404,412	{object}	web.Problem
//	@Failure		409				{object}	web.Problem	"already_fulfilled, checkout_running"
//	@Failure		413,415,422		{object}	web.Problem
//	@Router			/v1/orders/{id}/cancel [post]
func (m *Module) cancelOrder(c echo.Context) error {
	ctx := c.Request().Context()
	var trail order.References
	r, err := web.Read[cancelOrderRequest](c, web.Needs{Key: true, Visible: func(id uuid.UUID) (err error) {
		trail, err = m.Orders.References(ctx, web.CallerOf(c), id)
		return err
	}})
	if err != nil {
		return err
	}
	ended, err := m.checkoutEnded(ctx, trail.CheckoutID) // before the order decides: an end is final
	if err != nil {
		return err
	}
	request := order.RequestCancellation{OrderID: r.ID, Reason: r.Body.Reason, By: order.ByOperator, Running: !ended, Limit: r.Caller.RefundLimit()}
	if r.Caller.Subject == trail.CustomerID {
		request.By, request.Limit = order.ByCustomer, 0
	}
	view, replayed, err := m.Orders.RequestCancellation(ctx, r.Write, request)
	if err != nil {
		return err
	}
	web.Replayed(c, replayed)
	web.ETag(c, view.Version)
	return c.JSON(http.StatusAccepted, view)
}
