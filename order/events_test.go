package order

import (
	"testing"

	"github.com/google/uuid"

	"shopping-cart/eventstore/golden"
	"shopping-cart/platform/money"
)

// orderExamples holds one event of each type with every field set.
var orderExamples = []Event{
	Placed{
		Number: "1000002", CheckoutID: exampleID("1"), PaymentID: exampleID("2"), CartID: exampleID("3"), ContactID: exampleID("4"),
		CustomerID: "alice", Currency: "GBP", Total: 4948,
		Lines: []Line{
			{SKU: "MUG", Name: "Mug", Quantity: 2, UnitPrice: 1999, Tracked: true},
			{SKU: "TEA", Name: "Tea", Quantity: 1, UnitPrice: 450},
		},
		Adjustments: []Adjustment{{Code: "shipping", Label: "Standard delivery", Amount: 500}},
	},
	PaymentAwaited{Holders: []uuid.UUID{exampleID("8"), exampleID("9")}},
	Confirmed{Currency: "GBP", Total: 4948},
	CancellationRequested{
		CancellationID: exampleID("7"), CheckoutID: exampleID("1"), PaymentID: exampleID("2"), CustomerID: "alice", Currency: "GBP",
		Total: 4948, Reason: "Ordered twice.", By: ByCustomer,
	},
	Cancelled{Reason: "payment_declined"},
	Fulfilled{},
	Refunded{RefundID: exampleID("6"), Amount: 500},
}

var stockExamples = []StockEvent{
	StockCounted{SKU: "MUG", OnHand: 40},
	StockAdjusted{Delta: -3, Reason: "Broken in the store room."},
	StockReserved{OrderID: exampleID("5"), Quantity: 2},
	StockReleased{OrderID: exampleID("5"), Quantity: 2},
	StockFulfilled{OrderID: exampleID("5"), Quantity: 2},
}

var holderExamples = []HolderEvent{
	HolderEntered{OrderID: exampleID("5"), Total: money.Of(4948, "GBP")},
	HolderLeft{OrderID: exampleID("5")},
}

func exampleID(last string) uuid.UUID {
	return uuid.MustParse("0199aaaa-0000-7000-8000-00000000000" + last)
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	golden.Check(t, orders, orderExamples, golden.Past[Event]{Version: 1, Today: CancellationRequested{
		CancellationID: exampleID("7"), CheckoutID: exampleID("1"), PaymentID: exampleID("2"), CustomerID: "alice", Currency: "GBP",
		Total: 4948, Reason: "Ordered twice.",
	}})
	golden.Check(t, stocks, stockExamples)
	golden.Check(t, holders, holderExamples)
}
