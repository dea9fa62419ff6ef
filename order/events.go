package order

import (
	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Event is a fact about an order.
//
//sumtype:decl
type Event interface{ ofOrder() }

// Placed began an order. The same transaction reserved its tracked lines.
type Placed struct {
	Number      string       `json:"number"`
	CheckoutID  uuid.UUID    `json:"checkout_id"`
	PaymentID   uuid.UUID    `json:"payment_id"`
	CartID      uuid.UUID    `json:"cart_id"`
	CustomerID  string       `json:"customer_id"`
	Currency    string       `json:"currency"`
	Lines       []Line       `json:"lines"`
	Adjustments []Adjustment `json:"adjustments"`
	Total       int64        `json:"total"` // minor units
	ContactID   uuid.UUID    `json:"contact_id"`
}

// PaymentAwaited entered the order at its holders, since its payment did not end at once.
type PaymentAwaited struct {
	Holders []uuid.UUID `json:"holders"`
}

// Confirmed made the order a sale. It repeats the total, so that a report needs no other event.
type Confirmed struct {
	Currency string `json:"currency"`
	Total    int64  `json:"total"` // minor units
}

// CancellationRequested begins the cancellation of a sale. The order cannot be fulfilled any more. A saga completes it.
type CancellationRequested struct {
	CancellationID uuid.UUID `json:"cancellation_id"` // of its saga
	CheckoutID     uuid.UUID `json:"checkout_id"`
	PaymentID      uuid.UUID `json:"payment_id"` // zero if there was nothing to pay
	CustomerID     string    `json:"customer_id"`
	Currency       string    `json:"currency"`
	Total          int64     `json:"total"` // minor units
	Reason         string    `json:"reason"`
	By             Canceller `json:"by,omitempty"` // empty in version 1
}

// Canceller is the kind of caller who asked for a cancellation.
type Canceller string

// The callers who may ask for a cancellation.
const (
	ByCustomer Canceller = "customer"
	ByOperator Canceller = "operator"
)

// Cancelled ended a pending order or a fully refunded one in cancellation, or refuses an order that has not been placed yet.
type Cancelled struct {
	Reason string `json:"reason"`
}

// Fulfilled records that the goods were shipped.
type Fulfilled struct{}

// Refunded records a refund of a part of the payment.
type Refunded struct {
	RefundID uuid.UUID `json:"refund_id"`
	Amount   int64     `json:"amount"` // minor units
}

func (Placed) ofOrder()                {}
func (PaymentAwaited) ofOrder()        {}
func (Confirmed) ofOrder()             {}
func (Cancelled) ofOrder()             {}
func (Fulfilled) ofOrder()             {}
func (Refunded) ofOrder()              {}
func (CancellationRequested) ofOrder() {}

// The events are stored under these types, which never change.
var eventTypes = eventstore.Register(map[string]Event{
	"order.placed":                 Placed{},
	"order.payment_awaited":        PaymentAwaited{},
	"order.confirmed":              Confirmed{},
	"order.cancelled":              Cancelled{},
	"order.fulfilled":              Fulfilled{},
	"order.cancellation_requested": CancellationRequested{},
	"order.refunded":               Refunded{},
})

// StockEvent is a fact about the stock of one SKU.
//
//sumtype:decl
type StockEvent interface{ ofStock() }

// StockCounted sets the number of units on hand, reserved ones included. The first count begins the tracking of a SKU.
type StockCounted struct {
	SKU    string `json:"sku"`
	OnHand int64  `json:"on_hand"`
}

// StockAdjusted changes the number of units on hand, with a reason: a delivery, a breakage, a find.
type StockAdjusted struct {
	Delta  int64  `json:"delta"`
	Reason string `json:"reason"`
}

// StockReserved reserves units for a pending order.
type StockReserved struct {
	OrderID  uuid.UUID `json:"order_id"`
	Quantity int64     `json:"quantity"`
}

// StockReleased releases the units of a cancelled order.
type StockReleased struct {
	OrderID  uuid.UUID `json:"order_id"`
	Quantity int64     `json:"quantity"`
}

// StockFulfilled removes the shipped units of an order.
type StockFulfilled struct {
	OrderID  uuid.UUID `json:"order_id"`
	Quantity int64     `json:"quantity"`
}

func (StockCounted) ofStock()   {}
func (StockAdjusted) ofStock()  {}
func (StockReserved) ofStock()  {}
func (StockReleased) ofStock()  {}
func (StockFulfilled) ofStock() {}

// The events are stored under these types, which never change.
var stockEventTypes = eventstore.Register(map[string]StockEvent{
	"stock.counted":   StockCounted{},
	"stock.adjusted":  StockAdjusted{},
	"stock.reserved":  StockReserved{},
	"stock.released":  StockReleased{},
	"stock.fulfilled": StockFulfilled{},
})
