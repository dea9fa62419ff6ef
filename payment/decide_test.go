package payment

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

var (
	theID      = uuid.MustParse("00000000-0000-4000-8000-000000000001")
	theOrder   = uuid.MustParse("00000000-0000-4000-8000-000000000002")
	theCheck   = uuid.MustParse("00000000-0000-4000-8000-000000000003")
	theRefund  = uuid.NewSHA1(theID, []byte("undo/0"))
	noon       = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ttl        = 15 * time.Minute
	bankPage   = NextAction{Type: "redirect", URL: "https://bank.example/1"}
	wish       = requested{theOrder, theCheck, "ann", money.Of(1999, "GBP"), "sim_ok", "fake", noon, "5f1d", true}
	theCharge  = Charge{theID, theOrder, theCheck, "ann", money.Of(1999, "GBP"), "sim_ok", "5f1d", true, nil, nil, nil}
	theUndo    = Undo{PaymentID: theID, CheckoutID: theCheck, Reason: "out_of_stock"}
	tombstone  = UndoRequested{CheckoutID: theCheck, Code: CodeCancelled, Reason: "out_of_stock"}
	capturing  = captureRequested{noon}
	asksRefund = refundRequested{theRefund, 1999, "out_of_stock", noon}
)

func given(events ...event) State {
	var s State
	for _, e := range events {
		s = evolve(s, e)
	}
	return s
}

func then(t *testing.T, got []event, want ...event) {
	t.Helper()
	require.Equal(t, want, got)
}

