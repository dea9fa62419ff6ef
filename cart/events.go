package cart

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// Line is one SKU in a cart, with the name and price that the product had when it was added.
type Line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`   // 1 to MaxQuantity
	UnitPrice int64  `json:"unit_price"` // minor units of the cart's currency
}

// Adjustment is an amount from the shop's own rules: tax, shipping or a discount.
type Adjustment struct {
	Code   string `json:"code"`
	Label  string `json:"label"`
	Amount int64  `json:"amount"` // minor units of the cart's currency; negative lowers the total
}

// PriceChange is a price change of one line.
type PriceChange struct {
	SKU string `json:"sku"`
	Was int64  `json:"was"` // minor units of the cart's currency
	Now int64  `json:"now"`
}

// Event is a fact of a cart.
//
//sumtype:decl
type Event interface{ ofCart() }

// Created is the first event of every cart.
type Created struct {
	CustomerID string `json:"customer_id"`
	Currency   string `json:"currency"`
}

// ItemAdded adds a quantity to the line of its SKU and repeats its name and price, or adds a new line.
type ItemAdded struct{ Line }

// QuantityChanged sets the quantity of a line.
type QuantityChanged struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// ItemRemoved removes a line.
type ItemRemoved struct {
	SKU string `json:"sku"`
}

// ItemsCleared removes all lines.
type ItemsCleared struct{}

// Repriced sets lines to current prices. Lines that it does not name keep theirs.
type Repriced struct {
	Prices []PriceChange `json:"prices"`
}

// AdjustmentsSet replaces the adjustments.
type AdjustmentsSet struct {
	Adjustments []Adjustment `json:"adjustments"`
}

// CheckedOut seals a cart and carries everything that the checkout needs from it. The ids of the checkout, order and payment are
// derived from the cart and the attempt, so no redelivery can create a second one.
type CheckedOut struct {
	CheckoutID    uuid.UUID    `json:"checkout_id"`
	OrderID       uuid.UUID    `json:"order_id"`
	PaymentID     uuid.UUID    `json:"payment_id"`
	Attempt       int          `json:"attempt"` // 1 for the first checkout of the cart
	CartID        uuid.UUID    `json:"cart_id"`
	CustomerID    string       `json:"customer_id"`
	Currency      string       `json:"currency"`
	Lines         []Line       `json:"lines"`
	Adjustments   []Adjustment `json:"adjustments"`
	Total         int64        `json:"total"` // minor units: the sum of lines and adjustments, not below 0
	PaymentMethod string       `json:"payment_method"`
	ContactID     uuid.UUID    `json:"contact_id"`
	Source        string       `json:"source,omitempty"` // keyed hash of the caller's address; empty in version 1
	Guest         bool         `json:"guest,omitempty"`  // the caller is a guest; false in version 1
}

// Reopened ends a failed checkout. The cart is open again, unchanged, and Code gives the reason.
type Reopened struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	Code       string    `json:"code"`
	Detail     string    `json:"detail"`
	FailedAt   time.Time `json:"failed_at,omitzero"` // of its payment; zero if no payment method was tried, and in version 1
}

// Completed ends a successful checkout: the cart became the order.
type Completed struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	OrderID    uuid.UUID `json:"order_id"`
}

// MergedIn adds the lines and adjustments of another cart. An existing line keeps its name and price.
type MergedIn struct {
	SourceCartID uuid.UUID    `json:"source_cart_id"`
	Lines        []Line       `json:"lines"`                 // with the added quantities, at the prices of this cart
	Adjustments  []Adjustment `json:"adjustments,omitempty"` // appended to the existing ones
}

// MergedAway ends a cart after its lines moved to another.
type MergedAway struct {
	TargetCartID uuid.UUID `json:"target_cart_id"`
}

// Abandoned ends a cart that its owner gave up, or that was idle for too long. The actor is "timer" in the second case.
type Abandoned struct{}

// ProductEvent is a fact of the price book.
//
//sumtype:decl
type ProductEvent interface{ ofProduct() }

// ProductCreated adds a SKU to the price book.
type ProductCreated struct {
	SKU    string       `json:"sku"`
	Name   string       `json:"name"`
	Price  money.Amount `json:"price"`
	Active bool         `json:"active"`
}

// ProductChanged replaces the entry of a SKU in the price book.
type ProductChanged struct {
	Name   string       `json:"name"`
	Price  money.Amount `json:"price"`
	Active bool         `json:"active"`
}

func (Created) ofCart()         {}
func (ItemAdded) ofCart()       {}
func (QuantityChanged) ofCart() {}
func (ItemRemoved) ofCart()     {}
func (ItemsCleared) ofCart()    {}
func (Repriced) ofCart()        {}
func (AdjustmentsSet) ofCart()  {}
func (CheckedOut) ofCart()      {}
func (Reopened) ofCart()        {}
func (Completed) ofCart()       {}
func (MergedIn) ofCart()        {}
func (MergedAway) ofCart()      {}
func (Abandoned) ofCart()       {}

func (ProductCreated) ofProduct() {}
func (ProductChanged) ofProduct() {}

// The events are stored under these types, which never change.
var eventTypes = eventstore.Register(map[string]Event{
	"cart.created":          Created{},
	"cart.item_added":       ItemAdded{},
	"cart.quantity_changed": QuantityChanged{},
	"cart.item_removed":     ItemRemoved{},
	"cart.items_cleared":    ItemsCleared{},
	"cart.repriced":         Repriced{},
	"cart.adjustments_set":  AdjustmentsSet{},
	"cart.checked_out":      CheckedOut{},
	"cart.reopened":         Reopened{},
	"cart.completed":        Completed{},
	"cart.merged_in":        MergedIn{},
	"cart.merged_away":      MergedAway{},
	"cart.abandoned":        Abandoned{},
})

var productEventTypes = eventstore.Register(map[string]ProductEvent{
	"product.created": ProductCreated{},
	"product.changed": ProductChanged{},
})
