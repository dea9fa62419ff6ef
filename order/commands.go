package order

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// Line is what was bought of one SKU. UnitPrice is in minor units of the order's currency.
type Line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
	Tracked   bool   `json:"tracked"` // whether its stock was tracked when it was placed; ignored in a command
}

// Adjustment is a signed amount on top of the lines, such as shipping or a discount, in minor units.
type Adjustment struct {
	Code   string `json:"code"`
	Label  string `json:"label"`
	Amount int64  `json:"amount"`
}

// Place makes a pending order and reserves the stock of its tracked lines: all of it or nothing.
//
// Refused: order_does_not_add_up, when lines and adjustments are not the total, or it is below 0; out_of_stock, with lines of
// {sku, requested, available}; order_cancelled, when it was cancelled, be it
// before it came.
type Place struct {
	OrderID, CheckoutID, PaymentID, CartID uuid.UUID
	CustomerID, Currency                   string
	Lines                                  []Line
	Adjustments                            []Adjustment
	Total                                  int64 // minor units: lines and adjustments
	ContactID                              uuid.UUID
}

// Confirm makes a pending order a sale. Refused: order_cancelled; not_found.
type Confirm struct{ OrderID uuid.UUID }

// Cancel ends a pending order and releases its stock. Of an order that is not there it leaves a tombstone, which
// refuses a Place that comes later. Refused: order_confirmed, already_fulfilled.
type Cancel struct {
	OrderID uuid.UUID
	Reason  string
}

// NoteRefund keeps that a part of what was paid was given back. Each refund counts once. Refused: not_found.
type NoteRefund struct {
	OrderID, RefundID uuid.UUID
	Amount            int64 // minor units
}

// EndCancellation makes an order that is being cancelled a cancelled one, refunded in full, and gives its stock back.
// Refused: not_cancelling.
type EndCancellation struct{ OrderID uuid.UUID }

// Command is what other rooms may ask of an order.
//
//sumtype:decl
type Command interface{ command() }

func (Place) command()   {}
func (Confirm) command() {}
func (Cancel) command()  {}

func (NoteRefund) command()      {}
func (EndCancellation) command() {}

// Handle does a command of a saga. id makes it happen once; correlation, the id of the checkout, stands beside its
// events. Repeated under whatever id, it changes nothing and is no error.
func (m *Module) Handle(ctx context.Context, id, correlation uuid.UUID, cmd Command) error {
	by := sender{id: id, meta: metaOfSaga(correlation)}
	switch cmd := cmd.(type) {
	case Place:
		return m.place(ctx, by, cmd)
	case Confirm:
		return m.confirm(ctx, by, cmd)
	case Cancel:
		return m.cancel(ctx, by, cmd)
	case NoteRefund:
		return m.noteRefund(ctx, by, cmd)
	case EndCancellation:
		return m.endCancellation(ctx, by, cmd)
	}
	return nil
}

// Paid is what an order was paid with, and the version that it was read at.
type Paid struct {
	PaymentID uuid.UUID // of no payment, where there was nothing to pay
	Version   int64
}

// Contact is the personal data of an order. It stands in no event and can be erased.
type Contact struct {
	ID              uuid.UUID
	CustomerID      string
	Email           string
	ShippingAddress json.RawMessage // a JSON object, as the shopper gave it; empty when there is none
}

// Trail is what an order names: whose it is, and what led to it.
type Trail struct {
	CustomerID                    string
	CartID, CheckoutID, PaymentID uuid.UUID
	CancellationID                uuid.UUID // zero where it was not cancelled after it was sold
}

// CheckAddress refuses a shipping address that is no JSON object, or beyond its bounds. None is fine.
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
		return web.Refused(field, "too_deep", fmt.Sprintf("Its objects and lists must lie at most %d levels deep.", maxAddressDepth))
	}
	return nil
}