func TestCharge(t *testing.T) {
	t.Parallel()
	t.Run("IsRequestedOnce", func(t *testing.T) {
		t.Parallel()
		then(t, request(State{}, theCharge, "fake", noon), wish)
		then(t, request(given(wish), theCharge, "fake", noon))
	})
	t.Run("AfterATombstoneIsNotRequested", func(t *testing.T) {
		t.Parallel()
		s := given(tombstone)
		then(t, request(s, theCharge, "fake", noon))
		require.Equal(t, Outcome{Result: ResultRefused, Failure: failure(CodeCancelled)}, chargeOutcome(s, stopIdle, noon))
	})
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	waits := actionRequired{"ref", kept(bankPage), noon.Add(ttl)}
	for name, c := range map[string]struct {
		given  []event
		asked  Operation
		answer Answer
		at     time.Time
		then   []event
	}{
		"AuthorizedAsksForTheCaptureAtOnce": {
			given: []event{wish}, asked: opAuthorize, answer: Answer{Status: Authorized, ProviderReference: "ref"},
			then: []event{authorized{"ref"}, capturing},
		},
		"AuthorizedTwiceIsOnce": {given: []event{wish, authorized{}, capturing}, asked: opAuthorize, answer: Answer{Status: Authorized}},
		"AuthorizedUnderATombstoneAsksForNoCapture": {
			given: []event{wish, tombstone}, asked: opAuthorize, answer: Answer{Status: Authorized}, then: []event{authorized{}},
		},
		"AuthorizedAfterTheVoidIsLate": {given: []event{wish, tombstone, voided{}}, asked: opAuthorize, answer: Answer{Status: Authorized}},
		"DeclinedSaysWhy": {
			given: []event{wish}, asked: opAuthorize, answer: Answer{Status: Declined, Code: CodeInsufficientFunds},
			then: []event{declined{CodeInsufficientFunds}},
		},
		"DeclinedForReasonsUnheardOfIsDeclined": {
			given: []event{wish}, asked: opAuthorize, answer: Answer{Status: Declined, Code: "moon_phase"}, then: []event{declined{CodeDeclined}},
		},
		"ActionRequiredHasADeadline": {
			given: []event{wish}, asked: opAuthorize, answer: Answer{Status: ActionRequired, ProviderReference: "ref", NextAction: &bankPage},
			at: noon, then: []event{waits},
		},
		"StillWaitingIsNoNews": {
			given: []event{wish, waits}, asked: opLookUp, answer: Answer{Status: ActionRequired, NextAction: &bankPage},
			at: noon.Add(ttl - 1),
		},
		"StillWaitingAtTheDeadlineIsTooLate": {
			given: []event{wish, waits}, asked: opLookUp, answer: Answer{Status: ActionRequired, NextAction: &bankPage},
			at:   noon.Add(ttl),
			then: []event{UndoRequested{CheckoutID: theCheck, Code: CodeAuthenticationExpired, Reason: CodeAuthenticationExpired}},
		},
		"ApprovedGoesOn": {
			given: []event{wish, waits}, asked: opLookUp, answer: Answer{Status: Authorized}, then: []event{authorized{}, capturing},
		},
		"DeniedIsDeclined": {
			given: []event{wish, waits}, asked: opLookUp, answer: Answer{Status: Declined, Code: CodeAuthenticationFailed},
			then: []event{declined{CodeAuthenticationFailed}},
		},
		"NotFoundIsNoNews": {given: []event{wish}, asked: opLookUp, answer: Answer{Status: NotFound}},
		"CapturedIsKept": {
			given: []event{wish, authorized{}, capturing}, asked: opCapture, answer: Answer{Status: Captured, Captured: 1999}, then: []event{captured{1999}},
		},
		"CapturedTwiceIsOnce": {
			given: []event{wish, authorized{}, capturing, captured{1999}}, asked: opCapture, answer: Answer{Status: Captured, Captured: 1999},
		},
		"CapturedUnderATombstoneIsOwed": {
			given: []event{wish, authorized{}, capturing, tombstone}, asked: opVoid, answer: Answer{Status: Captured, Captured: 1999},
			then: []event{captured{1999}, refundRequested{theRefund, 1999, CodeCancelled, noon}},
		},
		"CaptureRefusedIsKept": {
			given: []event{wish, authorized{}, capturing}, asked: opCapture, answer: Answer{Status: Refused}, then: []event{captureRefused{CodeCaptureRefused}},
		},
		"CaptureRefusedAfterTheVoidIsNoNews": {
			given: []event{wish, authorized{}, capturing, tombstone, voided{}}, asked: opCapture, answer: Answer{Status: Refused},
		},
		"VoidedIsKept": {given: []event{wish, tombstone}, asked: opVoid, answer: Answer{Status: Voided}, then: []event{voided{}}},
		"ExpiredBeforeTheCaptureIsARefusal": {
			given: []event{wish, authorized{}, capturing}, asked: opLookUp, answer: Answer{Status: Voided},
			then: []event{captureRefused{CodeCaptureRefused}, voided{}},
		},
		"VoidedAfterARefusedCaptureIsKept": {
			given: []event{wish, authorized{}, capturing, captureRefused{}}, asked: opLookUp, answer: Answer{Status: Voided}, then: []event{voided{}},
		},
		"VoidedUnderATombstoneIsNoRefusal": {
			given: []event{wish, authorized{}, capturing, tombstone}, asked: opVoid, answer: Answer{Status: Voided}, then: []event{voided{}},
		},
		"VoidedTwiceIsOnce": {given: []event{wish, tombstone, voided{}}, asked: opVoid, answer: Answer{Status: Voided}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.at.IsZero() {
				c.at = noon
			}
			got, err := onAnswer(given(c.given...), providerCall{operation: c.asked}, theID, c.answer, c.at, ttl)
			require.NoError(t, err)
			require.Equal(t, c.then, got)
		})
	}
}

func TestAnswerThatCannotBeTrue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked  Operation
		answer Answer
	}{
		"CapturedAnotherAmount": {opCapture, Answer{Status: Captured, Captured: 2000}},
		"ActionWithoutAPlace":   {opAuthorize, Answer{Status: ActionRequired}},
		"UnknownWord":           {opAuthorize, Answer{Status: "perhaps"}},
		"VoidRefused":           {opVoid, Answer{Status: Refused}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := onAnswer(given(wish), providerCall{operation: c.asked}, theID, c.answer, noon, ttl)
			require.Error(t, err)
		})
	}
}

