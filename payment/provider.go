package payment

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"shopping-cart/platform/money"
)

// Provider moves the money. A call ends in one of three ways:
//
//   - An Answer is definite, and the same for each repetition under the same key.
//   - A Transient error means that the provider certainly did nothing. With a RateLimited error inside, the provider works and refuses calls for a
//     moment.
//   - Any other error, time-outs included, means that the outcome is unknown. The payment asks the provider and never guesses.
//
// Void works on our reference, before or after the authorization arrives: a voided payment refuses a late authorization. The answer to an
// impossible call is its obstacle: Captured to a void of a captured payment, Refused to a capture of a voided payment.
type Provider interface {
	Name() string
	// AcceptsPaymentMethod reports whether a token has the form of the provider's payment methods. It does not check whether the token exists.
	AcceptsPaymentMethod(token string) bool
	Authorize(context.Context, Call) (Answer, error)
	Capture(context.Context, Call) (Answer, error)
	Void(context.Context, Call) (Answer, error)
	Refund(context.Context, Call) (Answer, error)
	// LookUp asks for the state of the payment with the call's reference. It moves no money and has no key.
	LookUp(context.Context, Call) (Report, error)
	// Verify checks the signature of a webhook and reads it. An Unreadable error means that the provider sent it, but it holds no
	// notification. Any other error means that the provider did not send it.
	Verify(header http.Header, body []byte) (Notification, error)
}

// Limits is implemented by a Provider that can refuse an amount before a call, for every payment method. Both methods are pure. They return
// "", or a sentence for a shopper or an operator. Other limits are answered with CodeNotChargeable.
type Limits interface {
	// NotChargeable returns the reason why no payment method can pay the amount.
	NotChargeable(money.Amount) string
	// NotRefundable returns the reason why the amount cannot be refunded. If two amounts are refundable, their difference is too: a partial
	// refund leaves no rest that cannot be refunded.
	NotRefundable(money.Amount) string
}

// ReferenceFinder is implemented by a Provider whose webhooks may name a payment by the provider's own reference.
type ReferenceFinder interface {
	// FindReference returns our reference of a payment, or "" if it is not ours.
	FindReference(ctx context.Context, providerReference string) (reference string, err error)
}

// Redactor is implemented by a Provider whose webhooks may name a shopper or hold their secrets.
type Redactor interface {
	// Redact returns the body of a verified webhook as it is stored and shown to operators.
	Redact(body []byte) []byte
}

// Call is one request to a provider.
type Call struct {
	Key               string       // idempotency key: payment, operation and operation id. It never changes for the same intent
	Reference         string       // our name for the payment: its id
	ProviderReference string       // the provider's name for it; empty until the provider has told it
	RequestedAt       time.Time    // when the payment was requested; none of its idempotency keys was used before
	PaymentMethod     string       // token of the payment method
	Amount            money.Amount // of the operation
	Customer          string       // the shopper
	Source            string       // keyed hash of the shopper's address; "" if unknown
	Guest             bool         // the shopper is not signed in
	Shopper           Shopper      // with Authorize, for a ShopperReader. It may be missing, and differ when the call is repeated
}

// ShopperReader is implemented by a Provider that wants Call.Shopper.
type ShopperReader interface{ WantsShopper() bool }

// caller returns whom the limits and the circuit breaker count the call for: the address of a guest, a customer who is signed in, or a payment.
func (c Call) caller() string {
	if c.Guest {
		return cmp.Or(c.Source, c.Customer, c.Reference)
	}
	return cmp.Or(c.Customer, c.Reference)
}

// Status is a provider's answer about a payment or an operation.
type Status string

// The statuses.
const (
	NotFound       Status = "not_found"       // LookUp only; not definite while a call may be in flight
	ActionRequired Status = "action_required" // the shopper must act at their bank
	Authorized     Status = "authorized"
	Declined       Status = "declined" // for good; Code holds the reason
	Captured       Status = "captured"
	Refused        Status = "refused" // this operation, for good; Code holds the reason
	Voided         Status = "voided"
	Refunded       Status = "refunded"
)

// Answer is the definite answer to a call.
type Answer struct {
	Status            Status      `json:"status"`
	ProviderReference string      `json:"provider_reference,omitempty"`
	Code              string      `json:"code,omitempty"`
	NextAction        *NextAction `json:"next_action,omitempty"`
	Captured          int64       `json:"captured,omitempty"` // minor units, with Captured
	Replayed          bool        `json:"-"`                  // the key was answered before: the payment may have changed since
}

// Report is the result of a look-up: the answer to the payment's last call, and the refunds.
type Report struct {
	Answer
	Refunded  []string    // keys of the completed refunds
	Refunding []string    // keys of the pending refunds
	Back      int64       // minor units: the sum of all refunds, also of those made elsewhere
	Elsewhere []Elsewhere // refunds that took effect without a call of ours
}

// Elsewhere is a refund made at the provider without a call of ours.
type Elsewhere struct {
	ID     string        `json:"id"` // the provider's
	Kind   ElsewhereKind `json:"kind"`
	Amount int64         `json:"amount"` // minor units
}

// ElsewhereKind is the cause of a refund without a call of ours.
type ElsewhereKind string

// The kinds. Only a lost dispute counts: an open or won dispute refunds nothing.
const (
	ElsewhereRefund  ElsewhereKind = "refund"  // made in the provider's dashboard, for example
	ElsewhereDispute ElsewhereKind = "dispute" // the shopper's bank took the money back, for good
	ElsewhereByHand  ElsewhereKind = "by_hand" // recorded by an operator: refunded by other means, or not owed any more. No provider reports it
)

// Notification is a verified webhook. It only says that something happened. The provider is asked for the rest.
type Notification struct {
	ID        string // the provider's; the same when it is sent twice
	Type      string
	Reference string // our name for the payment, or the provider's if it is a ReferenceFinder
}

// Unreadable is the error of a webhook with a valid signature and unreadable content.
type Unreadable struct{ Reason string }

func (u *Unreadable) Error() string { return "the webhook cannot be read: " + u.Reason }

// Transient is the error of a call that certainly had no effect, such as a refused connection or a 503.
type Transient struct{ Err error }

func (t *Transient) Error() string { return "without effect: " + t.Err.Error() }

// Unwrap returns the cause.
func (t *Transient) Unwrap() error { return t.Err }

// RateLimited is the error of a call that exceeds a rate limit, inside of a Transient error. The call is made later: it has not failed, and tells
// nothing about the provider.
type RateLimited struct{ After time.Duration } // until the call may be made

func (r *RateLimited) Error() string {
	return fmt.Sprintf("calls are limited for %s", r.After.Round(time.Millisecond))
}

// idempotencyKeyTTL is the time for which a provider remembers a key (Stripe: 24 h). After that, only look-ups are made.
const idempotencyKeyTTL = 23 * time.Hour

// neverMadeAfter is the age of a refund at which no call for it can be in flight any more, even if a process slept for a day before the call. A
// refund of this age that the provider does not report was never made.
const neverMadeAfter = idempotencyKeyTTL + 24*time.Hour
