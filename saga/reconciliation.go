package saga

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
)

// Record is a saga, for reconciliation across modules.
type Record struct {
	ID           uuid.UUID
	Type         string
	Status       Status
	Checkout     Checkout // of the type checkout, as the others are of theirs
	Refund       *Refund
	Cancellation *Cancellation
	At           time.Time // of its last event
	LateAfter    time.Time // no process executes the saga if it is still due then. Zero: nothing is due, or only a newer version knows the saga
	UpdatedAt    time.Time
}

// Records reads all sagas.
func (m *Module) Records() eventstore.Query[Record] {
	return eventstore.NewQuery(m.store, sagas, recordOf)
}

func recordOf(saga eventstore.Stream[State]) Record {
	s := saga.State
	r := Record{
		ID: saga.ID, Type: s.Type, Status: s.Status, Checkout: s.Checkout, Refund: s.Refund, Cancellation: s.Cancellation, At: s.At,
		UpdatedAt: saga.UpdatedAt,
	}
	if _, err := definitionOf(s); err == nil {
		if due := wakeAt(s); !due.IsZero() {
			r.LateAfter = due.Add(2 * stepTimeout)
		}
	}
	return r
}

// BeginRefund begins the saga of an ordered refund, unless it has begun.
func (m *Module) BeginRefund(ctx context.Context, actor string, payment uuid.UUID, e payment.RefundOrdered) error {
	return m.start(ctx, e.ID, eventstore.Meta{Actor: actor}, refundOf(e, payment, m.store.Now()))
}

// BeginCancellation begins the saga that cancels an order, unless it has begun.
func (m *Module) BeginCancellation(ctx context.Context, actor string, order uuid.UUID, e order.CancellationRequested) error {
	return m.start(ctx, e.CancellationID, eventstore.Meta{Actor: actor}, cancellationOf(e, order, m.store.Now()))
}