func TestRefundAnswers(t *testing.T) {
	t.Parallel()
	owed := []event{wish, authorized{}, capturing, captured{1999}, tombstone, asksRefund}
	s := given(owed...)
	a := next(s, false, noon)
	require.Equal(t, opRefund, a.operation)

	got, err := onAnswer(s, a, theID, Answer{Status: Refunded}, noon, ttl)
	require.NoError(t, err)
	then(t, got, refunded{theRefund})

	got, err = onAnswer(s, a, theID, Answer{Status: Refused, Code: "closed\x00account"}, noon, ttl)
	require.NoError(t, err)
	then(t, got, refundFailed{theRefund, "closedaccount"})

	got, err = onReport(s, theID, Report{Answer: Answer{Status: Captured, Captured: 1999}, Refunded: []string{key(theID, a)}}, noon, ttl)
	require.NoError(t, err)
	then(t, got, refunded{theRefund})
}

func TestUndo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given, then []event
		result      Result
	}{
		"OfNothingLeavesATombstone":  {nil, []event{tombstone}, ResultUndone},
		"OfARequestOwesAVoid":        {[]event{wish}, []event{tombstone}, ResultVoiding},
		"OfARefusedCaptureOwesAVoid": {[]event{wish, authorized{}, capturing, captureRefused{}}, []event{tombstone}, ResultVoiding},
		"OfACaptureInDoubtIsUnknown": {[]event{wish, authorized{}, capturing}, []event{tombstone}, ResultUnknown},
		"OfACaptureOwesARefund":      {[]event{wish, authorized{}, capturing, captured{1999}}, []event{tombstone, asksRefund}, ResultUnknown},
		"OfADeclinedOneNeedsNothing": {[]event{wish, declined{CodeDeclined}}, nil, ResultUndone},
		"OfAVoidedOneNeedsNothing":   {[]event{wish, tombstone, voided{}}, nil, ResultUndone},
		"OfARefundedOneNeedsNothing": {[]event{wish, capturing, captured{1999}, tombstone, asksRefund, refunded{theRefund}}, nil, ResultUndone},
		"WaitsForTheRefundUnderWay":  {[]event{wish, capturing, captured{1999}, tombstone, asksRefund}, nil, ResultUnknown},
		"AsksAnewWhereARefundWasNeverMade": {
			[]event{wish, capturing, captured{1999}, tombstone, asksRefund, refundFailed{theRefund, codeNeverMade}},
			[]event{refundRequested{uuid.NewSHA1(theID, []byte("undo/1")), 1999, "out_of_stock", noon}}, ResultUnknown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := undo(given(c.given...), theUndo, noon)
			require.Equal(t, c.then, got)
			require.Equal(t, c.result, undoOutcome(given(append(c.given, got...)...), stopIdle).Result)
		})
	}
}

func TestUndoThatYields(t *testing.T) {
	t.Parallel()
	u := theUndo
	u.Yields = true
	for name, c := range map[string]struct {
		given []event
		want  bool
	}{
		"NothingWasAsked":       {nil, false},
		"OnlyAuthorized":        {[]event{wish, actionRequired{"", kept(bankPage), noon}}, false},
		"ACaptureWasAskedFor":   {[]event{wish, authorized{}, capturing}, true},
		"Captured":              {[]event{wish, authorized{}, capturing, captured{1999}}, true},
		"TheTombstoneWasBefore": {[]event{wish, tombstone, captured{1999}}, false},
		"UndoneBefore":          {[]event{wish, authorized{}, capturing, tombstone}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, mustYield(given(c.given...), u))
			require.False(t, mustYield(given(c.given...), theUndo))
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	wants := Cancel{theID, theCheck, "ann", false}
	shoppers := UndoRequested{theCheck, "ann", CodeCancelled, reasonCancelled}
	for name, c := range map[string]struct {
		given, then []event
		err         *fault.Fault
	}{
		"BeforeThePaymentLeavesATombstone": {nil, []event{shoppers}, nil},
		"BeforeTheCaptureIsInTime":         {[]event{wish}, []event{shoppers}, nil},
		"TwiceIsOnce":                      {[]event{shoppers}, nil, nil},
		"OnceTheCaptureHasBegunIsTooLate":  {[]event{wish, authorized{}, capturing}, nil, errTooLate},
		"AfterTheCaptureIsTooLate":         {[]event{wish, authorized{}, capturing, captured{1999}}, nil, errTooLate},
		"OfADeclinedOneNeedsNothing":       {[]event{wish, declined{CodeDeclined}}, nil, nil},
		"OfAnUndoneOneNeedsNothing":        {[]event{wish, tombstone}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := cancel(given(c.given...), wants)
			require.Equal(t, c.then, got)
			if c.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.err)
			}
		})
	}
}

