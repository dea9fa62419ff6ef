package payment

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

var (
	aRefund      = refundID(theID, uuid.UUID{1})
	another      = refundID(theID, uuid.UUID{2})
	taken        = []event{wish, authorized{}, capturing, captured{1999}}
	ordersRefund = RefundOrdered{aRefund, theOrder, "ann", money.Of(500, "GBP"), "Broken.", noon}
)

func ordered(id uuid.UUID, minor int64) event {
	return RefundOrdered{id, theOrder, "ann", money.Of(minor, "GBP"), "Broken.", noon}
}

func after(before []event, more ...event) []event {
	return append(before[:len(before):len(before)], more...)
}

func TestRequestRefund(t *testing.T) {
	t.Parallel()
	pence := func(minor int64) *money.Amount { a := money.Of(minor, "GBP"); return &a }
	euros := money.Of(1, "EUR")
	for name, c := range map[string]struct {
		given  []event
		amount *money.Amount
		limit  int64
		unless error
		then   []event
		err    *fault.Fault
		left   int64 // in the detail of the error
	}{
		"APart":                        {given: taken, amount: pence(500), then: []event{ordered(aRefund, 500)}},
		"AllOfIt":                      {given: taken, amount: pence(1999), then: []event{ordered(aRefund, 1999)}},
		"WithoutAnAmountAllOfIt":       {given: taken, then: []event{ordered(aRefund, 1999)}},
		"WithoutAnAmountAllThatIsLeft": {given: after(taken, ordered(another, 999)), then: []event{ordered(aRefund, 1000)}},
		"PendingOnesCount":             {given: after(taken, ordered(another, 1500)), amount: pence(500), err: errExceedsCaptured, left: 499},
		"DoneOnesCount":                {given: after(taken, ordered(another, 1500), refunded{another}), amount: pence(500), err: errExceedsCaptured, left: 499},
		"FailedOnesAreFreeAgain": {
			given: after(taken, ordered(another, 1500), refundFailed{another, "closed"}), amount: pence(1999), then: []event{ordered(aRefund, 1999)},
		},
		"MoreThanWasTaken":           {given: taken, amount: pence(2000), err: errExceedsCaptured, left: 1999},
		"NothingIsLeft":              {given: after(taken, ordered(another, 1999)), err: errExceedsCaptured},
		"NothingAtAll":               {given: taken, amount: pence(0), err: errExceedsCaptured, left: 1999},
		"LessThanNothing":            {given: taken, amount: pence(-1), err: errExceedsCaptured, left: 1999},
		"UndoneIsAllOnItsWay":        {given: after(taken, tombstone, asksRefund), err: errExceedsCaptured},
		"WithinTheLimit":             {given: taken, amount: pence(500), limit: 500, then: []event{ordered(aRefund, 500)}},
		"AboveTheLimit":              {given: taken, amount: pence(501), limit: 500, err: errRefundLimit},
		"AllOfItAboveTheLimit":       {given: taken, limit: 1998, err: errRefundLimit},
		"InPartsAboveTheLimit":       {given: after(taken, ordered(another, 400), refunded{another}), amount: pence(101), limit: 500, err: errRefundLimit},
		"InAnotherCurrency":          {given: taken, amount: &euros, err: errOtherCurrency},
		"OfWhatWasNeverTaken":        {given: []event{wish, authorized{}, capturing}, err: errNotCaptured},
		"OfNoPayment":                {amount: pence(1), err: errNotCaptured},
		"AgainIsThereAlready":        {given: after(taken, ordered(aRefund, 1999)), amount: pence(1999)},
		"AgainThoughItFailed":        {given: after(taken, ordered(aRefund, 1999), refundFailed{aRefund, "x"}), amount: pence(1999)},
		"WhatTheCallerKnowsIsSaid":   {given: taken, unless: eventstore.ErrVersionMismatch, err: eventstore.ErrVersionMismatch},
		"ButNotOfWhatIsThereAlready": {given: after(taken, ordered(aRefund, 1)), unless: eventstore.ErrVersionMismatch},
		"AfterAnUndoThatFailedItMayBe": {
			given: after(taken, tombstone, asksRefund, refundFailed{theRefund, "x"}), amount: pence(1), then: []event{ordered(aRefund, 1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := requestRefund(given(c.given...), aRefund, RequestRefund{theID, c.amount, "Broken.", c.limit, c.unless}, noon)
			require.Equal(t, c.then, got)
			if c.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.err)
			if f, _ := fault.As(err); c.err == errExceedsCaptured {
				require.Equal(t, money.Of(c.left, "GBP"), f.Extra["left"])
			}
		})
	}
}

