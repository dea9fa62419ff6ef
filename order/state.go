package order

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Status is the stage of an order.
type Status string

// The statuses: pending → confirmed → fulfilled, or pending → cancelled, or confirmed → cancelling → cancelled while the payment
// is refunded.
const (
	StatusPending    Status = "pending"
	StatusConfirmed  Status = "confirmed"
	StatusCancelling Status = "cancelling"
	StatusFulfilled  Status = "fulfilled"
	StatusCancelled  Status = "cancelled"
	statusNone       Status = "" // the order does not exist
)

// State is the fold of an order's events. Amounts are minor units of Currency.
type State struct {
	Status      Status       `json:"status"`
	Number      string       `json:"number"`
	CheckoutID  uuid.UUID    `json:"checkout_id"`
	PaymentID   uuid.UUID    `json:"payment_id"`
	CartID      uuid.UUID    `json:"cart_id"`
	CustomerID  string       `json:"customer_id"` // empty: never placed, only a tombstone
	Currency    string       `json:"currency"`
	Lines       []Line       `json:"lines"`
	Adjustments []Adjustment `json:"adjustments"`
	Total       int64        `json:"total"`
	Refunded    int64        `json:"refunded,omitempty"` // of the total
	Refunds     []uuid.UUID  `json:"refunds,omitempty"`  // the refunds in Refunded
	ContactID   uuid.UUID    `json:"contact_id"`
	Reason      string       `json:"reason,omitempty"` // of its cancellation

	CancellationID uuid.UUID `json:"cancellation_id,omitzero"` // of the saga that cancels it after its confirmation
	CancelledBy    Canceller `json:"cancelled_by,omitempty"`   // who requested that; empty if unknown

	Holders []uuid.UUID `json:"holders,omitempty"` // where it is entered while it waits for its payment
}

// placed reports whether the order was ever placed. A tombstone was not, and is invisible.
func (s State) placed() bool { return s.CustomerID != "" }

// fullyRefunded reports whether the total was refunded. A total of zero was never paid, so it is never refunded.
func (s State) fullyRefunded() bool { return s.Total > 0 && s.Refunded >= s.Total }

// reasonCode returns a stable code for the reason of a cancellation, and nothing for other orders. Before the confirmation the
// code is that of the checkout's failure. After it, Reason holds the caller's text.
func (s State) reasonCode() string {
	switch {
	case s.Status != StatusCancelling && s.Status != StatusCancelled:
		return ""
	case s.CancellationID == uuid.Nil && s.Reason != "":
		return s.Reason
	case s.CancelledBy != "":
		return "cancelled_by_" + string(s.CancelledBy)
	}
	return "cancelled"
}

// tracked returns the units that the order holds of each SKU with tracked stock. Lines of one SKU are summed.
func (s State) tracked() map[string]int64 {
	held := map[string]int64{}
	for _, l := range s.Lines {
		if l.Tracked {
			held[l.SKU] += l.Quantity
		}
	}
	return held
}

func (s State) trackedSKUs() []string { return slices.Sorted(maps.Keys(s.tracked())) }

func evolve(s State, event Event) State {
	switch e := event.(type) {
	case Placed:
		return State{
			Status: StatusPending, Number: e.Number, CheckoutID: e.CheckoutID, PaymentID: e.PaymentID, CartID: e.CartID,
			CustomerID: e.CustomerID, Currency: e.Currency, Lines: e.Lines, Adjustments: e.Adjustments, Total: e.Total,
			ContactID: e.ContactID,
		}
	case PaymentAwaited:
		s.Holders = e.Holders
	case Confirmed:
		s.Status, s.Holders = StatusConfirmed, nil
	case CancellationRequested:
		s.Status, s.Reason, s.CancellationID, s.CancelledBy = StatusCancelling, e.Reason, e.CancellationID, e.By
	case Cancelled:
		if s.Status == StatusCancelling { // the last refund came earlier
			s.Refunded = s.Total
		}
		s.Status, s.Reason, s.Holders = StatusCancelled, e.Reason, nil
	case Fulfilled:
		s.Status = StatusFulfilled
	case Refunded:
		s.Refunded, s.Refunds = s.Refunded+e.Amount, append(slices.Clone(s.Refunds), e.RefundID)
	}
	return s
}

var orders = &eventstore.Aggregate[State, Event]{
	Kind: "order", StateVersion: 4, Types: eventTypes, Evolve: evolve,
	Upcasts: map[string][]eventstore.Upcaster{
		"order.cancellation_requested": {eventstore.FieldsAdded}, // By
	},
	Index: func(s State, _ time.Time) eventstore.Index {
		return eventstore.Index{Customer: s.CustomerID, Status: string(s.Status), Key: s.Number}
	},
}

// Stock is the stock of one SKU. 0 ≤ OnHand, and 0 ≤ Reserved ≤ OnHand + Short.
type Stock struct {
	SKU      string `json:"sku"`
	OnHand   int64  `json:"on_hand"`         // reserved units included
	Reserved int64  `json:"reserved"`        // for pending, confirmed and cancelling orders
	Short    int64  `json:"short,omitempty"` // reserved units that an adjustment removed, so they are missing
}

// tracked reports whether the SKU was ever counted.
func (s Stock) tracked() bool { return s.SKU != "" }

// Available returns the sellable units.
func (s Stock) Available() int64 { return max(0, s.OnHand-s.Reserved) }

// missing returns the number of reserved units that exceed the units on hand.
func (s Stock) missing() int64 { return max(0, s.Reserved-s.OnHand) }

func evolveStock(s Stock, event StockEvent) Stock {
	switch e := event.(type) {
	case StockCounted:
		s.SKU, s.OnHand = e.SKU, e.OnHand
	case StockAdjusted:
		missing := s.missing()
		s.OnHand += e.Delta
		s.Short += max(0, s.missing()-missing)
	case StockReserved:
		s.Reserved += e.Quantity
	case StockReleased:
		s.Reserved -= e.Quantity
	case StockFulfilled:
		s.Reserved -= e.Quantity
		s.OnHand -= e.Quantity
	}
	s.Short = min(s.Short, s.missing()) // only an adjustment increases it
	return s
}

var stocks = &eventstore.Aggregate[Stock, StockEvent]{
	Kind: "stock", StateVersion: 2, Types: stockEventTypes, Evolve: evolveStock,
	Index: func(s Stock, touched time.Time) eventstore.Index {
		if s.Short == 0 {
			return eventstore.Index{}
		}
		return eventstore.Index{WakeAt: touched} // needs attention: the index of timers finds the few short stocks
	},
}

// stockSpace is the namespace of stock ids. It never changes.
var stockSpace = uuid.MustParse("8d6f2f0c-6f0e-4f6b-8b7a-6a1f5c3f2d01")

func stockID(sku string) uuid.UUID { return uuid.NewSHA1(stockSpace, []byte(sku)) }
