package payment

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/money"
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
		Amount: c.Amount, PaymentMethod: c.PaymentMethod, Provider: provider, At: now, Source: c.Source, Guest: c.Guest,
	}}
}

// cancel leaves a tombstone, unless a capture was requested. A failed payment needs no tombstone. Cancel.Insists permits a tombstone while a
// capture is unresolved: no saga has continued after that capture, or will, and a captured amount is refunded.
func cancel(s State, c Cancel) ([]event, error) {
	switch {
	case s.Cancelled && s.Captured == 0:
		return nil, nil
	case s.Capture != stepNone && !(c.Insists && s.Captured == 0 && !s.claimedCaptured()):
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
	return append(events, refundRemaining(s, u.PaymentID, u.Reason, now)...)
}

// mustYield reports whether an Undo has to give way to a capture.
func mustYield(s State, u Undo) bool { return u.Yields && s.Capture != stepNone && !s.Tombstone }

func refundRemaining(s State, payment uuid.UUID, reason string, now time.Time) []event {
	owed := s.refundable()
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
	left := s.refundable()
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
	case r.Limit > 0 && s.Captured-left+amount.Amount > r.Limit:
		return nil, errRefundLimit.Detailf("This access token allows refunds of %s of an order at most, together with those made before.", money.Of(r.Limit, s.Amount.Currency))
	}
	return []event{RefundOrdered{
		ID: id, OrderID: s.OrderID, CustomerID: s.CustomerID, Amount: amount, Reason: r.Reason, At: now,
	}}, nil
}

// providerCall is a call to make. Its zero value means none.
type providerCall struct {
	operation Operation
	refund    refund // with opRefund
}

// nextChargeCall returns the next call of a Charge. lookedUp means that the provider has just reported the state.
func nextChargeCall(s State, lookedUp bool, now time.Time) providerCall {
	switch {
	case s.Tombstone || s.Captured > 0 || s.Voided:
		return providerCall{}
	case s.Authorization == stepWaiting && !lookedUp:
		return providerCall{operation: opLookUp}
	case s.Authorization == stepAsked:
		return lookUpFirst(s, providerCall{operation: opAuthorize}, s.RequestedAt, lookedUp, now)
	case s.Authorization == stepDone && s.Capture == stepAsked:
		return lookUpFirst(s, providerCall{operation: opCapture}, s.CaptureAt, lookedUp, now)
	}
	return providerCall{}
}

// nextUndoCall returns the next call of an Undo. It voids even while a capture is unresolved, since the void resolves it: the provider either
// voids the payment and refuses a later capture, or answers that the payment was captured.
func nextUndoCall(s State, lookedUp bool, now time.Time) providerCall {
	if !s.Tombstone {
		return providerCall{}
	}
	if r, ok := s.pendingRefund(now); ok {
		return lookUpFirst(s, providerCall{opRefund, r}, r.At, lookedUp, now)
	}
	if _, refused := s.refusedUndoRefund(); refused && !lookedUp {
		return providerCall{operation: opLookUp}
	}
	switch {
	case !s.requested() || s.Authorization == stepRefused || s.Captured > 0 || s.Voided:
		return providerCall{}
	case s.unknownCount(opVoid) > 0 && !lookedUp:
		return providerCall{operation: opLookUp}
	}
	return providerCall{operation: opVoid}
}

// nextRefundCall returns the next call of one refund. It does not depend on the other refunds.
func nextRefundCall(s State, id uuid.UUID, lookedUp bool, now time.Time) providerCall {
	r, _ := s.refundOf(id)
	switch {
	case r.Status == stepRefused && !lookedUp && r.Code != codeNeverMade:
		return providerCall{operation: opLookUp}
	case r.Status != stepAsked:
		return providerCall{}
	}
	return lookUpFirst(s, providerCall{opRefund, r}, r.At, lookedUp, now)
}

// refusedRefund reports whether the provider refused the refund of a call.
func (s State) refusedRefund(a providerCall) bool {
	r, _ := s.refundOf(a.refund.ID)
	return a.operation == opRefund && r.Status == stepRefused
}

// lookUpFirst returns a call, or first a look-up: before a repeated call, and before a refund that follows a failed one, since that one may
// have been made after all. It returns no call whose key the provider may have forgotten.
func lookUpFirst(s State, a providerCall, since time.Time, lookedUp bool, now time.Time) providerCall {
	forgotten := now.Sub(since) > idempotencyKeyTTL
	switch {
	case (forgotten || s.Unknown != nil || s.refundsAt(stepRefused) > 0) && !lookedUp:
		return providerCall{operation: opLookUp}
	case forgotten:
		return providerCall{}
	}
	return a
}

// onAnswer returns the events that an answer adds: none if it tells nothing new. An invalid answer is an error.
func onAnswer(s State, a providerCall, id uuid.UUID, r Answer, now time.Time, ttl time.Duration) ([]event, error) {
	switch r.Status {
	case NotFound:
		return nil, nil
	case ActionRequired:
		return onActionRequired(s, r, now, ttl)
	case Authorized:
		return onAuthorized(s, r, now), nil
	case Declined:
		return onDeclined(s, r), nil
	case Captured:
		return onCaptured(s, id, r, now)
	case Refused:
		return onRefused(s, a, r)
	case Voided:
		return onVoided(s), nil
	case Refunded:
		if a.operation == opRefund {
			return onRefunded(s, a.refund.ID)
		}
		return nil, nil
	}
	return nil, fmt.Errorf("the provider answered %q", r.Status)
}

