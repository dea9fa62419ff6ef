package payment

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// Operation is a request to a provider.
type Operation string

// The operations.
const (
	opNothing   Operation = ""
	opAuthorize Operation = "authorize"
	opCapture   Operation = "capture"
	opVoid      Operation = "void"
	opRefund    Operation = "refund"
	opLookUp    Operation = "look_up"
)

// step is the progress of one operation.
type step string

const (
	stepNone    step = ""
	stepAsked   step = "asked"   // requested, without an answer
	stepWaiting step = "waiting" // for the shopper
	stepDone    step = "done"
	stepRefused step = "refused"
)

// State is a payment, folded from its events.
type State struct {
	OrderID           uuid.UUID    `json:"order_id"`
	CheckoutID        uuid.UUID    `json:"checkout_id"`
	CustomerID        string       `json:"customer_id,omitempty"`
	Amount            money.Amount `json:"amount"`
	PaymentMethod     string       `json:"method,omitempty"`
	Provider          string       `json:"provider,omitempty"`
	ProviderReference string       `json:"provider_reference,omitempty"`
	RequestedAt       time.Time    `json:"requested_at,omitzero"`
	Source            string       `json:"source,omitempty"` // keyed hash of the customer's address
	Guest             bool         `json:"guest,omitempty"`

	Authorization step        `json:"authorization,omitempty"`
	NextAction    *keptAction `json:"next_action,omitempty"` // while the authorization waits
	Deadline      time.Time   `json:"deadline,omitzero"`     // of the shopper's action
	Capture       step        `json:"capture,omitempty"`
	CaptureAt     time.Time   `json:"capture_at,omitzero"` // time of its request
	Captured      int64       `json:"captured,omitempty"`  // minor units
	Voided        bool        `json:"voided,omitempty"`
	Refunds       []refund    `json:"refunds,omitempty"`

	Unknown     *unknownCall `json:"unknown,omitempty"`
	Resolution  Resolution   `json:"settlement,omitempty"`   // by an operator; the provider's answer overrides it
	Tombstone   bool         `json:"tombstone,omitempty"`    // no authorization and no capture begins any more
	Cancelled   bool         `json:"cancelled,omitempty"`    // a shopper left the tombstone
	FailureCode string       `json:"failure_code,omitempty"` // the first reason not to capture, or to refund
}

// unknownCall is a call with an unknown outcome.
type unknownCall struct {
	Operation Operation `json:"operation"`
	Count     int       `json:"count"` // such calls in a row
}

type refund struct {
	ID     uuid.UUID `json:"id"`
	Amount int64     `json:"amount"` // minor units
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	Status step      `json:"status"`

	Origin    origin        `json:"origin,omitempty"`
	Elsewhere ElsewhereKind `json:"elsewhere,omitempty"` // with originProvider
	Code      string        `json:"code,omitempty"`      // the provider's reason to refuse it
	Covered   int64         `json:"covered,omitempty"`   // minor units: the part of a refund by hand that the provider refunded after all
}

// counted returns the amount of the refund without its covered part, in minor units.
func (r refund) counted() int64 { return r.Amount - r.Covered }

// origin says how a refund came about.
type origin string

const (
	originAPI          origin = "api"          // an operator, through the API
	originCompensation origin = "compensation" // an Undo
	originProvider     origin = "provider"     // made elsewhere, without a call of ours
)

var payments = &eventstore.Aggregate[State, event]{
	Kind: "payment", StateVersion: 6, Types: eventTypes, Evolve: evolve, Index: index,
	Upcasts: map[string][]eventstore.Upcaster{
		"payment.requested": {eventstore.FieldsAdded}, // Source, Guest
		"payment.action_required": {
			eventstore.FieldsAdded, // 2: next_action.client_secret
			eventstore.FieldsAdded, // 3: without it
		},
	},
}

func index(s State, _ time.Time) eventstore.Index {
	return eventstore.Index{Customer: s.CustomerID, Status: string(s.status())}
}

