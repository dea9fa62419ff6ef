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

// Kind is the name that the event is stored under.
func (Placed) Kind() string { return "order.placed" }

// Kind is the name that the event is stored under.
func (Confirmed) Kind() string { return "order.confirmed" }

// Kind is the name that the event is stored under.
func (Cancelled) Kind() string { return "order.cancelled" }

// Kind is the name that the event is stored under.
func (Fulfilled) Kind() string { return "order.fulfilled" }

// Kind is the name that the event is stored under.
func (Refunded) Kind() string { return "order.refunded" }

// Kind is the name that the event is stored under.
func (CancellationRequested) Kind() string { return "order.cancellation_requested" }

func (Placed) ofOrder()    {}
func (Confirmed) ofOrder() {}
func (Cancelled) ofOrder() {}
func (Fulfilled) ofOrder() {}
func (Refunded) ofOrder()  {}

func (CancellationRequested) ofOrder() {}

func decodeEvent(kind string, data []byte) (Event, error) {
	switch kind {
	case Placed{}.Kind():
		return eventstore.As[Placed](data)
	case Confirmed{}.Kind():
		return eventstore.As[Confirmed](data)
	case Cancelled{}.Kind():
		return eventstore.As[Cancelled](data)
	case Fulfilled{}.Kind():
		return eventstore.As[Fulfilled](data)
	case CancellationRequested{}.Kind():
		return eventstore.As[CancellationRequested](data)
	case Refunded{}.Kind():
		return eventstore.As[Refunded](data)
	}
	return nil, eventstore.UnknownKind(kind)
}

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

// Kind is the name that the event is stored under.
func (StockCounted) Kind() string { return "stock.counted" }

// Kind is the name that the event is stored under.
func (StockAdjusted) Kind() string { return "stock.adjusted" }

// Kind is the name that the event is stored under.
func (StockReserved) Kind() string { return "stock.reserved" }

// Kind is the name that the event is stored under.
func (StockReleased) Kind() string { return "stock.released" }

// Kind is the name that the event is stored under.
func (StockFulfilled) Kind() string { return "stock.fulfilled" }

func (StockCounted) ofStock()   {}
func (StockAdjusted) ofStock()  {}
func (StockReserved) ofStock()  {}
func (StockReleased) ofStock()  {}
func (StockFulfilled) ofStock() {}

func decodeStockEvent(kind string, data []byte) (StockEvent, error) {
	switch kind {
	case StockCounted{}.Kind():
		return eventstore.As[StockCounted](data)
	case StockAdjusted{}.Kind():
		return eventstore.As[StockAdjusted](data)
	case StockReserved{}.Kind():
		return eventstore.As[StockReserved](data)
	case StockReleased{}.Kind():
		return eventstore.As[StockReleased](data)
	case StockFulfilled{}.Kind():
		return eventstore.As[StockFulfilled](data)
	}
	return nil, eventstore.UnknownKind(kind)
}
