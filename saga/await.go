package saga

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Await is a checkout that was just begun, once it has ended; as far as it has come when ctx is done first.
func (m *Module) Await(ctx context.Context, id uuid.UUID) (CheckoutView, error) {
	var saga eventstore.Stream[State]
	err := m.notifier.until(ctx, id, true, func(told eventstore.Stream[State]) (ended bool, err error) {
		saga, err = m.latest(context.WithoutCancel(ctx), told)
		return saga.State.Status.Ended(), err
	})
	return viewOf(saga), err
}

// latest is a saga as this process has just written it or, where it did not, as it is in the store.
func (m *Module) latest(ctx context.Context, saga eventstore.Stream[State]) (eventstore.Stream[State], error) {
	if saga.Exists() {
		return saga, nil
	}
	return sagas.Load(ctx, m.store, saga.ID)
}
