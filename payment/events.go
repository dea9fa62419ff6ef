package payment

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// event is an event of a payment.
//
//sumtype:decl
type event interface{ payment() }

// UndoRequested is the tombstone: after it no authorization and no capture begins. It may be the first event.
type UndoRequested struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	CustomerID string    `json:"customer_id,omitempty"`
	Code       string    `json:"code"` // of the Failure of a later charge
	Reason     string    `json:"reason,omitempty"`
}

// Notified says that a webhook came for the payment. The provider must be asked.
type Notified struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	WebhookID  string    `json:"webhook_id"` // the provider's
	Type       string    `json:"type"`       // as the provider names it
}

// RefundOrdered is an operator's intent to refund, stored before the provider is called. A saga makes the refund. An Undo stores
// refundRequested instead.
type RefundOrdered struct {
	ID         uuid.UUID    `json:"id"` // part of the provider's key
	OrderID    uuid.UUID    `json:"order_id"`
	CustomerID string       `json:"customer_id"`
	Amount     money.Amount `json:"amount"`
	Reason     string       `json:"reason"`
	At         time.Time    `json:"at"`
}

// RefundedElsewhere says that money was refunded without a call of ours: at the provider, or as an operator recorded. It has happened.
type RefundedElsewhere struct {
	ID         uuid.UUID     `json:"id"` // derived from the payment and the provider's id
	ProviderID string        `json:"provider_id,omitempty"`
	Of         ElsewhereKind `json:"kind"`
	OrderID    uuid.UUID     `json:"order_id"`
	CheckoutID uuid.UUID     `json:"checkout_id"` // of the saga that handles the payment
	Amount     money.Amount  `json:"amount"`
	Reason     string        `json:"reason"`
	At         time.Time     `json:"at"` // when we learned of it
}

// Resolved says that an operator resolved the outcome of the payment. Later answers of the provider still count.
type Resolved struct {
	CheckoutID uuid.UUID  `json:"checkout_id"`
	Outcome    Resolution `json:"outcome"`
	Reason     string     `json:"reason"`
}

type (
	// requested is the intent to authorize, stored before the provider is called.
	requested struct {
		OrderID       uuid.UUID    `json:"order_id"`
		CheckoutID    uuid.UUID    `json:"checkout_id"`
		CustomerID    string       `json:"customer_id"`
		Amount        money.Amount `json:"amount"`
		PaymentMethod string       `json:"method"`
		Provider      string       `json:"provider"`
		At            time.Time    `json:"at"`
		Source        string       `json:"source,omitempty"` // keyed hash of the customer's address; empty in version 1
		Guest         bool         `json:"guest,omitempty"`  // the customer is a guest; false in version 1
	}
	// authorized says that the provider reserved the amount. Nothing is captured yet.
	authorized struct {
		ProviderReference string `json:"provider_reference,omitempty"`
	}
	// actionRequired says that the shopper must confirm the payment at their bank, until the deadline.
	actionRequired struct {
		ProviderReference string     `json:"provider_reference,omitempty"`
		NextAction        keptAction `json:"next_action"`
		Deadline          time.Time  `json:"deadline"`
	}
	// keptAction is the part of a NextAction that is stored.
	keptAction struct {
		Type string `json:"type"`
		URL  string `json:"url,omitempty"` // empty if the action has a secret: the URL may hold it too
	}
	// declined says that the provider will never authorize this payment.
	declined struct {
		Code string `json:"code"`
	}
	// captureRequested is the intent to capture the whole amount: the pivot of a checkout.
	captureRequested struct {
		At time.Time `json:"at"`
	}
	// captured says that the money was captured.
	captured struct {
		Amount int64 `json:"amount"` // minor units
	}
	// captureRefused says that the provider refused to pay the authorized amount.
	captureRefused struct {
		Code string `json:"code"`
	}
	// outcomeUnknown says that a call was made and its outcome is unknown.
	outcomeUnknown struct {
		Operation Operation `json:"operation"`
		Error     string    `json:"error"`
	}
	// voided says that the provider holds nothing for this payment, and never will.
	voided struct{}
	// refundRequested is the intent of an Undo to refund. Its id is part of the provider's key.
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
	// refundFailed says that the provider refused a refund for good. Its amount can be refunded again.
	refundFailed struct {
		ID   uuid.UUID `json:"id"`
		Code string    `json:"code"`
	}
)

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
func (Resolved) payment()          {}

// The events are stored under these types, which never change.
var eventTypes = eventstore.Register(map[string]event{
	"payment.requested":          requested{},
	"payment.authorized":         authorized{},
	"payment.action_required":    actionRequired{},
	"payment.declined":           declined{},
	"payment.capture_requested":  captureRequested{},
	"payment.captured":           captured{},
	"payment.capture_refused":    captureRefused{},
	"payment.outcome_unknown":    outcomeUnknown{},
	"payment.undo_requested":     UndoRequested{},
	"payment.voided":             voided{},
	"payment.refund_requested":   refundRequested{},
	"payment.refund_ordered":     RefundOrdered{},
	"payment.refunded":           refunded{},
	"payment.refund_failed":      refundFailed{},
	"payment.refunded_elsewhere": RefundedElsewhere{},
	"payment.notified":           Notified{},
	"payment.settled":            Resolved{},
})
