package payment

import (
	"context"
	"net/http"
	"time"

	"shopping-cart/platform/money"
)

// Provider is whoever moves the money. A call has three ends:
//
//   - an Answer: definite, and the same for every repetition under the same key;
//   - a Transient error: the provider surely did nothing;
//   - any other error, time-outs included: nobody knows. It is asked, never guessed.
//
// Void works on the reference that we chose, before or after the authorization arrives: what is voided refuses an
// authorization that comes late. A call in vain is answered by what stands in its way: a void of what was captured by
// Captured, a capture of what was voided by Refused.
type Provider interface {
	Name() string
	// TakesMethod reports whether a text has the form of a token that Authorize takes. It does not say whether there is such a token.
	TakesMethod(token string) bool
	Authorize(context.Context, Call) (Answer, error)
	Capture(context.Context, Call) (Answer, error)
	Void(context.Context, Call) (Answer, error)
	Refund(context.Context, Call) (Answer, error)
	// LookUp asks what became of the payment with the call's reference. It moves no money and has no key.
	LookUp(context.Context, Call) (Report, error)
	// Verify checks the signature of a webhook and reads it. An Unreadable error means that it is the provider's and holds no
	// notification; any other error means that it is not the provider's.
	Verify(header http.Header, body []byte) (Notification, error)
}

// Limits is implemented by a Provider that knows, before it is asked, which amounts it cannot move, whoever pays. Both methods are
// pure and return "", or a sentence for a shopper or an operator. A limit that the provider does not know here, it tells in its
// answer, with CodeNotChargeable.
type Limits interface {
	// NotChargeable says why no payment method can pay the amount.
	NotChargeable(money.Amount) string
	// NotRefundable says why no refund can be of the amount. Where two amounts are refundable, their difference is too: a partial
	// refund leaves no rest that cannot be refunded.
	NotRefundable(money.Amount) string
}

// Resolver is a Provider whose webhooks may name a payment by the provider's own reference.
type Resolver interface {
	// Resolve returns our reference of a payment; "" where it is none of ours.
	Resolve(ctx context.Context, providerReference string) (reference string, err error)
}

// Call is one request to a provider.
type Call struct {
	Key               string       // of idempotency: payment, operation and operation id. Never another one for the same intent
	Reference         string       // what we call the payment: its id
	ProviderReference string       // what they call it; empty until they have told
	RequestedAt       time.Time    // when the payment was asked for; no key of it is older
	Method            string       // the token of what is charged
	Amount            money.Amount // of the operation
	Customer          string       // who pays: their calls count together, and no provider needs to know
}

// Status is what a provider says of a payment or of an operation.
type Status string

// What a provider may say.
const (
	NotFound       Status = "not_found"       // look-up only; not definite while a call may be in flight
	ActionRequired Status = "action_required" // the shopper must act at their bank
	Authorized     Status = "authorized"
	Declined       Status = "declined" // for good; Code says why
	Captured       Status = "captured"
	Refused        Status = "refused" // this operation, for good; Code says why
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
	Replayed          bool        `json:"-"`                  // the key was answered before: things may have moved on since
}

// Report is what a look-up tells: the answer that the payment's last call got or would have got, and its refunds.
type Report struct {
	Answer
	Refunded  []string    // keys of the refunds that took effect
	Refunding []string    // keys of those under way there: neither done nor refused
	Back      int64       // minor units: all that was refunded, by whomever
	Elsewhere []Elsewhere // refunds that took effect and were not made by a call of ours
}

// Elsewhere is a refund that somebody made at the provider without us.
type Elsewhere struct {
	ID     string        `json:"id"`     // the provider's
	Kind   ElsewhereKind `json:"kind"`   // who brought it about
	Amount int64         `json:"amount"` // minor units
}

// ElsewhereKind is how money came back without a call of ours.
type ElsewhereKind string

// The kinds. Only a dispute that is lost counts: while it is open, or once it is won, nothing is refunded.
const (
	ElsewhereRefund  ElsewhereKind = "refund"  // somebody refunded it, as in the provider's dashboard
	ElsewhereDispute ElsewhereKind = "dispute" // the shopper's bank took it back, for good
	ElsewhereByHand  ElsewhereKind = "by_hand" // an operator's word: refunded by other means, or not owed any more. No provider says so
)

// Notification is a verified webhook. It says that something happened, not what: for that, the provider is asked.
type Notification struct {
	ID        string // the provider's; the same when it is sent twice
	Type      string
	Reference string // the payment, as we named it; or as the provider does, who is then a Resolver
}

// Unreadable is the error of a webhook whose signature is right and whose content is not.
type Unreadable struct{ Reason string }

func (u *Unreadable) Error() string { return "the webhook cannot be read: " + u.Reason }

// Transient is the error of a call that surely had no effect, such as a refused connection or a 503.
type Transient struct{ Err error }

func (t *Transient) Error() string { return "without effect: " + t.Err.Error() }

// Unwrap is the cause.
func (t *Transient) Unwrap() error { return t.Err }

// keyLife is how long a provider can be trusted to remember a key (Stripe keeps them 24 h). Later, only look-ups.
const keyLife = 23 * time.Hour

// surely is when a call whose key is past its life is in flight no more, though the process that was about to make it slept for a
// day: what the provider's book does not have then, it never had.
const surely = keyLife + 24*time.Hour
