package order

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// Trail returns the ids that an order refers to, or not_found if the caller may not see the order.
func (m *Module) Trail(ctx context.Context, caller web.Caller, id uuid.UUID) (Trail, error) {
	o, err := m.visibleTo(ctx, caller, id)
	if err != nil {
		return Trail{}, err
	}
	s := o.State
	return Trail{s.CustomerID, s.CartID, s.CheckoutID, s.PaymentID, s.CancellationID}, nil
}

// Numbered returns the trail of the order with a number, in any status. found is false if there is none.
func (m *Module) Numbered(ctx context.Context, number string) (t Trail, found bool, err error) {
	id, err := m.store.FindByKey(ctx, orders.Kind, number)
	if err != nil || id == uuid.Nil {
		return t, false, err
	}
	o, err := orders.Load(ctx, m.store, id)
	s := o.State
	return Trail{s.CustomerID, s.CartID, s.CheckoutID, s.PaymentID, s.CancellationID}, s.placed(), err
}
