package saga

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/order"
	"shopping-cart/platform/web"
)

// cancelOrderRequest says why an order is cancelled.
type cancelOrderRequest struct {
	Reason string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"Ordered twice."`
}

// cancelOrder cancels an order that was not fulfilled yet.
//
//	@Summary		Cancel an order: refund and restock
//	@Description	From the answer on the order is `cancelling` and cannot be fulfilled. All that is left of its payment is given back, then it is `cancelled` and its stock free again. The same again, also under another key, answers how far that is.
//	@ID				cancelOrder
//	@Tags			orders
//	@Security		Bearer
//	@Param			id				path		string			true	"its id"	format(uuid)
//	@Param			body			body		cancelOrderRequest	true	"why"
//	@Param			Idempotency-Key	header		string			true	"1 to 255 visible ASCII characters"
//	@Success		202				{object}	order.View
//	@Header			202				{string}	ETag	"its version, quoted"
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
	ended, err := m.checkoutEnded(ctx, trail.CheckoutID) // before the order decides: once true, that stays true
	if err != nil {
		return err
	}
	by := order.ByOperator
	if r.Caller.Subject == trail.CustomerID {
		by = order.ByCustomer
	}
	view, replayed, err := m.Orders.RequestCancellation(ctx, r.Write, order.RequestCancellation{OrderID: r.ID, Reason: r.Body.Reason, By: by, Running: !ended})
	if err != nil {
		return err
	}
	web.Replayed(c, replayed)
	web.ETag(c, view.Version)
	return c.JSON(http.StatusAccepted, view)
}
