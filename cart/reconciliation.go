package cart

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Record is a cart and its last checkout, for reconciliation across modules.
type Record struct {
	ID          uuid.UUID
	CheckoutID  uuid.UUID // of the running or successful checkout; zero for none
	OrderID     uuid.UUID // of that checkout, like PaymentID
	PaymentID   uuid.UUID
	CheckingOut bool
	CheckedOut  bool
	Total       int64 // minor units
	Currency    string
	UpdatedAt   time.Time
}

// Records reads all carts.
func (m *Module) Records() eventstore.Query[Record] {
	return eventstore.NewQuery(m.store, carts, func(c eventstore.Stream[State]) Record {
		s := c.State
		st := Record{
			ID: c.ID, CheckoutID: s.CheckoutID, CheckingOut: s.Status == StatusCheckingOut, CheckedOut: s.Status == StatusCheckedOut,
			Total: s.Total(), Currency: s.Currency, UpdatedAt: c.UpdatedAt,
		}
		if s.CheckoutID != uuid.Nil {
			st.OrderID, st.PaymentID = derivedID(c.ID, s.Attempt, "order"), derivedID(c.ID, s.Attempt, "payment")
		}
		return st
	})
}
