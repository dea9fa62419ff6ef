package order

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// Trail is what an order names, for those who may see it; to others there is no such order.
func (m *Module) Trail(ctx context.Context, caller web.Caller, id uuid.UUID) (Trail, error) {
	o, err := orders.Load(ctx, m.store, id)
	if err != nil {
		return Trail{}, err
	}
	s := o.State
	if !s.placed() || s.CustomerID != caller.Subject && !caller.Operator() {
		return Trail{}, errNotFound
	}
	return Trail{s.CustomerID, s.CartID, s.CheckoutID, s.PaymentID}, nil
}
