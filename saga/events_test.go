package saga

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore/golden"
)

// examples hold one event of each kind, every field filled.
var examples = []Event{
	Started{
		Type: "checkout", Definition: 1, CustomerID: "ann", At: noon,
		Checkout: Checkout{
			CheckoutID: uuid.UUID{1}, CartID: uuid.UUID{2}, OrderID: uuid.UUID{3}, PaymentID: uuid.UUID{4}, ContactID: uuid.UUID{5},
			Currency: "GBP", Total: 1005, PaymentMethod: "sim_ok", Source: "5f1d", Guest: true,
			Lines:       []Line{{SKU: "85123A", Name: "White hanging heart", Quantity: 2, UnitPrice: 255}},
			Adjustments: []Adjustment{{Code: "shipping", Label: "Royal Mail", Amount: 495}},
		},
	},
	RefundStarted{
		Definition: 1, CustomerID: "ann", At: noon,
		Refund: Refund{RefundID: uuid.UUID{6}, OrderID: uuid.UUID{3}, PaymentID: uuid.UUID{4}, Currency: "GBP", Amount: 500, Reason: "Broken."},
	},
	CancellationStarted{
		Definition: 1, CustomerID: "ann", At: noon,
		Cancellation: Cancellation{
			CancellationID: uuid.UUID{7}, OrderID: uuid.UUID{3}, PaymentID: uuid.UUID{4}, CheckoutID: uuid.UUID{1},
			Currency: "GBP", Total: 1005, Reason: "Ordered twice.",
		},
	},
	StepDone{Step: PlaceOrder, BeganAt: noon, At: after(time.Millisecond)},
	StepRetried{
		Step: UndoPayment, Error: "It took too long.", Unknown: true, NothingCaptured: true, Uncounted: true,
		BeganAt: noon, At: after(3 * time.Second), RetryAt: after(4 * time.Second),
	},
	StepWaits{
		Step: ChargeMoney, NextAction: &NextAction{Type: "redirect", URL: "https://bank.example/1"},
		BeganAt: noon, At: after(time.Second), Until: after(15 * time.Minute),
	},
	StepRefused{
		Step: PlaceOrder, BeganAt: noon, At: after(time.Second),
		Failure: Failure{Code: "out_of_stock", Detail: "There is not enough of this in stock.", Lines: []Short{{SKU: "85123A", Requested: 2, Available: 1}}},
	},
	AttentionNeeded{Step: ChargeMoney, Reason: "It took too long.", BeganAt: noon, At: after(time.Second)},
	StepAssumed{Step: ChargeMoney, BeganAt: noon, At: after(time.Second)},
	RetryRequested{Reason: "The provider is back.", At: noon},
	CompensationRequested{Reason: "The goods are broken.", At: noon},
	StepSettled{Step: ChargeMoney, Outcome: "captured", Reason: "It stands in their books.", At: noon},
	StepSkipped{Step: CompleteCart, Reason: "There is no such cart any more.", At: noon},
	Ended{Status: Completed, At: noon},
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	waits := StepWaits{
		Step: ChargeMoney, NextAction: &NextAction{Type: "redirect", URL: "https://bank.example/1"},
		BeganAt: noon, At: after(time.Second), Until: after(15 * time.Minute),
	}
	started := examples[0].(Started)
	started.Checkout.Source, started.Checkout.Guest = "", false
	golden.Check(t, sagas, examples, golden.Past[Event]{Version: 1, Today: started},
		golden.Past[Event]{Version: 1, Today: waits}, golden.Past[Event]{Version: 2, Today: waits})
}
