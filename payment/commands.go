package payment

import (
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/money"
)

// Charge orders that the amount be authorized and captured. A repetition goes on where the last one stopped.
type Charge struct {
	PaymentID, OrderID, CheckoutID uuid.UUID
	CustomerID                     string
	Amount                         money.Amount // above zero
	Method                         string       // token of a payment method
}

// Undo orders that no money stays taken: what is authorized, or may become so, is voided; what was captured is refunded
// in full. A charge that comes later is refused. It is repeated until its result is ResultUndone. A refund that is refused for good is
// asked for again only when an operator retries, or when another amount is owed.
type Undo struct {
	PaymentID, CheckoutID uuid.UUID
	Reason                string
	Retries               int  // by an operator, since the refund that is owed was refused for good. Each permits one more refund of the same amount
	Yields                bool // to a capture that was asked for before: nothing is undone, and the result is ResultTooLate
}

// Cancel is the shopper's wish that the payment be not made.
type Cancel struct {
	PaymentID, CheckoutID uuid.UUID
	CustomerID            string
	Insists               bool // an operator's: too late only once it is known that the money was captured
}

// RequestRefund is an operator's wish that what was captured, or a part of it, be given back.
//
// Refused: not_captured; exceeds_captured, with what is left: refunds that are done and those under way count;
// currency_mismatch.
type RequestRefund struct {
	PaymentID uuid.UUID
	Amount    *money.Amount // above zero; nil: all that is left
	Reason    string
	Unless    error // a refusal that the caller knows of. It comes after a replay is answered, and before any other
}

// RequestedRefund answers a RequestRefund.
type RequestedRefund struct {
	RefundID uuid.UUID // follows from the payment and the Idempotency-Key
	Replayed bool      // it was requested before, by the same request
}

// Refund orders that a refund that was requested be made. It is repeated until its result is ResultRefunded or ResultRefused.
type Refund struct{ PaymentID, RefundID uuid.UUID }

// Settle is a person's word for what became of a payment.
type Settle struct {
	PaymentID, CheckoutID uuid.UUID
	Outcome               Settlement
	Reason                string
}

// Settlement is how a person settles a doubt.
type Settlement string

// The settlements.
const (
	SettledCaptured    Settlement = "captured"     // the whole amount
	SettledNotCaptured Settlement = "not_captured" // nothing, and nothing shall be
	SettledRefunded    Settlement = "refunded"     // what the provider refuses to refund was refunded by other means, or is not owed any more
)

// Observe orders that the provider be asked what became of a captured payment since, such as refunds made elsewhere.
type Observe struct{ PaymentID uuid.UUID }

// Verify orders that the provider be asked about what was settled as captured.
type Verify struct{ PaymentID uuid.UUID }

// Result is how far a Charge, an Undo or a Refund has come.
type Result string

// The results. ResultUnknown is of all.
const (
	ResultCaptured       Result = "captured"        // Charge: the money is there
	ResultRefused        Result = "refused"         // Charge: nothing is or will be captured, or it is given back; Refund: it failed. Failure says why
	ResultActionRequired Result = "action_required" // Charge: the shopper must follow NextAction; charge again at Deadline
	ResultUnavailable    Result = "unavailable"     // Charge, Refund: the provider refused to do anything just now; try again
	ResultUnknown        Result = "unknown"         // ask again. Of Undo: a capture is in doubt, or a refund is owed
	ResultUndone         Result = "undone"          // Undo: voided, refunded, or never needed
	ResultTooLate        Result = "too_late"        // Undo that yields: a capture was asked for; charge on
	ResultRefunded       Result = "refunded"        // Refund: the money is given back
	ResultNotRefunded    Result = "not_refunded"    // Undo: the provider refused the refund that is owed. Failure says why
	ResultVoiding        Result = "voiding"         // Undo: certain that nothing is or will be captured; the void is still owed
)

// Outcome answers a Charge, an Undo or a Refund.
type Outcome struct {
	Result     Result
	NextAction *NextAction // with ResultActionRequired
	Deadline   time.Time   // with ResultActionRequired
	Failure    *Failure    // with ResultRefused and ResultUnavailable
	ByHand     bool        // with ResultCaptured: on a person's word, until Verify says so too
}

// NextAction is what the shopper has to do.
type NextAction struct {
	Type         string `json:"type" example:"redirect"`
	URL          string `json:"url,omitempty" example:"https://bank.example/confirm/1"`
	ClientSecret string `json:"client_secret,omitempty"` // for the provider's own scripts in the storefront
}

// Failure is why a payment was not made.
type Failure struct {
	Code   string `json:"code" example:"payment_declined"`
	Detail string `json:"detail" example:"The payment was declined."`
}

// Received is a webhook as it was stored.
type Received struct {
	Provider, ID, Type, Reference string // ID is the provider's own
	ReceivedAt                    time.Time
	HandledAt                     *time.Time // nil: it has yet to wake its payment
	Note                          *string    // what became of it, where that is not plain
	Attempts                      int
}

// Wakes is the id of the command that the webhook gives to its payment: the cause of what is recorded there.
func (r Received) Wakes() uuid.UUID {
	id, _ := uuid.Parse(r.Reference) // of what is no payment of ours it is nobody's cause
	return wakes(id, r.Provider, r.ID)
}

// The codes of a Failure.
const (
	CodeDeclined              = "payment_declined"
	CodeInsufficientFunds     = "insufficient_funds"
	CodeAuthenticationFailed  = "authentication_failed"
	CodeAuthenticationExpired = "authentication_expired"
	CodeCaptureRefused        = "capture_refused"
	CodeCancelled             = "cancelled"
	CodeUnavailable           = "provider_unavailable"
	CodeRefundFailed          = "refund_failed"
	CodeRefundedBefore        = "payment_refunded"      // the provider captured it and refunded all of it, and we did not know
	CodeNotChargeable         = "amount_not_chargeable" // by this provider, with any payment method
	CodeRefundOwed            = "refund_owed"
)
