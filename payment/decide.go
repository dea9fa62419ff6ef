package payment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

var (
	errTooLate         = fault.New(fault.Conflict, "too_late", "The payment is already being taken. Cancel the order instead.")
	errNotCaptured     = fault.New(fault.Conflict, "not_captured", "Nothing was taken that could be given back.")
	errExceedsCaptured = fault.New(fault.Invalid, "exceeds_captured", "That is more than is left to refund.")
	errOtherCurrency   = fault.New(fault.Invalid, "currency_mismatch", "The payment is in another currency.")
)

// codeNeverMade is why a refund failed that the provider was not asked for in time.
const codeNeverMade = "never_made"

// reasonCancelled is the reason of a shopper's own tombstone.
const reasonCancelled = "cancelled"

// request begins a payment: once, and not where a tombstone stands.
func request(s State, c Charge, provider string, now time.Time) []event {
	if s.requested() || s.Tombstone {
		return nil
	}
	return []event{requested{
		OrderID: c.OrderID, CheckoutID: c.CheckoutID, CustomerID: c.CustomerID,
		Amount: c.Amount, Method: c.Method, Provider: provider, At: now,
	}}
}

// cancel lets the payment alone decide between the shopper and a capture. What failed by itself needs no tombstone. Whoever
// insists may leave one while a capture is in doubt: nobody can have gone on with it, nor will, and what was taken goes back.
func cancel(s State, c Cancel) ([]event, error) {
	switch {
	case s.Cancelled && s.Captured == 0:
		return nil, nil
	case s.Capture != stepNone && !(c.Insists && s.Captured == 0 && !s.saidCaptured()):
		return nil, errTooLate
	case s.Tombstone, s.Authorization == stepRefused, s.Voided:
		return nil, nil
	}
	return []event{UndoRequested{CheckoutID: c.CheckoutID, CustomerID: c.CustomerID, Code: CodeCancelled, Reason: reasonCancelled}}, nil
}

// undo leaves the tombstone, and asks for a refund of what is captured and on no way back. A refund that failed for
// good is asked for anew, as another refund: once for each retry of an operator.
func undo(s State, u Undo, now time.Time) (events []event) {
	if s.Authorization == stepRefused && s.Captured == 0 {
		return nil // the provider holds nothing and never will
	}
	if !s.Tombstone {
		events = append(events, UndoRequested{CheckoutID: u.CheckoutID, Code: CodeCancelled, Reason: u.Reason})
	}
	if s.refusals() > u.Retries {
		return events
	}
	return append(events, giveBack(s, u.PaymentID, u.Reason, now)...)
}

// mustYield reports whether an undo comes too late to stop a capture, and is one that then lets it be.
func mustYield(s State, u Undo) bool { return u.Yields && s.Capture != stepNone && !s.Tombstone }

func giveBack(s State, payment uuid.UUID, reason string, now time.Time) []event {
	owed := s.left()
	if owed <= 0 {
		return nil
	}
	return []event{refundRequested{ID: undoRefundID(payment, len(s.Refunds)), Amount: owed, Reason: reason, At: now}}
}

// undoRefundID is the id of a refund that an undo asks for, with so many before it.
func undoRefundID(payment uuid.UUID, before int) uuid.UUID {
	return uuid.NewSHA1(payment, fmt.Appendf(nil, "undo/%d", before))
}