// next returns the next call of an undo if there is one, otherwise that of the charge.
func next(s State, looked bool, now time.Time) providerCall {
	if s.Tombstone {
		return nextUndoCall(s, looked, now)
	}
	return nextChargeCall(s, looked, now)
}

func TestNext(t *testing.T) {
	t.Parallel()
	waits := actionRequired{"ref", kept(bankPage), noon.Add(ttl)}
	doubts := func(op Operation) event { return outcomeUnknown{op, "timeout"} }
	for name, c := range map[string]struct {
		given  []event
		looked bool
		after  time.Duration
		want   Operation
	}{
		"NothingWithoutAPayment":                {nil, false, 0, opNothing},
		"Authorize":                             {[]event{wish}, false, 0, opAuthorize},
		"LookUpWhereTheAuthorizationIsInDoubt":  {[]event{wish, doubts(opAuthorize)}, false, 0, opLookUp},
		"TheSameAgainWhenTheLookUpToldNothing":  {[]event{wish, doubts(opAuthorize)}, true, 0, opAuthorize},
		"OnlyLookUpWhenTheKeyMayBeForgotten":    {[]event{wish}, false, 24 * time.Hour, opLookUp},
		"AndThenWait":                           {[]event{wish}, true, 24 * time.Hour, opNothing},
		"LookUpWhileTheShopperActs":             {[]event{wish, waits}, false, 0, opLookUp},
		"ThenWaitForTheShopper":                 {[]event{wish, waits}, true, 0, opNothing},
		"Capture":                               {[]event{wish, authorized{}, capturing}, false, 0, opCapture},
		"LookUpWhereTheCaptureIsInDoubt":        {[]event{wish, authorized{}, capturing, doubts(opCapture)}, false, 0, opLookUp},
		"NothingWhenCaptured":                   {[]event{wish, authorized{}, capturing, captured{1}}, false, 0, opNothing},
		"NothingWhenRefused":                    {[]event{wish, authorized{}, capturing, captureRefused{}}, false, 0, opNothing},
		"NothingWhenDeclined":                   {[]event{wish, declined{}}, false, 0, opNothing},
		"VoidAnIntentToAuthorize":               {[]event{wish, tombstone}, false, 0, opVoid},
		"VoidAnAuthorizationInDoubt":            {[]event{wish, doubts(opAuthorize), tombstone}, false, 0, opVoid},
		"VoidACaptureInDoubt":                   {[]event{wish, authorized{}, capturing, doubts(opCapture), tombstone}, false, 0, opVoid},
		"VoidWhatWaits":                         {[]event{wish, waits, tombstone}, false, 0, opVoid},
		"LookUpWhereTheVoidIsInDoubt":           {[]event{wish, tombstone, doubts(opVoid)}, false, 0, opLookUp},
		"VoidAgainWhenTheLookUpToldNothing":     {[]event{wish, tombstone, doubts(opVoid)}, true, 0, opVoid},
		"VoidNothingThatWasDeclined":            {[]event{wish, declined{}, tombstone}, false, 0, opNothing},
		"Refund":                                {[]event{wish, captured{1999}, tombstone, asksRefund}, false, 0, opRefund},
		"LookUpWhereTheRefundIsInDoubt":         {[]event{wish, captured{1999}, tombstone, asksRefund, doubts(opRefund)}, false, 0, opLookUp},
		"RefundNothingWhoseKeyMayBeForgotten":   {[]event{wish, captured{1999}, tombstone, asksRefund}, true, 24 * time.Hour, opNothing},
		"LookUpWhenARefundWasRefused":           {[]event{wish, captured{1999}, tombstone, asksRefund, refundFailed{theRefund, ""}}, false, 0, opLookUp},
		"NothingWhenARefundWasRefusedAndLooked": {[]event{wish, captured{1999}, tombstone, asksRefund, refundFailed{theRefund, ""}}, true, 0, opNothing},
		"NothingUnderATombstoneWithoutAPayment": {[]event{tombstone}, false, 0, opNothing},
		"NothingWhenVoided":                     {[]event{wish, tombstone, voided{}}, false, 0, opNothing},
		"NothingWhenTheProviderVoidedByItself":  {[]event{wish, voided{}}, false, 0, opNothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, next(given(c.given...), c.looked, noon.Add(c.after)).operation)
		})
	}
}

