package order

import (
	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Event is a fact about an order.
//
//sumtype:decl
type Event interface {
	eventstore.Event
	ofOrder()
}

// Placed began an order. Its tracked lines were reserved in the same moment.
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

// Confirmed made it a sale. It says how large, so that a report need not look elsewhere.
type Confirmed struct {
	Currency string `json:"currency"`
	Total    int64  `json:"total"` // minor units
}

// CancellationRequested says that a sale is to be undone. From here on it cannot be fulfilled. A saga sees it through.
type CancellationRequested struct {
	CancellationID uuid.UUID `json:"cancellation_id"` // of its saga
	CheckoutID     uuid.UUID `json:"checkout_id"`
	PaymentID      uuid.UUID `json:"payment_id"` // of no payment, where there was nothing to pay
	CustomerID     string    `json:"customer_id"`
	Currency       string    `json:"currency"`
	Total          int64     `json:"total"` // minor units
	Reason         string    `json:"reason"`
	By             Canceller `json:"by,omitempty"` // empty before version 2
}

// Canceller is the kind of caller who asked for a cancellation.
type Canceller string

// The callers who may ask for a cancellation.
const (
	ByCustomer Canceller = "customer"
	ByOperator Canceller = "operator"
)

// Cancelled ended a pending order, or one whose cancellation was requested and whose money is back; or it refuses one that
// has not come yet.
type Cancelled struct {
	Reason string `json:"reason"`
}

// Fulfilled says that the goods left the house.
type Fulfilled struct{}

// Refunded says that a part of what was paid was given back.
type Refunded struct {
	RefundID uuid.UUID `json:"refund_id"`
	Amount   int64     `json:"amount"` // minor units
}

// The names under which events are stored. They never change.

func (Placed) Kind() string                { return "order.placed" }
func (Confirmed) Kind() string             { return "order.confirmed" }
func (Cancelled) Kind() string             { return "order.cancelled" }
func (Fulfilled) Kind() string             { return "order.fulfilled" }
func (Refunded) Kind() string              { return "order.refunded" }
func (CancellationRequested) Kind() string { return "order.cancellation_requested" }

func (Placed) ofOrder()                {}
func (Confirmed) ofOrder()             {}
func (Cancelled) ofOrder()             {}
func (Fulfilled) ofOrder()             {}
func (Refunded) ofOrder()              {}
func (CancellationRequested) ofOrder() {}

var decodeEvent = eventstore.Decoder[Event](
	Placed{}, Confirmed{}, Cancelled{}, Fulfilled{}, CancellationRequested{}, Refunded{},
)

// StockEvent is a fact about the stock of one SKU.
//
//sumtype:decl
type StockEvent interface {
	eventstore.Event
	ofStock()
}

// StockCounted says how many units there are, those reserved included. The first one begins the tracking of a SKU.
type StockCounted struct {
	SKU    string `json:"sku"`
	OnHand int64  `json:"on_hand"`
}

// StockAdjusted says by how many units the stock grew or shrank, and why: a delivery, a breakage, a find.
type StockAdjusted struct {
	Delta  int64  `json:"delta"`
	Reason string `json:"reason"`
}

// StockReserved keeps units for a pending order.
type StockReserved struct {
	OrderID  uuid.UUID `json:"order_id"`
	Quantity int64     `json:"quantity"`
}

// StockReleased gives the units of a cancelled order back.
type StockReleased struct {
	OrderID  uuid.UUID `json:"order_id"`
	Quantity int64     `json:"quantity"`
}

// StockFulfilled took the units of an order out of the house.
type StockFulfilled struct {
	OrderID  uuid.UUID `json:"order_id"`
	Quantity int64     `json:"quantity"`
}

// The names under which events are stored. They never change.

func (StockCounted) Kind() string   { return "stock.counted" }
func (StockAdjusted) Kind() string  { return "stock.adjusted" }
func (StockReserved) Kind() string  { return "stock.reserved" }
func (StockReleased) Kind() string  { return "stock.released" }
func (StockFulfilled) Kind() string { return "stock.fulfilled" }

func (StockCounted) ofStock()   {}
func (StockAdjusted) ofStock()  {}
func (StockReserved) ofStock()  {}
func (StockReleased) ofStock()  {}
func (StockFulfilled) ofStock() {}

var decodeStockEvent = eventstore.Decoder[StockEvent](
	StockCounted{}, StockAdjusted{}, StockReserved{}, StockReleased{}, StockFulfilled{},
)
