package payment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	waits := actionRequired{"ref", kept(bankPage), noon.Add(ttl)}
	said := func(o Resolution) Resolved { return Resolved{theCheck, o, "So."} }
	isNot := []event{said(ResolvedNotCaptured), UndoRequested{CheckoutID: theCheck, Code: CodeCancelled, Reason: reasonResolved}}
	for name, c := range map[string]struct {
		given           []event
		captured, not   []event
		noCapture, noNo *fault.Fault
	}{
		"NoPayment":              {noCapture: errNothingUnresolved, noNo: errNothingUnresolved},
		"ATombstoneAlone":        {given: []event{tombstone}, noCapture: errNothingUnresolved, noNo: errNothingUnresolved},
		"AuthorizationAsked":     {given: []event{wish}, noCapture: errNotCapturable, not: isNot},
		"AuthorizationWaits":     {given: []event{wish, waits}, noCapture: errNotCapturable, not: isNot},
		"CaptureAsked":           {given: []event{wish, authorized{}, capturing}, captured: []event{said(ResolvedCaptured)}, not: isNot},
		"CaptureInDoubt":         {given: []event{wish, authorized{}, capturing, outcomeUnknown{opCapture, "x"}}, captured: []event{said(ResolvedCaptured)}, not: isNot},
		"CaptureInDoubtUndone":   {given: []event{wish, authorized{}, capturing, tombstone}, noCapture: errNotCapturable, not: isNot[:1]},
		"Captured":               {given: []event{wish, authorized{}, capturing, captured{1999}}, noCapture: errNothingUnresolved, noNo: errNothingUnresolved},
		"RefundOwed":             {given: []event{wish, authorized{}, capturing, captured{1999}, tombstone, asksRefund}, noCapture: errNothingUnresolved, noNo: errNothingUnresolved},
		"CaptureRefused":         {given: []event{wish, authorized{}, capturing, captureRefused{CodeCaptureRefused}}, noCapture: errNothingUnresolved, noNo: errNothingUnresolved},
		"Declined":               {given: []event{wish, declined{CodeDeclined}}, noCapture: errNothingUnresolved, noNo: errNothingUnresolved},
		"Voided":                 {given: []event{wish, tombstone, voided{}}, noCapture: errNothingUnresolved, noNo: errNothingUnresolved},
		"SettledAsCaptured":      {given: []event{wish, authorized{}, capturing, said(ResolvedCaptured)}, noNo: errAlreadyResolved},
		"SettledAsNot":           {given: []event{wish, authorized{}, capturing, isNot[0], isNot[1]}, noCapture: errNothingUnresolved},
		"SettledBeforeTheAnswer": {given: []event{wish, isNot[0], isNot[1]}, noCapture: errNotCapturable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for outcome, want := range map[Resolution]struct {
				then []event
				err  *fault.Fault
			}{ResolvedCaptured: {c.captured, c.noCapture}, ResolvedNotCaptured: {c.not, c.noNo}} {
				got, err := resolve(given(c.given...), Resolve{theID, theCheck, outcome, "So."}, noon)
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
	claims := append(doubt[:4:4], Resolved{theCheck, ResolvedCaptured, "So."})
	denies := append(doubt[:4:4], Resolved{theCheck, ResolvedNotCaptured, "So."}, tombstone)
	told := func(before []event, op Operation, a Answer) State {
		s := given(before...)
		events, err := onAnswer(s, providerCall{operation: op}, theID, a, noon, ttl)
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
		require.Equal(t, Outcome{Result: ResultCaptured, ByHand: true}, chargeOutcome(s, stopUnknown, noon))
		require.Equal(t, Outcome{Result: ResultUnknown}, verifyOutcome(s), "nobody but the provider verifies")
		require.Equal(t, opLookUp, next(s, false, noon).operation)
	})
	t.Run("ClaimedAndSo", func(t *testing.T) {
		t.Parallel()
		s := told(claims, opLookUp, Answer{Status: Captured, Captured: 1999})
		require.Equal(t, Outcome{Result: ResultCaptured}, chargeOutcome(s, stopIdle, noon))
		require.Equal(t, Outcome{Result: ResultCaptured}, verifyOutcome(s))
	})
	t.Run("ClaimedAndOnlyAuthorizedIsCapturedNow", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, opCapture, next(told(claims, opLookUp, Answer{Status: Authorized}), true, noon).operation)
	})
	t.Run("ClaimedAndRefused", func(t *testing.T) {
		t.Parallel()
		s := told(claims, opCapture, Answer{Status: Refused})
		require.Equal(t, ResultRefused, chargeOutcome(s, stopIdle, noon).Result)
		require.Equal(t, ResultRefused, verifyOutcome(s).Result)
		require.Equal(t, statusAuthorized, s.status())
	})
	t.Run("DeniedIsCertainUntilThen", func(t *testing.T) {
		t.Parallel()
		s := given(denies...)
		require.Equal(t, ResultRefused, chargeOutcome(s, stopIdle, noon).Result)
		require.Equal(t, Outcome{Result: ResultVoiding}, undoOutcome(s, stopIdle))
		require.Equal(t, opVoid, next(s, false, noon).operation, "the void is owed all the same")
	})
	t.Run("DeniedAndSo", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, Outcome{Result: ResultUndone}, undoOutcome(told(denies, opVoid, Answer{Status: Voided}), stopIdle))
	})
	t.Run("DeniedAndCapturedGoesBack", func(t *testing.T) {
		t.Parallel()
		s := told(denies, opVoid, Answer{Status: Captured, Captured: 1999})
		require.Equal(t, Outcome{Result: ResultUnknown}, undoOutcome(s, stopIdle), "it is owed")
		require.Equal(t, providerCall{opRefund, s.Refunds[0]}, next(s, false, noon.Add(time.Second)))
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
