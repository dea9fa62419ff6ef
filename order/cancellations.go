package order

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// CancelRequest gives the reason for a cancellation.
type CancelRequest struct {
	Reason string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"Ordered twice."`
}

// postCancel cancels an order that was not fulfilled yet.
//
//	@Summary		Cancel an order: refund and restock
//	@Description	From the answer on the order is `cancelling` and cannot be fulfilled. All that is left of its payment is given back, then it is `cancelled` and its stock free again. The same again, also under another key, answers how far that is.
//	@ID				cancelOrder
//	@Tags			orders
//	@Security		BearerAuth
//	@Param			id				path		string			true	"its id"	format(uuid)
//	@Param			body			body		CancelRequest	true	"why"
//	@Param			Idempotency-Key	header		string			true	"1 to 255 visible ASCII characters"
//	@Success		202				{object}	View
//	@Header			202				{string}	ETag	"its version, quoted"
//	@Failure		400,401,404,412	{object}	web.Problem
//	@Failure		409				{object}	web.Problem	"already_fulfilled, checkout_running"
//	@Failure		413,415,422		{object}	web.Problem
//	@Router			/v1/orders/{id}/cancel [post]
func (m *Module) postCancel(c echo.Context) error {
	o, r, err := readOrder[CancelRequest](m, c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	receipt, err := m.requestCancellation(ctx, senderOf(r.Write), o, requestCancellation{
		OrderID: o.ID, Reason: r.Body.Reason, By: cancellerOf(r.Caller, o.State),
	})
	if err != nil {
		return err
	}
	if o, err = orders.Load(ctx, m.store, o.ID); err != nil { // it may be further already
		return err
	}
	return m.answerOrder(c, http.StatusAccepted, o, receipt.Replayed)
}

// cancellerOf returns the canceller's kind: the customer or an operator.
func cancellerOf(caller web.Caller, o State) Canceller {
	if caller.Subject == o.CustomerID {
		return ByCustomer
	}
	return ByOperator
}

// requestCancellation asks whether the checkout has ended before the order decides. An ended checkout stays ended.
func (m *Module) requestCancellation(
	ctx context.Context, by sender, o eventstore.Stream[State], cmd requestCancellation,
) (receipt eventstore.Receipt, err error) {
	ended, err := m.checkoutEnded(ctx, o.State.CheckoutID)
	if err != nil {
		return receipt, err
	}
	cmd.Running = !ended
	return m.changeAlone(ctx, by, o.ID, func(s State) (decision, error) { return decideRequestCancellation(s, cmd) })
}

// endCancellation names the stock of the order's lines, which never change.
func (m *Module) endCancellation(ctx context.Context, by sender, cmd EndCancellation) error {
	o, err := orders.Load(ctx, m.store, cmd.OrderID)
	if err != nil {
		return err
	}
	_, err = m.change(ctx, by, cmd.OrderID, o.State.trackedSKUs(), func(o State, _ map[string]Stock) (decision, error) {
		return decideEndCancellation(o, cmd.OrderID)
	})
	return err
}

// changeAlone decides on an order without touching stock.
func (m *Module) changeAlone(
	ctx context.Context, by sender, id uuid.UUID, decide func(State) (decision, error),
) (eventstore.Receipt, error) {
	return orders.Handle(ctx, m.store, id, by.command(), func(tx *eventstore.Tx, o eventstore.Stream[State]) ([]Event, error) {
		if err := tx.ExpectVersion(id, by.match); err != nil {
			return nil, err
		}
		d, err := decide(o.State)
		return d.order, err
	})
}
