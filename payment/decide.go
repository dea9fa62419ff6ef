package payment

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

var (
	errTooLate         = fault.New(fault.Conflict, "too_late", "The payment is already being captured. Cancel the order instead.")
	errNotCaptured     = fault.New(fault.Conflict, "not_captured", "Nothing was captured, so nothing can be refunded.")
	errExceedsCaptured = fault.New(fault.Invalid, "exceeds_captured", "The amount is more than can still be refunded.")
	errOtherCurrency   = fault.New(fault.Invalid, "currency_mismatch", "The payment is in another currency.")
)

// codeNeverMade is the code of a refund that was not requested from the provider in time.
const codeNeverMade = "never_made"

// reasonCancelled is the reason of a tombstone that a shopper left.
const reasonCancelled = "cancelled"

// request begins a payment, unless it exists or has a tombstone.
func request(s State, c Charge, provider string, now time.Time) []event {
	if s.requested() || s.Tombstone {
		return nil
	}
	return []event{requested{
		OrderID: c.OrderID, CheckoutID: c.CheckoutID, CustomerID: c.CustomerID,
		Amount: c.Amount, Method: c.Method, Provider: provider, At: now,
	}}
}

// cancel leaves a tombstone, unless a capture was requested. A failed payment needs no tombstone. Cancel.Insists permits a tombstone while a
// capture is unresolved: no saga has continued after that capture, or will, and a captured amount is refunded.
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

// undo leaves the tombstone and requests a refund of the remaining captured amount. A refund that failed for good is requested again, as a
// new refund, once for each retry of an operator.
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

// mustYield reports whether an Undo has to give way to a capture.
func mustYield(s State, u Undo) bool { return u.Yields && s.Capture != stepNone && !s.Tombstone }

func giveBack(s State, payment uuid.UUID, reason string, now time.Time) []event {
	owed := s.left()
	if owed <= 0 {
		return nil
	}
	return []event{refundRequested{ID: undoRefundID(payment, len(s.Refunds)), Amount: owed, Reason: reason, At: now}}
}

// undoRefundID returns the id of the refund that an Undo requests after the given number of refunds.
func undoRefundID(payment uuid.UUID, before int) uuid.UUID {
	return uuid.NewSHA1(payment, fmt.Appendf(nil, "undo/%d", before))
}

// requestRefund allows at most the remaining amount. A repeated request adds nothing, even after its receipt was deleted.
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
		return nil, errExceedsCaptured.Detailf("%s of the payment can still be refunded.", money.Of(left, s.Amount.Currency)).
			With("left", money.Of(left, s.Amount.Currency))
	}
	return []event{RefundOrdered{
		ID: id, OrderID: s.OrderID, CustomerID: s.CustomerID, Amount: amount, Reason: r.Reason, At: now,
	}}, nil
}

// ask is a call to make. Its zero value means none.
type ask struct {
	operation Operation
	refund    refund // with opRefund
}

// nextOfCharge returns the next call of a Charge. looked means that the provider has just reported the state.
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

// nextOfUndo returns the next call of an Undo. It voids even while a capture is unresolved, since the void resolves it: the provider either
// voids the payment and refuses a later capture, or answers that the payment was captured.
func nextOfUndo(s State, looked bool, now time.Time) ask {
	if !s.Tombstone {
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

// nextOfRefund returns the next call of one refund. It does not depend on the other refunds.
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

// refused reports whether the provider refused the refund of an ask.
func (s State) refused(a ask) bool {
	r, _ := s.refundOf(a.refund.ID)
	return a.operation == opRefund && r.Status == stepRefused
}

// carefully returns a call, or first a look-up: before a repeated call, and before a refund that follows a failed one, since that one may
// have been made after all. It returns no call whose key the provider may have forgotten.
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

// answered returns the events that an answer adds: none if it tells nothing new. An invalid answer is an error.
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

// undecided reports whether the authorization has no final answer.
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
		return nil, errors.New("the provider requires an action and names none")
	case s.Voided:
		return nil, nil
	case s.Authorization == stepAsked:
		return []event{actionRequired{r.ProviderReference, *r.NextAction, now.Add(ttl)}}, nil
	case s.Authorization == stepWaiting && !s.Tombstone && !now.Before(s.Deadline):
		return []event{UndoRequested{CheckoutID: s.CheckoutID, Code: CodeAuthenticationExpired, Reason: CodeAuthenticationExpired}}, nil
	}
	return nil, nil
}

// authorizedNow records the authorization and, unless there is a tombstone, the intent to capture.
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

// voidedNow records a void. Without a tombstone the authorization expired, so that a requested capture has failed.
func voidedNow(s State) []event {
	switch {
	case s.Voided || s.Captured > 0 || s.Authorization == stepRefused:
		return nil
	case s.capturing() && !s.Tombstone:
		return []event{captureRefused{Code: CodeCaptureRefused}, voided{}}
	}
	return []event{voided{}}
}

// refundedNow records a refund, even one that failed before. A refund of more than was captured is an error.
func refundedNow(s State, id uuid.UUID) ([]event, error) {
	r, known := s.refundOf(id)
	switch back := s.providerRefunded() + r.Amount; {
	case !known || r.Status == stepDone:
		return nil, nil
	case back > s.Captured:
		return nil, fmt.Errorf("the provider refunded %d of %d", back, s.Captured)
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

// capturing reports whether a capture was requested and has no outcome.
func (s State) capturing() bool { return s.Capture == stepAsked && !s.Voided }

// holds reports whether the provider holds an authorization that was not captured, or may hold it later.
func (s State) holds() bool {
	return s.requested() && s.Authorization != stepRefused && s.Captured == 0 && !s.Voided
}

// reported returns the events that a look-up adds. A reported refund was made, even if it is recorded as failed. An unreported refund was
// never made if no call for it can be in flight any more: its amount is then free for a refund under another key.
func reported(s State, id uuid.UUID, r Report, now time.Time, ttl time.Duration) ([]event, error) {
	if r.Status == Captured && r.Back >= r.Captured && s.undecided() { // captured before a restore of our database
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

// elsewhereNow records new refunds made elsewhere.
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

// elsewhereID derives the id of a refund made elsewhere from the provider's id.
func elsewhereID(payment uuid.UUID, provider string) uuid.UUID {
	return uuid.NewSHA1(payment, []byte("elsewhere/"+provider))
}

// reasonsElsewhere holds the reasons for shoppers.
var reasonsElsewhere = map[ElsewhereKind]string{
	ElsewhereRefund:  "Refunded at the payment provider.",
	ElsewhereDispute: "Returned by the bank after a dispute.",
}

// lost records that the outcome of a call is unknown, unless another call has told it.
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
	case opLookUp, opNothing:
	}
	if !open {
		return nil
	}
	return []event{outcomeUnknown{Operation: a.operation, Error: plain(cause.Error(), 500)}}
}

// plain makes foreign text fit for an event: valid UTF-8 without NUL, and at most limit runes.
func plain(text string, limit int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "")
	if r := []rune(text); len(r) > limit {
		text = string(r[:limit])
	}
	return text
}