func evolve(s State, e event) State {
	switch e := e.(type) {
	case requested:
		s.OrderID, s.CheckoutID, s.CustomerID = e.OrderID, e.CheckoutID, e.CustomerID
		s.Amount, s.PaymentMethod, s.Provider, s.RequestedAt = e.Amount, e.PaymentMethod, e.Provider, e.At
		s.Source, s.Guest = e.Source, e.Guest
		s.Authorization = stepAsked
	case authorized:
		s = s.withAnswer(e.ProviderReference)
		s.Authorization, s.NextAction, s.Deadline = stepDone, nil, time.Time{}
	case actionRequired:
		s = s.withAnswer(e.ProviderReference)
		s.Authorization, s.NextAction, s.Deadline = stepWaiting, &e.NextAction, e.Deadline
	case declined:
		s = s.withAnswer("").withFailure(e.Code)
		s.Authorization, s.NextAction, s.Deadline = stepRefused, nil, time.Time{}
	case captureRequested:
		s.Capture, s.CaptureAt = stepAsked, e.At
	case captured:
		s = s.withAnswer("")
		s.Authorization, s.NextAction, s.Deadline = stepDone, nil, time.Time{}
		s.Capture, s.Captured = stepDone, e.Amount
	case captureRefused:
		s = s.withAnswer("").withFailure(e.Code)
		s.Capture = stepRefused
	case outcomeUnknown:
		s.Unknown = &unknownCall{Operation: e.Operation, Count: s.unknownCount(e.Operation) + 1}
	case UndoRequested:
		s = s.withFailure(e.Code)
		s.Tombstone, s.Cancelled, s.CheckoutID = true, e.Reason == reasonCancelled, e.CheckoutID
		if s.CustomerID == "" {
			s.CustomerID = e.CustomerID
		}
	case voided:
		s = s.withAnswer("").withFailure(CodeCancelled)
		s.Voided, s.NextAction, s.Deadline = true, nil, time.Time{}
	case refundRequested:
		s.Refunds = append(slices.Clone(s.Refunds), refund{
			ID: e.ID, Amount: e.Amount, Reason: e.Reason, At: e.At, Status: stepAsked, Origin: originCompensation,
		})
	case RefundOrdered:
		s.Refunds = append(slices.Clone(s.Refunds), refund{
			ID: e.ID, Amount: e.Amount.Amount, Reason: e.Reason, At: e.At, Status: stepAsked, Origin: originAPI,
		})
	case refunded:
		s = s.withAnswer("").withRefund(e.ID, stepDone, "").withCovered()
	case refundFailed:
		s = s.withAnswer("").withRefund(e.ID, stepRefused, e.Code)
	case RefundedElsewhere:
		s.Refunds = append(slices.Clone(s.Refunds), refund{
			ID: e.ID, Amount: e.Amount.Amount, Reason: e.Reason, At: e.At, Status: stepDone, Origin: originProvider, Elsewhere: e.Of,
		})
		s = s.withCovered()
	case Resolved:
		s.Resolution = e.Outcome
		if e.Outcome == ResolvedNotCaptured {
			s.Unknown = nil
			if s.capturing() {
				s.Capture = stepRefused
			}
		}
	case Notified:
	}
	return s
}

// withAnswer clears the unknown outcome after an answer of the provider.
func (s State) withAnswer(reference string) State {
	s.Unknown = nil
	if reference != "" {
		s.ProviderReference = reference
	}
	return s
}

func (s State) withFailure(code string) State {
	if s.FailureCode == "" {
		s.FailureCode = code
	}
	return s
}

func (s State) withRefund(id uuid.UUID, to step, code string) State {
	s.Refunds = slices.Clone(s.Refunds)
	for i, r := range s.Refunds {
		if r.ID == id {
			s.Refunds[i].Status, s.Refunds[i].Code = to, code
		}
	}
	return s
}

// withCovered lets the provider's refunds replace refunds by hand if both together exceed the captured amount. An operator may record a refund in
// the provider's dashboard before the provider reports it: that is the same money.
func (s State) withCovered() State {
	over := s.providerRefunded() + s.refundedByHand() - s.Captured
	s.Refunds = slices.Clone(s.Refunds)
	for i := range s.Refunds {
		if r := &s.Refunds[i]; r.Elsewhere == ElsewhereByHand && over > 0 {
			n := min(over, r.counted())
			r.Covered, over = r.Covered+n, over-n
		}
	}
	return s
}

