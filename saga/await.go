package saga

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Await is a checkout once it has ended; as far as it has come when ctx is done first.
func (m *Module) Await(ctx context.Context, id uuid.UUID) (CheckoutView, error) {
	var saga eventstore.Stream[State]
	err := m.watch.until(ctx, id, func() (ended bool, err error) {
		saga, err = sagas.Load(context.WithoutCancel(ctx), m.store, id)
		return saga.State.Status.Ended(), err
	})
	return viewOf(saga), err
}