// requestRefund asks for no more than is left. Asked for again, also long after the receipt is gone, it is there already.
func requestRefund(s State, id uuid.UUID, r RequestRefund, now time.Time) ([]event, error) {
	if _, ok := s.refundOf(id); ok {
		return nil, nil
	}
	left := s.left()
	amount := money.Of(left, s.Amount.Currency)
	if r.Amount != nil {
		amount = *r.Amount
	}
	switch {
	case r.Unless != nil:
		return nil, r.Unless
	case s.Captured == 0:
		return nil, errNotCaptured
	case amount.Currency != s.Amount.Currency:
		return nil, errOtherCurrency.Detailf("The payment is in %s.", s.Amount.Currency)
	case amount.Amount <= 0 || amount.Amount > left:
		return nil, errExceedsCaptured.Detailf("%s of the payment is left to refund.", money.Of(left, s.Amount.Currency)).
			With("left", money.Of(left, s.Amount.Currency))
	}
	return []event{RefundOrdered{
		ID: id, OrderID: s.OrderID, CustomerID: s.CustomerID, Amount: amount, Reason: r.Reason, At: now,
	}}, nil
}

// ask is what the provider is asked next.
type ask struct {
	operation Operation
	refund    refund // of opRefund
}

// nextOfCharge says what the provider is asked about a payment now, and opNothing when there is nothing to ask or only to
// wait, as under a tombstone. looked: it has just told how things stand, and the state is what it told.
func nextOfCharge(s State, looked bool, now time.Time) ask {
	switch {
	case s.Tombstone || s.Captured > 0 || s.Voided:
		return ask{}
	case s.Authorization == stepWaiting && !looked:
		return ask{operation: opLookUp}
	case s.Authorization == stepAsked:
		return carefully(s, ask{operation: opAuthorize}, s.RequestedAt, looked, now)
	case s.Authorization == stepDone && s.Capture == stepAsked:
		return carefully(s, ask{operation: opCapture}, s.CaptureAt, looked, now)
	}
	return ask{}
}

// nextOfUndo voids whatever may be authorized, even where a capture is in doubt: the void is what settles the doubt. The
// provider either lets the payment go, and a capture that comes later is refused, or answers that it was captured.
func nextOfUndo(s State, looked bool, now time.Time) ask {
	if !s.Tombstone { // there was nothing to undo
		return ask{}
	}
	if r, ok := s.pendingRefund(now); ok {
		return carefully(s, ask{opRefund, r}, r.At, looked, now)
	}
	if _, refused := s.refusedUndo(); refused && !looked {
		return ask{operation: opLookUp}
	}
	switch {
	case !s.requested() || s.Authorization == stepRefused || s.Captured > 0 || s.Voided:
		return ask{}
	case s.doubts(opVoid) > 0 && !looked:
		return ask{operation: opLookUp}
	}
	return ask{operation: opVoid}
}

// nextOfRefund minds one refund alone: one that the provider refuses just now stands in no other's way.
func nextOfRefund(s State, id uuid.UUID, looked bool, now time.Time) ask {
	r, _ := s.refundOf(id)
	switch {
	case r.Status == stepRefused && !looked && r.Code != codeNeverMade:
		return ask{operation: opLookUp}
	case r.Status != stepAsked:
		return ask{}
	}
	return carefully(s, ask{opRefund, r}, r.At, looked, now)
}

// refused reports whether the provider refused the refund that was asked for.
func (s State) refused(a ask) bool {
	r, _ := s.refundOf(a.refund.ID)
	return a.operation == opRefund && r.Status == stepRefused
}

// carefully looks before it repeats a call, and before it refunds where a refund has failed: that one may have been made after all.
// It repeats none whose key the provider may have forgotten.
func carefully(s State, a ask, since time.Time, looked bool, now time.Time) ask {
	forgotten := now.Sub(since) > keyLife
	switch {
	case (forgotten || s.Unknown != nil || s.refundsAt(stepRefused) > 0) && !looked:
		return ask{operation: opLookUp}
	case forgotten:
		return ask{}
	}
	return a
}

