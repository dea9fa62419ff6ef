package cart

import (
	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// Line is one SKU in a cart, at the price and under the name that it had when it was added.
type Line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`   // 1 to MaxQuantity
	UnitPrice int64  `json:"unit_price"` // minor units of the cart's currency
}

// Adjustment is tax, shipping or a discount: what the shop's own rules add to the lines.
type Adjustment struct {
	Code   string `json:"code"`
	Label  string `json:"label"`
	Amount int64  `json:"amount"` // minor units of the cart's currency; negative lowers the total
}

// PriceChange is a line whose price moved.
type PriceChange struct {
	SKU string `json:"sku"`
	Was int64  `json:"was"` // minor units of the cart's currency
	Now int64  `json:"now"`
}

// Event is a fact of a cart.
//
//sumtype:decl
type Event interface {
	eventstore.Event
	ofCart()
}

// Created is the first fact of every cart.
type Created struct {
	CustomerID string `json:"customer_id"`
	Currency   string `json:"currency"`
}

// ItemAdded adds a quantity: to the line of its SKU, whose name and price it repeats, or as a new line.
type ItemAdded struct{ Line }

// QuantityChanged sets the quantity of a line.
type QuantityChanged struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// ItemRemoved takes a line out.
type ItemRemoved struct {
	SKU string `json:"sku"`
}

// ItemsCleared takes all lines out.
type ItemsCleared struct{}

// Repriced gives lines the prices of the day; those it does not name keep theirs.
type Repriced struct {
	Prices []PriceChange `json:"prices"`
}

// AdjustmentsSet replaces the adjustments.
type AdjustmentsSet struct {
	Adjustments []Adjustment `json:"adjustments"`
}

// CheckedOut seals a cart for a checkout and holds all that the checkout needs of it. The ids of the checkout, its order
// and its payment are derived from the cart and the attempt, so that no redelivery can make a second one.
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
}

// Reopened ends a checkout that failed: the cart is open as it was, and Code says why.
type Reopened struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	Code       string    `json:"code"`
	Detail     string    `json:"detail"`
}

// Completed ends a checkout that went well: the cart has become the order.
type Completed struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	OrderID    uuid.UUID `json:"order_id"`
}

// MergedIn brings the lines and adjustments of another cart in. A quantity adds to that of the line, whose name and price stay.
type MergedIn struct {
	SourceCartID uuid.UUID    `json:"source_cart_id"`
	Lines        []Line       `json:"lines"`                 // with the quantities that came, at the prices they have here
	Adjustments  []Adjustment `json:"adjustments,omitempty"` // those that came; they join the ones that are there
}

// MergedAway ends a cart whose lines went into another.
type MergedAway struct {
	TargetCartID uuid.UUID `json:"target_cart_id"`
}

// Abandoned ends a cart that its owner gave up, or left alone for too long: then its actor is "timer".
type Abandoned struct{}

// ProductEvent is a fact of the price book.
//
//sumtype:decl
type ProductEvent interface {
	eventstore.Event
	ofProduct()
}

// ProductCreated puts a SKU into the price book.
type ProductCreated struct {
	SKU    string       `json:"sku"`
	Name   string       `json:"name"`
	Price  money.Amount `json:"price"`
	Active bool         `json:"active"`
}

// ProductChanged replaces what the price book says of a SKU.
type ProductChanged struct {
	Name   string       `json:"name"`
	Price  money.Amount `json:"price"`
	Active bool         `json:"active"`
}

// The names under which events are stored. They never change.

func (Created) Kind() string         { return "cart.created" }
func (ItemAdded) Kind() string       { return "cart.item_added" }
func (QuantityChanged) Kind() string { return "cart.quantity_changed" }
func (ItemRemoved) Kind() string     { return "cart.item_removed" }
func (ItemsCleared) Kind() string    { return "cart.items_cleared" }
func (Repriced) Kind() string        { return "cart.repriced" }
func (AdjustmentsSet) Kind() string  { return "cart.adjustments_set" }
func (CheckedOut) Kind() string      { return "cart.checked_out" }
func (Reopened) Kind() string        { return "cart.reopened" }
func (Completed) Kind() string       { return "cart.completed" }
func (MergedIn) Kind() string        { return "cart.merged_in" }
func (MergedAway) Kind() string      { return "cart.merged_away" }
func (Abandoned) Kind() string       { return "cart.abandoned" }
func (ProductCreated) Kind() string  { return "product.created" }
func (ProductChanged) Kind() string  { return "product.changed" }

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

var decodeEvent = eventstore.Decoder[Event](
	Created{}, ItemAdded{}, QuantityChanged{}, ItemRemoved{}, ItemsCleared{}, Repriced{}, AdjustmentsSet{}, CheckedOut{},
	Reopened{}, Completed{}, MergedIn{}, MergedAway{}, Abandoned{},
)

var decodeProductEvent = eventstore.Decoder[ProductEvent](ProductCreated{}, ProductChanged{})
