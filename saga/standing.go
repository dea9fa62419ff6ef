package saga

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
)

// Standing is a saga, for whoever compares the books of all modules.
type Standing struct {
	ID           uuid.UUID
	Type         string
	Status       Status
	Checkout     Checkout // of the type checkout, as the others are of theirs
	Refund       *Refund
	Cancellation *Cancellation
	At           time.Time // of its last event
	LateAfter    time.Time // from then on nobody drives it. Zero: nothing is due, or only a newer version of the program knows the saga
	UpdatedAt    time.Time
}

// Book reads all sagas.
func (m *Module) Book() eventstore.Query[Standing] {
	return eventstore.NewQuery(m.store, sagas, standingOf)
}

func standingOf(saga eventstore.Stream[State]) Standing {
	s := saga.State
	st := Standing{
		ID: saga.ID, Type: s.Type, Status: s.Status, Checkout: s.Checkout, Refund: s.Refund, Cancellation: s.Cancellation, At: s.At,
		UpdatedAt: saga.UpdatedAt,
	}
	if _, err := definitionOf(s); err == nil {
		if due := wakeAt(s); !due.IsZero() {
			st.LateAfter = due.Add(2 * stepTimeout)
		}
	}
	return st
}

// BeginRefund begins the saga of a refund that was ordered at a payment, where it has not begun by itself.
func (m *Module) BeginRefund(ctx context.Context, actor string, payment uuid.UUID, e payment.RefundOrdered) error {
	return m.start(ctx, e.ID, eventstore.Meta{Actor: actor}, refund, refundOf(e, payment, m.store.Now()))
}

// BeginCancellation begins the saga that cancels an order, where it has not begun by itself.
func (m *Module) BeginCancellation(ctx context.Context, actor string, order uuid.UUID, e order.CancellationRequested) error {
	return m.start(ctx, e.CancellationID, eventstore.Meta{Actor: actor}, cancellation, cancellationOf(e, order, m.store.Now()))
}