// authorizing reports whether the authorization has no final answer.
func (s State) authorizing() bool {
	return (s.Authorization == stepAsked || s.Authorization == stepWaiting) && !s.Voided
}

func (s State) refundPending(id uuid.UUID) bool {
	r, _ := s.refundOf(id)
	return r.Status == stepAsked
}

func onActionRequired(s State, r Answer, now time.Time, ttl time.Duration) ([]event, error) {
	switch {
	case r.NextAction == nil:
		return nil, errors.New("the provider requires an action and names none")
	case s.Voided:
		return nil, nil
	case s.Authorization == stepAsked:
		return []event{actionRequired{r.ProviderReference, kept(*r.NextAction), now.Add(ttl)}}, nil
	case s.Authorization == stepWaiting && !s.Tombstone && !now.Before(s.Deadline):
		return []event{UndoRequested{CheckoutID: s.CheckoutID, Code: CodeAuthenticationExpired, Reason: CodeAuthenticationExpired}}, nil
	}
	return nil, nil
}

func kept(a NextAction) keptAction {
	if a.ClientSecret != "" {
		return keptAction{Type: a.Type}
	}
	return keptAction{a.Type, a.URL}
}

// onAuthorized records the authorization and, unless there is a tombstone, the intent to capture.
func onAuthorized(s State, r Answer, now time.Time) []event {
	switch {
	case !s.authorizing():
		return nil
	case s.Tombstone:
		return []event{authorized{r.ProviderReference}}
	}
	return []event{authorized{r.ProviderReference}, captureRequested{At: now}}
}

func onDeclined(s State, r Answer) []event {
	if !s.authorizing() {
		return nil
	}
	return []event{declined{Code: declineCode(r.Code)}}
}

func onCaptured(s State, id uuid.UUID, r Answer, now time.Time) ([]event, error) {
	if s.Captured > 0 {
		return nil, nil
	}
	if r.Captured != s.Amount.Amount {
		return nil, fmt.Errorf("the provider captured %d of %d", r.Captured, s.Amount.Amount)
	}
	events := []event{captured{Amount: r.Captured}}
	if s.Tombstone {
		s = evolve(s, events[0])
		events = append(events, refundRemaining(s, id, s.FailureCode, now)...)
	}
	return events, nil
}

// onVoided records a void. Without a tombstone the authorization expired, so that a requested capture has failed.
func onVoided(s State) []event {
	switch {
	case s.Voided || s.Captured > 0 || s.Authorization == stepRefused:
		return nil
	case s.capturing() && !s.Tombstone:
		return []event{captureRefused{Code: CodeCaptureRefused}, voided{}}
	}
	return []event{voided{}}
}

// onRefunded records a refund, even one that failed before. A refund of more than was captured is an error.
func onRefunded(s State, id uuid.UUID) ([]event, error) {
	r, known := s.refundOf(id)
	switch back := s.providerRefunded() + r.Amount; {
	case !known || r.Status == stepDone:
		return nil, nil
	case back > s.Captured:
		return nil, fmt.Errorf("the provider refunded %d of %d", back, s.Captured)
	}
	return []event{refunded{ID: id}}, nil
}

func onRefused(s State, a providerCall, r Answer) ([]event, error) {
	switch {
	case a.operation == opAuthorize:
		return onDeclined(s, r), nil
	case a.operation == opCapture && s.capturing():
		return []event{captureRefused{Code: CodeCaptureRefused}}, nil
	case a.operation == opRefund && s.refundPending(a.refund.ID):
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

// onReport returns the events that a look-up adds. A reported refund was made, even if it is recorded as failed. An unreported refund was
// never made if no call for it can be in flight any more: its amount is then free for a refund under another key.
func onReport(s State, id uuid.UUID, r Report, now time.Time, ttl time.Duration) ([]event, error) {
	if r.Status == Captured && r.Back >= r.Captured && s.authorizing() { // captured before a restore of our database
		return onDeclined(s, Answer{Code: CodeRefundedBefore}), nil
	}
	events, err := onAnswer(s, providerCall{operation: opLookUp}, id, r.Answer, now, ttl)
	for _, refund := range s.Refunds {
		call := key(id, providerCall{opRefund, refund})
		switch {
		case slices.Contains(r.Refunded, call):
			made, wrong := onRefunded(s, refund.ID)
			events, err = append(events, made...), cmp.Or(err, wrong)
			for _, e := range made {
				s = evolve(s, e)
			}
		case refund.Status != stepAsked || slices.Contains(r.Refunding, call):
		case r.Status == Captured && now.Sub(refund.At) > neverMadeAfter:
			events = append(events, refundFailed{ID: refund.ID, Code: codeNeverMade})
		}
	}
	return append(events, onElsewhere(s, id, r, now)...), err
}

// onElsewhere records new refunds made elsewhere.
func onElsewhere(s State, payment uuid.UUID, r Report, now time.Time) (events []event) {
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

// onUnknown records that the outcome of a call is unknown, unless another call has told it.
func onUnknown(s State, a providerCall, cause error) []event {
	var open bool
	switch a.operation {
	case opAuthorize:
		open = s.Authorization == stepAsked && !s.Voided
	case opCapture:
		open = s.capturing()
	case opVoid:
		open = s.holds()
	case opRefund:
		open = s.refundPending(a.refund.ID)
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
