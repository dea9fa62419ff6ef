package order

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// Line is the quantity and price of one SKU. UnitPrice is in minor units of the order's currency.
type Line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
	Tracked   bool   `json:"tracked"` // whether its stock was tracked when the order was placed; ignored in a command
}

// Adjustment is a signed amount on top of the lines, such as shipping or a discount, in minor units.
type Adjustment struct {
	Code   string `json:"code"`
	Label  string `json:"label"`
	Amount int64  `json:"amount"`
}

// Place makes a pending order and reserves the stock of all its tracked lines, or none.
//
// Refused: order_does_not_add_up if lines and adjustments differ from the total or the total is below 0; out_of_stock, with lines
// of {sku, requested, available}; order_cancelled if the order was cancelled, even before this command arrived.
type Place struct {
	OrderID, CheckoutID, PaymentID, CartID uuid.UUID
	CustomerID, Currency                   string
	Lines                                  []Line
	Adjustments                            []Adjustment
	Total                                  int64 // minor units: lines and adjustments
	ContactID                              uuid.UUID
}

// Hold enters a pending order whose payment has not ended at its holders: its customer and the address. Refused: too_many_waiting, unless the
// payment is in doubt. An order that has ended is left as it is.
type Hold struct {
	OrderID    uuid.UUID
	CustomerID string
	Source     string // keyed hash of the customer's address; empty if unknown
	Guest      bool
	InDoubt    bool // the money may be charged already, so the order must wait
}

// CodeTooManyWaiting is the code of a refused Hold.
const CodeTooManyWaiting = "too_many_waiting"

// Confirm makes a pending order a sale. Refused: order_cancelled; not_found.
type Confirm struct {
	OrderID uuid.UUID
	Held    bool // its payment waited, so that it may have holders
}

// Cancel ends a pending order, releases its stock and erases its contact. If the order does not exist, it leaves a tombstone, which refuses a later
// Place. Refused: order_confirmed, already_fulfilled.
type Cancel struct {
	OrderID   uuid.UUID
	Reason    string
	ContactID uuid.UUID // of the checkout; zero: known to the order alone
}

// RecordRefund records that a part of the payment was refunded. Each refund counts once. Refused: not_found.
type RecordRefund struct {
	OrderID, RefundID uuid.UUID
	Amount            int64 // minor units
}

// EndCancellation ends the cancellation of a fully refunded order and releases its stock. Refused: not_cancelling.
type EndCancellation struct{ OrderID uuid.UUID }

// RequestCancellation asks that a sale be cancelled. Refused: not_found; checkout_running; already_fulfilled.
type RequestCancellation struct {
	OrderID uuid.UUID
	Reason  string
	By      Canceller
	Running bool  // its checkout has not ended and may still call the provider
	Limit   int64 // the largest total that may be cancelled, in minor units; 0: no limit
}

// Command is a command of a saga on an order.
//
//sumtype:decl
type Command interface{ command() }

func (Place) command()           {}
func (Hold) command()            {}
func (Confirm) command()         {}
func (Cancel) command()          {}
func (RecordRefund) command()    {}
func (EndCancellation) command() {}

// Contact is the personal data of an order. No event holds it, so it can be erased.
type Contact struct {
	ID              uuid.UUID
	CustomerID      string
	Email           string
	ShippingAddress json.RawMessage // a JSON object, as the shopper gave it; empty if there is none
}

// The limits of a shipping address. A page of addresses must fit into memory. JSON readers with a low limit on nesting must be
// able to read them.
const (
	maxAddressBytes = 4 << 10
	maxAddressDepth = 4
)

// CheckAddress refuses a shipping address that is not a JSON object or exceeds the limits. An empty one is valid.
func CheckAddress(address json.RawMessage) error {
	const field = "shipping_address"
	switch {
	case len(address) == 0:
		return nil
	case address[0] != '{':
		return web.Refused(field, "not_an_object", "The shipping address must be a JSON object.")
	case len(address) > maxAddressBytes:
		return web.Refused(field, "too_large", fmt.Sprintf("It must have at most %d bytes.", maxAddressBytes))
	case web.Depth(address) > maxAddressDepth:
		return web.Refused(field, "too_deep", fmt.Sprintf("Its objects and lists must be nested at most %d levels deep.", maxAddressDepth))
	}
	return nil
}