func TestRefundID(t *testing.T) {
	t.Parallel()
	require.Equal(t, aRefund, refundID(theID, uuid.UUID{1}), "whoever repeats the request means the same refund")
	require.NotEqual(t, aRefund, refundID(theID, uuid.UUID{2}))
	require.NotEqual(t, aRefund, refundID(theOrder, uuid.UUID{1}), "a key may come again, for another payment, when its receipt is gone")
}

func TestNextOfRefund(t *testing.T) {
	t.Parallel()
	two := after(taken, ordered(another, 500), ordered(aRefund, 500))
	lostIt := outcomeUnknown{opRefund, "timeout"}
	for name, c := range map[string]struct {
		given  []event
		looked bool
		after  time.Duration
		want   Operation
	}{
		"NothingThatNobodyOrdered":     {given: taken, want: opNothing},
		"RefundItAlone":                {given: two, want: opRefund},
		"LookUpWhereItIsInDoubt":       {given: after(two, lostIt), want: opLookUp},
		"TheSameAgainWhenNotFound":     {given: after(two, lostIt), looked: true, want: opRefund},
		"OnlyLookUpWhenTheKeyMayBeOld": {given: two, after: 24 * time.Hour, want: opLookUp},
		"AndThenWait":                  {given: two, looked: true, after: 24 * time.Hour, want: opNothing},
		"LookFirstWhereOneHasFailed":   {given: after(two, refundFailed{another, codeNeverMade}), want: opLookUp},
		"ThenRefund":                   {given: after(two, refundFailed{another, codeNeverMade}), looked: true, want: opRefund},
		"NothingWhenDone":              {given: after(two, refunded{aRefund}), want: opNothing},
		"LookWhenRefused":              {given: after(two, refundFailed{aRefund, "x"}), want: opLookUp},
		"NothingWhenRefusedAndLooked":  {given: after(two, refundFailed{aRefund, "x"}), looked: true, want: opNothing},
		"UnderATombstoneTheSame":       {given: after(two, tombstone, asksRefund), want: opRefund},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := nextRefundCall(given(c.given...), aRefund, c.looked, noon.Add(c.after))
			require.Equal(t, c.want, got.operation)
			if c.want == opRefund {
				require.Equal(t, aRefund, got.refund.ID)
				require.Contains(t, key(theID, got), aRefund.String(), "one key, whoever asks and however often")
			}
		})
	}
}

// TestRefundNeverMade checks that a refund counts as never made if the provider does not report it after its key has expired and no call
// can be in flight. Until then, and while the provider reports it as under way, it stays unknown.
func TestRefundNeverMade(t *testing.T) {
	t.Parallel()
	lost := after(taken, ordered(another, 300), ordered(aRefund, 500))
	mine := key(theID, providerCall{opRefund, refund{ID: aRefund}})
	theirs := key(theID, providerCall{opRefund, refund{ID: another}})
	never := refundFailed{aRefund, codeNeverMade}
	for name, c := range map[string]struct {
		after  time.Duration
		report Report
		then   []event
	}{
		"WhileItsKeyIsKnown":      {idempotencyKeyTTL, Report{Answer: Answer{Status: Captured, Captured: 1999}}, nil},
		"WhileACallMayBeInFlight": {neverMadeAfter, Report{Answer: Answer{Status: Captured, Captured: 1999}}, nil},
		"Then": {neverMadeAfter + 1, Report{Answer: Answer{Status: Captured, Captured: 1999}, Refunded: []string{theirs}},
			[]event{refunded{another}, never}},
		"ButNotWhatIsUnderWay":         {neverMadeAfter + 1, Report{Answer: Answer{Status: Captured, Captured: 1999}, Refunding: []string{mine, theirs}}, nil},
		"NorWhatWasMade":               {neverMadeAfter + 1, Report{Answer: Answer{Status: Captured, Captured: 1999}, Refunded: []string{mine, theirs}}, []event{refunded{another}, refunded{aRefund}}},
		"NorOfABookThatKnowsNoCapture": {neverMadeAfter + 1, Report{Answer: Answer{Status: NotFound}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := onReport(given(lost...), theID, c.report, noon.Add(c.after), ttl)
			require.NoError(t, err)
			require.Equal(t, c.then, got)
		})
	}
	require.EqualValues(t, 1699, given(append(lost, refunded{another}, never)...).refundable(), "its amount is free again")
}