func TestDoubt(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	t.Run("IsCounted", func(t *testing.T) {
		t.Parallel()
		a := providerCall{operation: opAuthorize}
		events := onUnknown(given(wish), a, broken)
		then(t, events, outcomeUnknown{opAuthorize, "broken pipe"})
		s := given(wish, events[0], onUnknown(given(wish), a, broken)[0])
		require.Equal(t, &unknownCall{opAuthorize, 2}, s.Unknown)
		require.Equal(t, statusUnknown, s.status())
		require.Equal(t, ResultUnknown, chargeOutcome(s, stopUnavailable, noon).Result)
	})
	t.Run("EndsWithAnAnswer", func(t *testing.T) {
		t.Parallel()
		require.Nil(t, given(wish, outcomeUnknown{opAuthorize, ""}, authorized{}).Unknown)
	})
	t.Run("OfWhatIsAnsweredIsNone", func(t *testing.T) {
		t.Parallel()
		then(t, onUnknown(given(wish, authorized{}, capturing), providerCall{operation: opAuthorize}, broken))
		then(t, onUnknown(given(wish, capturing, captured{1}), providerCall{operation: opCapture}, broken))
		then(t, onUnknown(given(wish, tombstone, voided{}), providerCall{operation: opVoid}, broken))
		then(t, onUnknown(given(wish), providerCall{operation: opLookUp}, broken))
	})
}

func TestActionRequiredOutcome(t *testing.T) {
	t.Parallel()
	s := given(wish, actionRequired{"ref", kept(bankPage), noon.Add(ttl)})
	require.Equal(t, Outcome{Result: ResultActionRequired, NextAction: &bankPage, Deadline: noon.Add(ttl)}, chargeOutcome(s, stopIdle, noon))
	unasked := chargeOutcome(s, stopUnknown, noon)
	require.Equal(t, ResultActionRequired, unasked.Result)
	require.Equal(t, noon.Add(lookUpAgainAfter), unasked.Deadline, "the shopper may have acted, but the bank could not be asked")
	require.Equal(t, noon.Add(ttl), chargeOutcome(s, stopUnavailable, noon.Add(ttl-time.Second)).Deadline)
	require.Equal(t, ResultUnavailable, chargeOutcome(s, stopUnavailable, noon.Add(ttl)).Result,
		"once the deadline has passed and nobody answers, whoever waits for it must back off")
}

func TestStateSurvivesJSON(t *testing.T) {
	t.Parallel()
	s := given(wish, actionRequired{"ref", kept(bankPage), noon}, authorized{}, capturing, captured{1999}, tombstone, asksRefund)
	var back State
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, s, back)
}
