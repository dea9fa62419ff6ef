package payment

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// Charge authorizes and captures an amount. Repeated, it continues where the last attempt stopped.
type Charge struct {
	PaymentID, OrderID, CheckoutID uuid.UUID
	CustomerID                     string
	Amount                         money.Amount // above zero
	PaymentMethod                  string       // token of a payment method
	Source                         string       // keyed hash of the customer's address; empty if unknown
	Guest                          bool         // the customer is a guest
	// Shopper reads what a ShopperReader wants, before an authorization. It is not recorded; nil: nothing is told.
	Shopper func(context.Context) (Shopper, error)
	Opened  *Opening // the first command, if a chain has executed it; may be nil
	Then    *FollowUp
}

// Opening is the first command of a Charge. It calls no provider, so it can be a part of a chain.
type Opening struct {
	Link   eventstore.Link
	Result eventstore.Result // of Link, once the chain was sent

	begins bool // it begins the payment
	seen   seenCount
}

// FollowUp holds the commands that follow in the chain of the command that records the success of a Charge, an Undo or a Refund.
type FollowUp struct {
	Links   func(context.Context) []eventstore.Link
	Results []eventstore.Result // of the links that were decided
}

// Shopper is what a provider's risk engine may learn beside the call. It is never stored here.
type Shopper struct {
	OrderNumber string
	Email       string
}

// Undo compensates a payment: it voids an authorization, also one that comes later, and refunds a capture in full. A later Charge is
// refused. Callers repeat it until the result is ResultUndone. A refund that was refused for good is requested again only if an operator
// retries, or if another amount is owed.
type Undo struct {
	PaymentID, CheckoutID uuid.UUID
	Reason                string
	Retries               int  // by an operator. Each permits one more request of a refund that was refused for good
	Yields                bool // to a requested capture: nothing is compensated, and the result is ResultTooLate
	Then                  *FollowUp
}

// Cancel is a shopper's request not to make the payment.
type Cancel struct {
	PaymentID, CheckoutID uuid.UUID
	CustomerID            string
	Insists               bool // set by operators: not too late while a capture is unresolved
}

// RequestRefund is an operator's request to refund a captured amount, or a part of it.
//
// It is refused with not_captured, exceeds_captured or currency_mismatch. The fault exceeds_captured holds the amount that is left after
// completed and pending refunds.
type RequestRefund struct {
	PaymentID uuid.UUID
	Amount    *money.Amount // above zero; nil: all that is left
	Reason    string
	Limit     int64 // the largest sum of all refunds of the payment, in minor units; 0: the captured amount
	Unless    error // the caller's reason to refuse the request, unless it is a repetition
}

// RequestedRefund answers a RequestRefund.
type RequestedRefund struct {
	RefundID uuid.UUID // derived from the payment and the Idempotency-Key
	Replayed bool      // the request is a repetition
}

// Refund makes a requested refund. Callers repeat it until the result is ResultRefunded or ResultRefused.
type Refund struct {
	PaymentID, RefundID uuid.UUID
	Then                *FollowUp
}

// Resolve is an operator's resolution of a payment.
type Resolve struct {
	PaymentID, CheckoutID uuid.UUID
	Outcome               Resolution
	Reason                string
}

// Resolution is the outcome that an operator records.
type Resolution string

// The settlements.
const (
	ResolvedCaptured    Resolution = "captured"     // the whole amount was captured
	ResolvedNotCaptured Resolution = "not_captured" // nothing was or will be captured
	ResolvedRefunded    Resolution = "refunded"     // the refused refund was made by other means, or is not owed any more
)

// Observe looks up later changes of a captured payment, such as refunds made elsewhere.
type Observe struct{ PaymentID uuid.UUID }

// Verify looks up a payment that an operator resolved as captured.
type Verify struct{ PaymentID uuid.UUID }

// Result says how far a Charge, an Undo or a Refund has come.
type Result string

// The results. Each of the three may return ResultUnknown.
const (
	ResultCaptured       Result = "captured"        // Charge: the money was captured
	ResultRefused        Result = "refused"         // Charge: nothing was or will be captured, or it was refunded; Refund: it failed. Failure holds the reason
	ResultActionRequired Result = "action_required" // Charge: the shopper must follow NextAction; charge again at Deadline
	ResultUnavailable    Result = "unavailable"     // Charge, Refund: the provider is unavailable and did nothing; try again
	ResultUnknown        Result = "unknown"         // try again. Undo: a capture is unresolved, or a refund is owed
	ResultUndone         Result = "undone"          // Undo: voided, refunded, or never needed
	ResultTooLate        Result = "too_late"        // Undo that yields: a capture was requested; charge again
	ResultRefunded       Result = "refunded"        // Refund: the money was refunded
	ResultNotRefunded    Result = "not_refunded"    // Undo: the provider refused the refund that is owed. Failure holds the reason
	ResultVoiding        Result = "voiding"         // Undo: nothing was or will be captured; the void is still owed
)

// Outcome answers a Charge, an Undo or a Refund.
type Outcome struct {
	Result     Result
	NextAction *NextAction   // with ResultActionRequired; without a URL, Module.NextAction returns the rest
	Deadline   time.Time     // with ResultActionRequired
	Failure    *Failure      // with ResultRefused, ResultUnavailable and ResultNotRefunded
	Wait       time.Duration // with ResultUnavailable, ResultUnknown and ResultVoiding: a rate limit defers the call for so long. It has not failed
	ByHand     bool          // with ResultCaptured: recorded by an operator, and not yet confirmed by Verify
}

// NextAction tells the shopper how to confirm the payment. One with a secret is for the shopper alone, and is never stored.
type NextAction struct {
	Type         string `json:"type" example:"redirect"`
	URL          string `json:"url,omitempty" example:"https://bank.example/confirm/1"`
	ClientSecret string `json:"client_secret,omitempty"` // for the provider's own scripts in the storefront
}

// Failure is the reason why a payment failed.
type Failure struct {
	Code   string `json:"code" example:"payment_declined"`
	Detail string `json:"detail" example:"The payment was declined."`
}

// ReceivedWebhook is a stored webhook.
type ReceivedWebhook struct {
	Provider, ID, Type, Reference string // ID is the provider's own
	ReceivedAt                    time.Time
	HandledAt                     *time.Time // nil: not yet processed
	Note                          *string    // an explanation, if the result is not obvious
	Attempts                      int
}

// CommandID returns the id of the command that notifies the payment of the webhook. The events of this command name it as their cause.
func (r ReceivedWebhook) CommandID() uuid.UUID {
	id, _ := uuid.Parse(r.Reference) // without a payment, no event has this cause
	return webhookCommandID(id, r.Provider, r.ID)
}

// The codes of a Failure.
const (
	CodeDeclined              = "payment_declined"
	CodeInsufficientFunds     = "insufficient_funds"
	CodeTooManyDeclines       = "too_many_declines" // decided here: the provider was not asked
	CodeAuthenticationFailed  = "authentication_failed"
	CodeAuthenticationExpired = "authentication_expired"
	CodeCaptureRefused        = "capture_refused"
	CodeCancelled             = "cancelled"
	CodeUnavailable           = "provider_unavailable"
	CodeRefundFailed          = "refund_failed"
	CodeRefundedBefore        = "payment_refunded"      // captured and refunded before a restore of our database
	CodeNotChargeable         = "amount_not_chargeable" // by this provider, with any payment method
	CodeRefundOwed            = "refund_owed"
)
