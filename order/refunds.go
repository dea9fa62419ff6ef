package order

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// Paid is what the order that a caller may see was paid with.
func (m *Module) Paid(ctx context.Context, caller web.Caller, id uuid.UUID) (Paid, error) {
	o, err := m.visibleTo(ctx, caller, id)
	return Paid{PaymentID: o.State.PaymentID, Version: o.Version}, err
}

func (m *Module) noteRefund(ctx context.Context, by sender, cmd NoteRefund) error {
	_, err := m.store.Do(ctx, eventstore.Command{
		ID: by.id, Fingerprint: by.fingerprint, Meta: by.meta, Streams: []eventstore.Ref{orders.Ref(cmd.OrderID)},
		Decide: func(tx *eventstore.Tx) error {
			d, err := decideNoteRefund(orders.Get(tx, cmd.OrderID).State, cmd)
			if err != nil {
				return err
			}
			d.append(tx, cmd.OrderID)
			return nil
		},
	})
	return err
}
