package order

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// Paid returns the payment of an order, if the caller may see the order.
func (m *Module) Paid(ctx context.Context, caller web.Caller, id uuid.UUID) (Paid, error) {
	o, err := m.visibleTo(ctx, caller, id)
	return Paid{PaymentID: o.State.PaymentID, Version: o.Version}, err
}

func (m *Module) noteRefund(ctx context.Context, by sender, cmd NoteRefund) error {
	_, err := m.changeAlone(ctx, by, cmd.OrderID, func(o State) (decision, error) { return decideNoteRefund(o, cmd) })
	return err
}
