package saga

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Event is an event of a saga. Its time is by the clock of the process that executed the saga.
//
//sumtype:decl
type Event interface{ isEvent() }

// Started begins a checkout.
type Started struct {
	Type       string    `json:"type"`
	Definition int       `json:"definition"`
	CustomerID string    `json:"customer_id"`
	Checkout   Checkout  `json:"checkout"`
	At         time.Time `json:"at"`
}

// RefundStarted begins the saga of a refund that its payment accepted.
type RefundStarted struct {
	Definition int       `json:"definition"`
	CustomerID string    `json:"customer_id"`
	Refund     Refund    `json:"refund"`
	At         time.Time `json:"at"`
}

// CancellationStarted begins the saga that refunds and cancels an order.
type CancellationStarted struct {
	Definition   int          `json:"definition"`
	CustomerID   string       `json:"customer_id"`
	Cancellation Cancellation `json:"cancellation"`
	At           time.Time    `json:"at"`
}

// StepDone completes a step or a compensation.
type StepDone struct {
	Step    string    `json:"step"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// StepRetried records a failed attempt of a step. The next one is at RetryAt.
type StepRetried struct {
	Step            string    `json:"step"`
	Error           string    `json:"error"`
	Unknown         bool      `json:"unknown,omitempty"` // it may have taken effect
	NothingCaptured bool      `json:"certain,omitempty"` // of an undo: nothing is captured, nor will be
	Uncounted       bool      `json:"ours,omitempty"`    // our own database was away
	BeganAt         time.Time `json:"began_at"`
	At              time.Time `json:"at"`
	RetryAt         time.Time `json:"retry_at"`
}

// StepWaits waits for the shopper, at most until Until.
type StepWaits struct {
	Step       string      `json:"step"`
	NextAction *NextAction `json:"next_action,omitempty"`
	BeganAt    time.Time   `json:"began_at"`
	At         time.Time   `json:"at"`
	Until      time.Time   `json:"until"`
}

// StepRefused records that a step was refused for good. The saga compensates. If the compensation of the pivot is refused, the saga
// completes.
type StepRefused struct {
	Step    string    `json:"step"`
	Failure Failure   `json:"failure"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// AttentionNeeded records that a step has exceeded its deadline, or was refused although it must succeed. A person must decide.
type AttentionNeeded struct {
	Step    string    `json:"step"`
	Reason  string    `json:"reason"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// StepAssumed completes a step according to an operator. It must still be verified.
type StepAssumed struct {
	Step    string    `json:"step"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// RetryRequested makes all unfinished steps due at once, on behalf of an operator.
type RetryRequested struct {
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// CompensationRequested compensates the saga on behalf of an operator.
type CompensationRequested struct {
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// StepSkipped gives up a step on behalf of an operator.
type StepSkipped struct {
	Step   string    `json:"step"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// StepSettled records the outcome that an operator set at the payment.
type StepSettled struct {
	Step    string    `json:"step"`
	Outcome string    `json:"outcome"` // captured or not_captured
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

// Ended ends the saga.
type Ended struct {
	Status Status    `json:"status"` // completed, failed or cancelled
	At     time.Time `json:"at"`
}

// Failure is the reason why a saga compensates or failed.
type Failure struct {
	Code   string  `json:"code" example:"payment_declined"`
	Detail string  `json:"detail" example:"The card was declined."`
	Lines  []Short `json:"lines,omitempty"` // the lines that are out of stock
}

// Short is a line that could not be reserved.
type Short struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

// NextAction is an action that the shopper must take, without its secrets.
type NextAction struct {
	Type string `json:"type" example:"redirect"`
	URL  string `json:"url,omitempty" format:"uri"` // where the shopper goes, with redirect
}

// Checkout is the data of a checkout.
type Checkout struct {
	CheckoutID    uuid.UUID    `json:"checkout_id"`
	CartID        uuid.UUID    `json:"cart_id"`
	OrderID       uuid.UUID    `json:"order_id"`
	PaymentID     uuid.UUID    `json:"payment_id"`
	ContactID     uuid.UUID    `json:"contact_id"`
	Currency      string       `json:"currency"`
	Lines         []Line       `json:"lines"`
	Adjustments   []Adjustment `json:"adjustments,omitempty"`
	Total         int64        `json:"total"` // minor units
	PaymentMethod string       `json:"payment_method"`
	Source        string       `json:"source,omitempty"` // keyed hash of the caller's address; empty in version 1
	Guest         bool         `json:"guest,omitempty"`  // the caller is a guest; false in version 1
}

// Refund is the data of a refund.
type Refund struct {
	RefundID  uuid.UUID `json:"refund_id"` // also of the saga
	OrderID   uuid.UUID `json:"order_id"`
	PaymentID uuid.UUID `json:"payment_id"`
	Currency  string    `json:"currency"`
	Amount    int64     `json:"amount"` // minor units
	Reason    string    `json:"reason"`
}

// Cancellation is the data of a cancellation.
type Cancellation struct {
	CancellationID uuid.UUID `json:"cancellation_id"` // also of the saga
	OrderID        uuid.UUID `json:"order_id"`
	PaymentID      uuid.UUID `json:"payment_id"`
	CheckoutID     uuid.UUID `json:"checkout_id"`
	Currency       string    `json:"currency"`
	Total          int64     `json:"total"` // minor units
	Reason         string    `json:"reason"`
}

// Line is a line of the sealed cart; UnitPrice in minor units.
type Line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

// Adjustment is a signed amount of the sealed cart, in minor units.
type Adjustment struct {
	Code   string `json:"code"`
	Label  string `json:"label"`
	Amount int64  `json:"amount"`
}

func (Started) isEvent()               {}
func (RefundStarted) isEvent()         {}
func (CancellationStarted) isEvent()   {}
func (StepDone) isEvent()              {}
func (StepRetried) isEvent()           {}
func (StepWaits) isEvent()             {}
func (StepRefused) isEvent()           {}
func (AttentionNeeded) isEvent()       {}
func (Ended) isEvent()                 {}
func (StepAssumed) isEvent()           {}
func (RetryRequested) isEvent()        {}
func (CompensationRequested) isEvent() {}
func (StepSkipped) isEvent()           {}
func (StepSettled) isEvent()           {}

// The events are stored under these types, which never change.
var eventTypes = eventstore.Register(map[string]Event{
	"saga.started":                Started{},
	"saga.refund_started":         RefundStarted{},
	"saga.cancellation_started":   CancellationStarted{},
	"saga.step_done":              StepDone{},
	"saga.step_retried":           StepRetried{},
	"saga.step_waits":             StepWaits{},
	"saga.step_refused":           StepRefused{},
	"saga.attention_needed":       AttentionNeeded{},
	"saga.step_assumed":           StepAssumed{},
	"saga.retry_requested":        RetryRequested{},
	"saga.compensation_requested": CompensationRequested{},
	"saga.step_skipped":           StepSkipped{},
	"saga.step_settled":           StepSettled{},
	"saga.ended":                  Ended{},
})
