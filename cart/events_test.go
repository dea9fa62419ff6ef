package cart

import (
	"testing"
	"time"

	"shopping-cart/eventstore/golden"
	"shopping-cart/platform/money"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// cartExamples holds one event of each type with every field set.
var cartExamples = []Event{
	Created{CustomerID: "ann", Currency: "GBP"},
	ItemAdded{Line{SKU: "85123A", Name: "White hanging heart", Quantity: 2, UnitPrice: 255}},
	QuantityChanged{SKU: "85123A", Quantity: 3},
	ItemRemoved{SKU: "85123A"},
	ItemsCleared{},
	Repriced{Prices: []PriceChange{{SKU: "85123A", Was: 255, Now: 275}}},
	AdjustmentsSet{Adjustments: []Adjustment{{Code: "shipping", Label: "Royal Mail", Amount: 495}, {Code: "welcome", Label: "Welcome", Amount: -100}}},
	CheckedOut{
		CheckoutID: derivedID(cartA, 1, "checkout"), OrderID: derivedID(cartA, 1, "order"), PaymentID: derivedID(cartA, 1, "payment"),
		Attempt: 1, CartID: cartA, CustomerID: "ann", Currency: "GBP",
		Lines:       []Line{{SKU: "85123A", Name: "White hanging heart", Quantity: 2, UnitPrice: 255}},
		Adjustments: []Adjustment{{Code: "shipping", Label: "Royal Mail", Amount: 495}},
		Total:       1005, PaymentMethod: "sim_ok", ContactID: cartB, Source: "5f1d", Guest: true,
	},
	Reopened{CheckoutID: derivedID(cartA, 1, "checkout"), Code: "payment_declined", Detail: "The card was declined.", FailedAt: noon},
	Completed{CheckoutID: derivedID(cartA, 1, "checkout"), OrderID: derivedID(cartA, 1, "order")},
	MergedIn{
		SourceCartID: cartB, Lines: []Line{{SKU: "71053", Name: "White metal lantern", Quantity: 6, UnitPrice: 339}},
		Adjustments: []Adjustment{{Code: "gift", Label: "Gift wrap", Amount: 150}},
	},
	MergedAway{TargetCartID: cartA},
	Abandoned{},
}

var productExamples = []ProductEvent{
	ProductCreated{SKU: "85123A", Name: "White hanging heart", Price: money.Of(255, "GBP"), Active: true},
	ProductChanged{Name: "Cream hanging heart", Price: money.Of(275, "GBP"), Active: true},
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	merged := MergedIn{SourceCartID: cartB, Lines: []Line{{SKU: "71053", Name: "White metal lantern", Quantity: 6, UnitPrice: 339}}}
	sealed, reopened := cartExamples[7].(CheckedOut), cartExamples[8].(Reopened)
	sealed.Source, sealed.Guest, reopened.FailedAt = "", false, time.Time{}
	golden.Check(t, carts, cartExamples, golden.Past[Event]{Version: 1, Today: merged},
		golden.Past[Event]{Version: 1, Today: sealed}, golden.Past[Event]{Version: 1, Today: reopened})
	golden.Check(t, products, productExamples)
}