// answered is what an answer adds to what is known: nothing, where the question was answered meanwhile. An answer that
// cannot be true is an error.
func answered(s State, a ask, id uuid.UUID, r Answer, now time.Time, ttl time.Duration) ([]event, error) {
	switch r.Status {
	case NotFound:
		return nil, nil
	case ActionRequired:
		return waiting(s, r, now, ttl)
	case Authorized:
		return authorizedNow(s, r, now), nil
	case Declined:
		return declinedNow(s, r), nil
	case Captured:
		return capturedNow(s, id, r, now)
	case Refused:
		return refusedNow(s, a, r)
	case Voided:
		return voidedNow(s), nil
	case Refunded:
		if a.operation == opRefund {
			return refundedNow(s, a.refund.ID)
		}
		return nil, nil
	}
	return nil, fmt.Errorf("the provider answered %q", r.Status)
}

// undecided reports whether the authorization still has no answer.
func (s State) undecided() bool {
	return (s.Authorization == stepAsked || s.Authorization == stepWaiting) && !s.Voided
}

func (s State) isPending(id uuid.UUID) bool {
	r, _ := s.refundOf(id)
	return r.Status == stepAsked
}

func waiting(s State, r Answer, now time.Time, ttl time.Duration) ([]event, error) {
	switch {
	case r.NextAction == nil:
		return nil, fmt.Errorf("the provider wants an action and names none")
	case s.Voided:
		return nil, nil
	case s.Authorization == stepAsked:
		return []event{actionRequired{r.ProviderReference, *r.NextAction, now.Add(ttl)}}, nil
	case s.Authorization == stepWaiting && !s.Tombstone && !now.Before(s.Deadline):
		return []event{UndoRequested{CheckoutID: s.CheckoutID, Code: CodeAuthenticationExpired, Reason: CodeAuthenticationExpired}}, nil
	}
	return nil, nil
}

// authorizedNow goes on to the capture in the same breath, unless a tombstone stands: then it is only known what to void.
func authorizedNow(s State, r Answer, now time.Time) []event {
	switch {
	case !s.undecided():
		return nil
	case s.Tombstone:
		return []event{authorized{r.ProviderReference}}
	}
	return []event{authorized{r.ProviderReference}, captureRequested{At: now}}
}

func declinedNow(s State, r Answer) []event {
	if !s.undecided() {
		return nil
	}
	return []event{declined{Code: declineCode(r.Code)}}
}

func capturedNow(s State, id uuid.UUID, r Answer, now time.Time) ([]event, error) {
	if s.Captured > 0 {
		return nil, nil
	}
	if r.Captured != s.Amount.Amount {
		return nil, fmt.Errorf("the provider captured %d of %d", r.Captured, s.Amount.Amount)
	}
	events := []event{captured{Amount: r.Captured}}
	if s.Tombstone {
		s = evolve(s, events[0])
		events = append(events, giveBack(s, id, s.FailureCode, now)...)
	}
	return events, nil
}

// voidedNow: where nobody asked for that, the authorization expired, and a capture that was under way came too late.
func voidedNow(s State) []event {
	switch {
	case s.Voided || s.Captured > 0 || s.Authorization == stepRefused:
		return nil
	case s.capturing() && !s.Tombstone:
		return []event{captureRefused{Code: CodeCaptureRefused}, voided{}}
	}
	return []event{voided{}}
}

// refundedNow: also what was given up may have been made after all, but never more than was captured.
func refundedNow(s State, id uuid.UUID) ([]event, error) {
	r, known := s.refundOf(id)
	switch back := s.providerRefunded() + r.Amount; {
	case !known || r.Status == stepDone:
		return nil, nil
	case back > s.Captured:
		return nil, fmt.Errorf("the provider gave back %d of %d", back, s.Captured)
	}
	return []event{refunded{ID: id}}, nil
}

func refusedNow(s State, a ask, r Answer) ([]event, error) {
	switch {
	case a.operation == opAuthorize:
		return declinedNow(s, r), nil
	case a.operation == opCapture && s.capturing():
		return []event{captureRefused{Code: CodeCaptureRefused}}, nil
	case a.operation == opRefund && s.isPending(a.refund.ID):
		return []event{refundFailed{ID: a.refund.ID, Code: plain(r.Code, 100)}}, nil
	case a.operation == opVoid && s.holds():
		return nil, fmt.Errorf("the provider refused to void: %q", r.Code)
	}
	return nil, nil
}