// TestRefundMadeAfterAll makes a refund that was given up and replaced: a process slept for longer than the limit and then made it. A
// report or the answer to that call tells so, and the replacement is refused.
func TestRefundMadeAfterAll(t *testing.T) {
	t.Parallel()
	givenUp := given(after(taken, ordered(aRefund, 1999), refundFailed{aRefund, codeNeverMade}, ordered(another, 1999))...)
	late := providerCall{opRefund, refund{ID: aRefund}}
	byAnswer, err := onAnswer(givenUp, late, theID, Answer{Status: Refunded}, noon, ttl)
	require.NoError(t, err)
	byBook, err := onReport(givenUp, theID, Report{Answer: Answer{Status: Captured, Captured: 1999}, Refunded: []string{key(theID, late)}}, noon, ttl)
	require.NoError(t, err)
	require.Equal(t, []event{refunded{aRefund}}, byAnswer)
	require.Equal(t, byAnswer, byBook)
	s := evolve(givenUp, byBook[0])
	require.Zero(t, s.refundable())
	a := nextRefundCall(s, another, true, noon)
	then, err := onAnswer(s, a, theID, Answer{Status: Refused, Code: "exceeds_captured"}, noon, ttl)
	require.NoError(t, err)
	s = evolve(s, then[0])
	require.Equal(t, statusRefunded, s.status())
	require.Equal(t, ResultUndone, undoOutcome(s, stopIdle).Result)
	again, err := onAnswer(s, late, theID, Answer{Status: Refunded}, noon, ttl)
	require.NoError(t, err)
	require.Empty(t, again, "it is known")
	_, err = onAnswer(evolve(givenUp, refunded{another}), late, theID, Answer{Status: Refunded}, noon, ttl)
	require.ErrorContains(t, err, "refunded 3998 of 1999", "this cannot be true")
}

func TestRefundOutcome(t *testing.T) {
	t.Parallel()
	under := after(taken, ordered(aRefund, 500))
	require.Equal(t, ResultRefunded, refundOutcome(given(after(under, refunded{aRefund})...), aRefund, stopIdle).Result)
	require.Equal(t, Outcome{Result: ResultRefused, Failure: failure(CodeRefundFailed)},
		refundOutcome(given(after(under, refundFailed{aRefund, "x"})...), aRefund, stopIdle))
	require.Equal(t, ResultUnavailable, refundOutcome(given(under...), aRefund, stopUnavailable).Result)
	require.Equal(t, ResultUnknown, refundOutcome(given(under...), aRefund, stopUnknown).Result)
	require.Equal(t, ResultUnknown, refundOutcome(given(after(under, outcomeUnknown{opRefund, "x"})...), aRefund, stopUnavailable).Result)
}

func TestUndoTakesTheRest(t *testing.T) {
	t.Parallel()
	s := given(after(taken, ordered(aRefund, 500), ordered(another, 300), refunded{another})...)
	rest := refundRequested{uuid.NewSHA1(theID, []byte("undo/2")), 1199, "out_of_stock", noon}
	then(t, undo(s, theUndo, noon), tombstone, rest)
	s = evolve(evolve(s, tombstone), rest)
	require.Equal(t, aRefund, nextUndoCall(s, false, noon).refund.ID, "those under way come first")
	younger := s
	younger.Refunds = slices.Clone(s.Refunds)
	younger.Refunds[2].At = noon.Add(time.Hour)
	require.Equal(t, providerCall{opRefund, younger.Refunds[2]}, nextUndoCall(younger, false, noon.Add(idempotencyKeyTTL+1)), "what nobody may ask for any more holds up no other")
	require.Equal(t, opLookUp, nextUndoCall(younger, false, noon.Add(idempotencyKeyTTL+2*time.Hour)).operation)
	require.Equal(t, ResultUnknown, undoOutcome(s, stopIdle).Result)
	require.Equal(t, ResultUndone, undoOutcome(evolve(evolve(s, refunded{aRefund}), refunded{rest.ID}), stopIdle).Result)
	require.Equal(t, statusPartiallyRefunded, s.status())
}
