package order

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// RequestCancellation cancels a sale that was not fulfilled yet. It answers with the order as it is by then: it may be further already.
func (m *Module) RequestCancellation(ctx context.Context, write web.Write, cmd RequestCancellation) (v View, replayed bool, err error) {
	receipt, err := m.changeAlone(ctx, senderOf(write), cmd.OrderID, func(s State) (decision, error) { return decideRequestCancellation(s, cmd) })
	if err != nil {
		return v, false, err
	}
	o, err := orders.Load(ctx, m.store, cmd.OrderID)
	if err != nil {
		return v, false, err
	}
	v, err = m.view(ctx, o)
	return v, receipt.Replayed, err
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