// capturing reports whether a capture is asked for and its outcome open.
func (s State) capturing() bool { return s.Capture == stepAsked && !s.Voided }

// holds reports whether the provider holds an authorization, or may come to, that was not captured.
func (s State) holds() bool {
	return s.requested() && s.Authorization != stepRefused && s.Captured == 0 && !s.Voided
}

// reported is what a look-up adds to what is known. A refund that nobody can have asked for since, and that is not in the book of what
// was captured, was never made: its amount is free again, for a refund under another key. What is in the book was made, whatever was
// thought of it.
func reported(s State, id uuid.UUID, r Report, now time.Time, ttl time.Duration) ([]event, error) {
	if r.Status == Captured && r.Back >= r.Captured && s.undecided() { // by a life of ours that no book of ours knows
		return declinedNow(s, Answer{Code: CodeRefundedBefore}), nil
	}
	events, err := answered(s, ask{operation: opLookUp}, id, r.Answer, now, ttl)
	for _, refund := range s.Refunds {
		call := key(id, ask{opRefund, refund})
		switch {
		case slices.Contains(r.Refunded, call):
			made, wrong := refundedNow(s, refund.ID)
			events, err = append(events, made...), cmp.Or(err, wrong)
			for _, e := range made {
				s = evolve(s, e)
			}
		case refund.Status != stepAsked || slices.Contains(r.Refunding, call):
		case r.Status == Captured && now.Sub(refund.At) > surely:
			events = append(events, refundFailed{ID: refund.ID, Code: codeNeverMade})
		}
	}
	return append(events, elsewhereNow(s, id, r, now)...), err
}

// elsewhereNow records the refunds made elsewhere that are not known yet. A payment that is not known to be captured learns that first.
func elsewhereNow(s State, payment uuid.UUID, r Report, now time.Time) (events []event) {
	if r.Status != Captured {
		return nil
	}
	for _, e := range r.Elsewhere {
		id := elsewhereID(payment, e.ID)
		if _, known := s.refundOf(id); known || e.Amount <= 0 {
			continue
		}
		made := RefundedElsewhere{
			ID: id, ProviderID: plain(e.ID, 255), Of: e.Kind, OrderID: s.OrderID, CheckoutID: s.CheckoutID,
			Amount: money.Of(e.Amount, s.Amount.Currency), Reason: reasonsElsewhere[e.Kind], At: now,
		}
		events, s = append(events, made), evolve(s, made)
	}
	return events
}

// elsewhereID is the id of a refund made elsewhere: the same however often it is seen.
func elsewhereID(payment uuid.UUID, provider string) uuid.UUID {
	return uuid.NewSHA1(payment, []byte("elsewhere/"+provider))
}

// reasonsElsewhere say to a shopper why money came back.
var reasonsElsewhere = map[ElsewhereKind]string{
	ElsewhereRefund:  "Refunded at the payment provider.",
	ElsewhereDispute: "Returned by the bank after a dispute.",
}

// lost records that a call was made and nobody knows what it did, where that still matters.
func lost(s State, a ask, cause error) []event {
	var open bool
	switch a.operation {
	case opAuthorize:
		open = s.Authorization == stepAsked && !s.Voided
	case opCapture:
		open = s.capturing()
	case opVoid:
		open = s.holds()
	case opRefund:
		open = s.isPending(a.refund.ID)
	case opLookUp, opNothing: // it changed nothing
	}
	if !open {
		return nil
	}
	return []event{outcomeUnknown{Operation: a.operation, Error: plain(cause.Error(), 500)}}
}

// plain is text of others, fit for an event.
func plain(text string, limit int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "")
	if r := []rune(text); len(r) > limit {
		text = string(r[:limit])
	}
	return text
}
