package payment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	waits := actionRequired{"ref", bankPage, noon.Add(ttl)}
	said := func(o Settlement) Settled { return Settled{theCheck, o, "So."} }
	isNot := []event{said(SettledNotCaptured), UndoRequested{CheckoutID: theCheck, Code: CodeCancelled, Reason: reasonSettled}}
	for name, c := range map[string]struct {
		given           []event
		captured, not   []event
		noCapture, noNo *fault.Fault
	}{
		"NoPayment":              {noCapture: errNotInDoubt, noNo: errNotInDoubt},
		"ATombstoneAlone":        {given: []event{tombstone}, noCapture: errNotInDoubt, noNo: errNotInDoubt},
		"AuthorizationAsked":     {given: []event{wish}, noCapture: errCannotBe, not: isNot},
		"AuthorizationWaits":     {given: []event{wish, waits}, noCapture: errCannotBe, not: isNot},
		"CaptureAsked":           {given: []event{wish, authorized{}, capturing}, captured: []event{said(SettledCaptured)}, not: isNot},
		"CaptureInDoubt":         {given: []event{wish, authorized{}, capturing, outcomeUnknown{opCapture, "x"}}, captured: []event{said(SettledCaptured)}, not: isNot},
		"CaptureInDoubtUndone":   {given: []event{wish, authorized{}, capturing, tombstone}, noCapture: errCannotBe, not: isNot[:1]},
		"Captured":               {given: []event{wish, authorized{}, capturing, captured{1999}}, noCapture: errNotInDoubt, noNo: errNotInDoubt},
		"RefundOwed":             {given: []event{wish, authorized{}, capturing, captured{1999}, tombstone, asksRefund}, noCapture: errNotInDoubt, noNo: errNotInDoubt},
		"CaptureRefused":         {given: []event{wish, authorized{}, capturing, captureRefused{CodeCaptureRefused}}, noCapture: errNotInDoubt, noNo: errNotInDoubt},
		"Declined":               {given: []event{wish, declined{CodeDeclined}}, noCapture: errNotInDoubt, noNo: errNotInDoubt},
		"Voided":                 {given: []event{wish, tombstone, voided{}}, noCapture: errNotInDoubt, noNo: errNotInDoubt},
		"SettledAsCaptured":      {given: []event{wish, authorized{}, capturing, said(SettledCaptured)}, noNo: errAlreadySettled},
		"SettledAsNot":           {given: []event{wish, authorized{}, capturing, isNot[0], isNot[1]}, noCapture: errNotInDoubt},
		"SettledBeforeTheAnswer": {given: []event{wish, isNot[0], isNot[1]}, noCapture: errCannotBe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for outcome, want := range map[Settlement]struct {
				then []event
				err  *fault.Fault
			}{SettledCaptured: {c.captured, c.noCapture}, SettledNotCaptured: {c.not, c.noNo}} {
				got, err := settle(given(c.given...), Settle{theID, theCheck, outcome, "So."}, noon)
				require.Equal(t, want.then, got, outcome)
				if want.err == nil {
					require.NoError(t, err, outcome)
				} else {
					require.ErrorIs(t, err, want.err, outcome)
				}
			}
		})
	}
}

// TestLateTruth checks that the provider's answer overrides an operator's resolution.
func TestLateTruth(t *testing.T) {
	t.Parallel()
	doubt := []event{wish, authorized{}, capturing, outcomeUnknown{opCapture, "x"}}
	claims := append(doubt[:4:4], Settled{theCheck, SettledCaptured, "So."})
	denies := append(doubt[:4:4], Settled{theCheck, SettledNotCaptured, "So."}, tombstone)
	told := func(before []event, op Operation, a Answer) State {
		s := given(before...)
		events, err := answered(s, ask{operation: op}, theID, a, noon, ttl)
		require.NoError(t, err)
		for _, e := range events {
			s = evolve(s, e)
		}
		return s
	}
	t.Run("ClaimedCountsUntilThen", func(t *testing.T) {
		t.Parallel()
		s := given(claims...)
		require.Equal(t, statusCaptured, s.status())
		require.Equal(t, Outcome{Result: ResultCaptured, ByHand: true}, chargeOutcome(s, endDoubt, noon))
		require.Equal(t, Outcome{Result: ResultUnknown}, verifyOutcome(s), "nobody but the provider verifies")
		require.Equal(t, opLookUp, next(s, false, noon).operation)
	})
	t.Run("ClaimedAndSo", func(t *testing.T) {
		t.Parallel()
		s := told(claims, opLookUp, Answer{Status: Captured, Captured: 1999})
		require.Equal(t, Outcome{Result: ResultCaptured}, chargeOutcome(s, endQuiet, noon))
		require.Equal(t, Outcome{Result: ResultCaptured}, verifyOutcome(s))
	})
	t.Run("ClaimedAndOnlyAuthorizedIsCapturedNow", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, opCapture, next(told(claims, opLookUp, Answer{Status: Authorized}), true, noon).operation)
	})
	t.Run("ClaimedAndRefused", func(t *testing.T) {
		t.Parallel()
		s := told(claims, opCapture, Answer{Status: Refused})
		require.Equal(t, ResultRefused, chargeOutcome(s, endQuiet, noon).Result)
		require.Equal(t, ResultRefused, verifyOutcome(s).Result)
		require.Equal(t, statusAuthorized, s.status())
	})
	t.Run("DeniedIsCertainUntilThen", func(t *testing.T) {
		t.Parallel()
		s := given(denies...)
		require.Equal(t, ResultRefused, chargeOutcome(s, endQuiet, noon).Result)
		require.Equal(t, Outcome{Result: ResultVoiding}, undoOutcome(s, endQuiet))
		require.Equal(t, opVoid, next(s, false, noon).operation, "the void is owed all the same")
	})
	t.Run("DeniedAndSo", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, Outcome{Result: ResultUndone}, undoOutcome(told(denies, opVoid, Answer{Status: Voided}), endQuiet))
	})
	t.Run("DeniedAndCapturedGoesBack", func(t *testing.T) {
		t.Parallel()
		s := told(denies, opVoid, Answer{Status: Captured, Captured: 1999})
		require.Equal(t, Outcome{Result: ResultUnknown}, undoOutcome(s, endQuiet), "it is owed")
		require.Equal(t, ask{opRefund, s.Refunds[0]}, next(s, false, noon.Add(time.Second)))
	})
	t.Run("InsistingLeavesATombstoneOverADoubtAndNoMore", func(t *testing.T) {
		t.Parallel()
		insists := Cancel{theID, theCheck, "ann", true}
		events, err := cancel(given(doubt...), insists)
		require.NoError(t, err)
		then(t, events, UndoRequested{theCheck, "ann", CodeCancelled, reasonCancelled})
		for _, sure := range [][]event{claims, append(doubt[:3:3], captured{1999})} {
			_, err = cancel(given(sure...), insists)
			require.ErrorIs(t, err, errTooLate)
		}
	})
}