func (s State) unknownCount(op Operation) int {
	if s.Unknown == nil || s.Unknown.Operation != op {
		return 0
	}
	return s.Unknown.Count
}

// requested reports whether there is more than a tombstone.
func (s State) requested() bool { return s.Authorization != stepNone }

func (s State) sum(of func(refund) bool) (sum int64) {
	for _, r := range s.Refunds {
		if of(r) {
			sum += r.counted()
		}
	}
	return sum
}

// refundsAt returns the sum of the refunds at one step, in minor units.
func (s State) refundsAt(at step) int64 { return s.sum(func(r refund) bool { return r.Status == at }) }

// refundedByHand returns the sum of the refunds by hand, in minor units. No provider reports them.
func (s State) refundedByHand() int64 {
	return s.sum(func(r refund) bool { return r.Elsewhere == ElsewhereByHand })
}

// providerRefunded returns the sum that the provider refunded, in minor units. It may exceed the captured amount, by a refund and a lost
// dispute.
func (s State) providerRefunded() int64 { return s.refundsAt(stepDone) - s.refundedByHand() }

// refusedUndoRefund returns the last refund of an Undo, and whether the provider refused it while money is still owed.
func (s State) refusedUndoRefund() (last refund, refused bool) {
	for _, r := range s.Refunds {
		if r.Origin == originCompensation {
			last = r
		}
	}
	return last, s.Tombstone && s.refundable() > 0 && last.Status == stepRefused && last.Code != codeNeverMade
}

// refusals counts the refunds of the owed amount that the provider refused for good.
func (s State) refusals() (n int) {
	owed := s.refundable()
	for _, r := range s.Refunds {
		if r.Origin == originCompensation && r.Status == stepRefused && r.Code != codeNeverMade && r.Amount == owed {
			n++
		}
	}
	return n
}

// pendingRefund returns the next pending refund. It prefers one that can still be requested, so that a refund that only a look-up can resolve
// does not block the others.
func (s State) pendingRefund(now time.Time) (next refund, found bool) {
	for _, r := range s.Refunds {
		switch {
		case r.Status != stepAsked:
		case now.Sub(r.At) <= idempotencyKeyTTL:
			return r, true
		case !found:
			next, found = r, true
		}
	}
	return next, found
}

// refundOf returns the refund with that id.
func (s State) refundOf(id uuid.UUID) (refund, bool) {
	i := slices.IndexFunc(s.Refunds, func(r refund) bool { return r.ID == id })
	if i < 0 {
		return refund{}, false
	}
	return s.Refunds[i], true
}

// refundable returns the captured amount without completed and pending refunds, in minor units. It is never negative, even if a failed refund was
// made after all.
func (s State) refundable() int64 {
	return max(0, s.Captured-s.refundsAt(stepDone)-s.refundsAt(stepAsked))
}

// status returns the status of the payment in the API.
func (s State) status() status {
	switch back := s.refundsAt(stepDone); {
	case s.Captured > 0 && back >= s.Captured:
		return statusRefunded
	case s.Captured > 0 && back > 0:
		return statusPartiallyRefunded
	case s.Captured > 0 || s.claimedCaptured():
		return statusCaptured
	case s.Authorization == stepRefused:
		return statusDeclined
	case s.Voided || !s.requested():
		return statusVoided
	case s.Unknown != nil:
		return statusUnknown
	case s.Authorization == stepWaiting:
		return statusRequiresAction
	case s.Authorization == stepDone:
		return statusAuthorized
	}
	return statusPending
}

// status is the status of a payment in the API.
type status string

const (
	statusPending           status = "pending"
	statusRequiresAction    status = "requires_action"
	statusUnknown           status = "unknown"
	statusAuthorized        status = "authorized"
	statusCaptured          status = "captured"
	statusVoided            status = "voided"
	statusDeclined          status = "declined"
	statusRefunded          status = "refunded"
	statusPartiallyRefunded status = "partially_refunded"
)
