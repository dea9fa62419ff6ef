package payment

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// event is what can happen to a payment.
//
//sumtype:decl
type event interface {
	eventstore.Event
	payment()
}

// UndoRequested is the tombstone: from here on no authorization and no capture begins. It may be the first event.
type UndoRequested struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	CustomerID string    `json:"customer_id,omitempty"`
	Code       string    `json:"code"` // of the Failure that a later charge is refused with
	Reason     string    `json:"reason,omitempty"`
}

// Notified says that a webhook came for the payment: time to ask the provider.
type Notified struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	WebhookID  string    `json:"webhook_id"` // the provider's
	Type       string    `json:"type"`       // the provider's word
}

// RefundOrdered is the intent to give back what an operator requested, durable before the provider hears of it. A saga sees
// it through. What an undo gives back is refundRequested.
type RefundOrdered struct {
	ID         uuid.UUID    `json:"id"` // part of the provider's key
	OrderID    uuid.UUID    `json:"order_id"`
	CustomerID string       `json:"customer_id"`
	Amount     money.Amount `json:"amount"`
	Reason     string       `json:"reason"`
	At         time.Time    `json:"at"`
}

// RefundedElsewhere says that money was returned without a call of ours: at the provider, or on an operator's word. It has happened.
type RefundedElsewhere struct {
	ID         uuid.UUID     `json:"id"` // follows from the payment and the provider's id
	ProviderID string        `json:"provider_id,omitempty"`
	Of         ElsewhereKind `json:"kind"`
	OrderID    uuid.UUID     `json:"order_id"`
	CheckoutID uuid.UUID     `json:"checkout_id"` // of the saga that minds the payment
	Amount     money.Amount  `json:"amount"`
	Reason     string        `json:"reason"`
	At         time.Time     `json:"at"` // when we learned of it
}

// Settled says that a person, its actor, settled what became of the payment. What the provider tells later still counts.
type Settled struct {
	CheckoutID uuid.UUID  `json:"checkout_id"`
	Outcome    Settlement `json:"outcome"`
	Reason     string     `json:"reason"`
}

type (
	// requested is the intent to authorize, durable before the provider hears of it.
	requested struct {
		OrderID    uuid.UUID    `json:"order_id"`
		CheckoutID uuid.UUID    `json:"checkout_id"`
		CustomerID string       `json:"customer_id"`
		Amount     money.Amount `json:"amount"`
		Method     string       `json:"method"`
		Provider   string       `json:"provider"`
		At         time.Time    `json:"at"`
	}
	// authorized says that the provider reserved the amount. Nothing is taken yet.
	authorized struct {
		ProviderReference string `json:"provider_reference,omitempty"`
	}
	// actionRequired says that the shopper must confirm the payment at their bank, until the deadline.
	actionRequired struct {
		ProviderReference string     `json:"provider_reference,omitempty"`
		NextAction        NextAction `json:"next_action"`
		Deadline          time.Time  `json:"deadline"`
	}
	// declined says that the provider will not authorize this payment, whoever asks.
	declined struct {
		Code string `json:"code"`
	}
	// captureRequested is the intent to capture the whole amount: the pivot of a check-out.
	captureRequested struct {
		At time.Time `json:"at"`
	}
	// captured says that the money was taken.
	captured struct {
		Amount int64 `json:"amount"` // minor units
	}
	// captureRefused says that the provider will not pay out what it had authorized.
	captureRefused struct {
		Code string `json:"code"`
	}
	// outcomeUnknown says that a call was made, and that nobody knows what it did.
	outcomeUnknown struct {
		Operation Operation `json:"operation"`
		Error     string    `json:"error"`
	}
	// voided says that the provider holds nothing for this payment, and never will.
	voided struct{}
	// refundRequested is the intent to give money back. Its id is part of the provider's key.
	refundRequested struct {
		ID     uuid.UUID `json:"id"`
		Amount int64     `json:"amount"` // minor units
		Reason string    `json:"reason,omitempty"`
		At     time.Time `json:"at"`
	}
	// refunded says that a refund took effect.
	refunded struct {
		ID uuid.UUID `json:"id"`
	}
	// refundFailed says that the provider refused a refund for good: its amount is free again.
	refundFailed struct {
		ID   uuid.UUID `json:"id"`
		Code string    `json:"code"`
	}
)

// The names under which the events are stored. They never change.
func (requested) Kind() string         { return "payment.requested" }
func (authorized) Kind() string        { return "payment.authorized" }
func (actionRequired) Kind() string    { return "payment.action_required" }
func (declined) Kind() string          { return "payment.declined" }
func (captureRequested) Kind() string  { return "payment.capture_requested" }
func (captured) Kind() string          { return "payment.captured" }
func (captureRefused) Kind() string    { return "payment.capture_refused" }
func (outcomeUnknown) Kind() string    { return "payment.outcome_unknown" }
func (voided) Kind() string            { return "payment.voided" }
func (refundRequested) Kind() string   { return "payment.refund_requested" }
func (refunded) Kind() string          { return "payment.refunded" }
func (refundFailed) Kind() string      { return "payment.refund_failed" }
func (UndoRequested) Kind() string     { return "payment.undo_requested" }
func (RefundOrdered) Kind() string     { return "payment.refund_ordered" }
func (RefundedElsewhere) Kind() string { return "payment.refunded_elsewhere" }
func (Notified) Kind() string          { return "payment.notified" }
func (Settled) Kind() string           { return "payment.settled" }

func (requested) payment()         {}
func (authorized) payment()        {}
func (actionRequired) payment()    {}
func (declined) payment()          {}
func (captureRequested) payment()  {}
func (captured) payment()          {}
func (captureRefused) payment()    {}
func (outcomeUnknown) payment()    {}
func (UndoRequested) payment()     {}
func (voided) payment()            {}
func (refundRequested) payment()   {}
func (RefundOrdered) payment()     {}
func (refunded) payment()          {}
func (refundFailed) payment()      {}
func (Notified) payment()          {}
func (RefundedElsewhere) payment() {}
func (Settled) payment()           {}

var decodeEvent = eventstore.Decoder[event](
	requested{}, authorized{}, actionRequired{}, declined{}, captureRequested{}, captured{}, captureRefused{}, outcomeUnknown{},
	UndoRequested{}, voided{}, refundRequested{}, RefundOrdered{}, refunded{}, refundFailed{}, RefundedElsewhere{}, Notified{},
	Settled{},
)
