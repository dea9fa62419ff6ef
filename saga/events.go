package saga

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Event is what happened to a saga. Each carries the time it happened, by the clock of the process that drove it.
//
//sumtype:decl
type Event interface{ isEvent() }

// Started: a saga of a type and a version of its definition begins with what it needs to know.
type Started struct {
	Type       string    `json:"type"`
	Definition int       `json:"definition"`
	CustomerID string    `json:"customer_id"`
	Checkout   Checkout  `json:"checkout"`
	At         time.Time `json:"at"`
}

// RefundStarted: a saga sees a refund through that was ordered at its payment.
type RefundStarted struct {
	Definition int       `json:"definition"`
	CustomerID string    `json:"customer_id"`
	Refund     Refund    `json:"refund"`
	At         time.Time `json:"at"`
}

// CancellationStarted: a saga gives back what was paid for an order, and its stock.
type CancellationStarted struct {
	Definition   int          `json:"definition"`
	CustomerID   string       `json:"customer_id"`
	Cancellation Cancellation `json:"cancellation"`
	At           time.Time    `json:"at"`
}

// StepDone: a step, or the undoing of one, did what it should.
type StepDone struct {
	Step    string    `json:"step"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// StepRetried: a step did not come to its end, and is tried again at RetryAt.
type StepRetried struct {
	Step            string    `json:"step"`
	Error           string    `json:"error"`
	Unknown         bool      `json:"unknown,omitempty"` // it may have taken effect
	NothingCaptured bool      `json:"certain,omitempty"` // of an undo: nothing is, nor ever will be, in effect
	OwnDatabase     bool      `json:"ours,omitempty"`    // our own database was away
	BeganAt         time.Time `json:"began_at"`
	At              time.Time `json:"at"`
	RetryAt         time.Time `json:"retry_at"`
}

// StepWaits: a step needs someone outside, at the latest until Until.
type StepWaits struct {
	Step       string      `json:"step"`
	NextAction *NextAction `json:"next_action,omitempty"`
	BeganAt    time.Time   `json:"began_at"`
	At         time.Time   `json:"at"`
	Until      time.Time   `json:"until"`
}

// StepRefused: a step was refused for good. What was done so far is undone; or, where the pivot was to be undone and
// cannot be, the saga goes forward again.
type StepRefused struct {
	Step    string    `json:"step"`
	Failure Failure   `json:"failure"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// AttentionNeeded: a step is past its deadline, or was refused where it must not be. Only a person can know better.
type AttentionNeeded struct {
	Step    string    `json:"step"`
	Reason  string    `json:"reason"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// StepAssumed: a step counts as done on a person's word. Whether it is, is still to be verified.
type StepAssumed struct {
	Step    string    `json:"step"`
	BeganAt time.Time `json:"began_at"`
	At      time.Time `json:"at"`
}

// RetryRequested: an operator wants what is due later tried at once, and what needs a person tried again.
type RetryRequested struct {
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// CompensationRequested: an operator turned the saga.
type CompensationRequested struct {
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// StepSkipped: an operator gave a step up that cannot succeed.
type StepSkipped struct {
	Step   string    `json:"step"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// StepSettled: an operator said what became of a step that was in doubt, and the payment took it.
type StepSettled struct {
	Step    string    `json:"step"`
	Outcome string    `json:"outcome"` // captured or not_captured
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

// Ended: nothing is left to do.
type Ended struct {
	Status Status    `json:"status"` // completed, failed or cancelled
	At     time.Time `json:"at"`
}

// Failure is why a saga turned.
type Failure struct {
	Code   string  `json:"code" example:"payment_declined"`
	Detail string  `json:"detail" example:"The card was declined."`
	Lines  []Short `json:"lines,omitempty"` // what is out of stock
}

// Short is a line that could not be reserved.
type Short struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

// NextAction is what a shopper must do.
type NextAction struct {
	Type         string `json:"type" example:"redirect"`
	URL          string `json:"url,omitempty" format:"uri"` // where the shopper goes, with redirect
	ClientSecret string `json:"client_secret,omitempty"`    // for the provider's own scripts in the storefront
}

// Checkout is what the check-out saga knows from its start.
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
}

// Refund is what the refund saga knows from its start.
type Refund struct {
	RefundID  uuid.UUID `json:"refund_id"` // and of the saga
	OrderID   uuid.UUID `json:"order_id"`
	PaymentID uuid.UUID `json:"payment_id"`
	Currency  string    `json:"currency"`
	Amount    int64     `json:"amount"` // minor units
	Reason    string    `json:"reason"`
}

// Cancellation is what the cancellation saga knows from its start.
type Cancellation struct {
	CancellationID uuid.UUID `json:"cancellation_id"` // and of the saga
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
