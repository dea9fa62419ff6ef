package cart

import (
	"testing"

	"shopping-cart/eventstore/golden"
	"shopping-cart/platform/money"
)

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
		Total:       1005, PaymentMethod: "sim_ok", ContactID: cartB,
	},
	Reopened{CheckoutID: derivedID(cartA, 1, "checkout"), Code: "payment_declined", Detail: "The card was declined."},
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
	golden.Check(t, carts, cartExamples, golden.Past[Event]{Version: 1, Today: MergedIn{
		SourceCartID: cartB, Lines: []Line{{SKU: "71053", Name: "White metal lantern", Quantity: 6, UnitPrice: 339}},
	}})
	golden.Check(t, products, productExamples)
}
