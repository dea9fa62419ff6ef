package order

import (
	"context"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// References holds the ids that an order refers to.
type References struct {
	CustomerID                    string
	CartID, CheckoutID, PaymentID uuid.UUID
	CancellationID                uuid.UUID // zero unless it was cancelled after its confirmation
}

// PaymentRef is the payment of an order and the version of the order at which it was read.
type PaymentRef struct {
	PaymentID uuid.UUID // zero if there was nothing to pay
	Version   int64
}

// ContactRef is a contact without its address.
type ContactRef struct {
	ID              uuid.UUID
	Customer, Email string
}

// Held is an order of a customer, with ids as they stand in its state. They may be empty.
type Held struct {
	ID                   uuid.UUID
	ContactID, PaymentID string
}

// Shopper is what a payment provider may learn of an order.
type Shopper struct {
	Number string
	Email  string // empty if it was erased
}

// Shopper returns what a payment provider may learn of an order.
func (m *Module) Shopper(ctx context.Context, id uuid.UUID) (Shopper, error) {
	o, err := orders.Load(ctx, m.store, id)
	if err != nil {
		return Shopper{}, err
	}
	contacts, err := m.contactsOf(ctx, o)
	return Shopper{o.State.Number, contacts[o.State.ContactID].Email}, err
}

// References returns the ids that an order refers to, or not_found if the caller may not see the order.
func (m *Module) References(ctx context.Context, caller web.Caller, id uuid.UUID) (References, error) {
	o, err := m.visibleTo(ctx, caller, id)
	if err != nil {
		return References{}, err
	}
	return o.State.references(), nil
}

// FindByNumber returns the references of the order with a number, in any status. found is false if there is none.
func (m *Module) FindByNumber(ctx context.Context, number string) (r References, found bool, err error) {
	id, err := m.store.FindByKey(ctx, orders.Kind, number)
	if err != nil || id == uuid.Nil {
		return r, false, err
	}
	o, err := orders.Load(ctx, m.store, id)
	return o.State.references(), o.State.placed(), err
}

func (s State) references() References {
	return References{s.CustomerID, s.CartID, s.CheckoutID, s.PaymentID, s.CancellationID}
}

// PaymentRef returns the payment of an order, or not_found if the caller may not see the order.
func (m *Module) PaymentRef(ctx context.Context, caller web.Caller, id uuid.UUID) (PaymentRef, error) {
	o, err := m.visibleTo(ctx, caller, id)
	return PaymentRef{PaymentID: o.State.PaymentID, Version: o.Version}, err
}
