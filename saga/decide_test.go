package saga

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

// tried is an attempt of a second's length that came out so, d after noon.
func tried(step string, d time.Duration, o Outcome) attempt {
	return attempt{Do: Do{Step: step}, Outcome: o, began: after(d - time.Second), ended: after(d), jitter: 0.5}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	began, ended := after(-time.Second), noon
	unknown := Outcome{Kind: StepIsUnknown, Error: "Hm."}
	faulted := Outcome{Kind: StepFaulted, Error: "Hm."}
	running := given(begun(1000), did(PlaceOrder))
	t.Run("Done", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, StepDone{Step: PlaceOrder, BeganAt: began, At: ended}, record(running, tried(PlaceOrder, 0, Outcome{}), hour))
	})
	t.Run("OutOfStockTurns", func(t *testing.T) {
		t.Parallel()
		f := Failure{Code: "out_of_stock", Detail: "No.", Lines: []Short{{SKU: "A", Requested: 2, Available: 1}}}
		require.Equal(t, StepRefused{Step: PlaceOrder, Failure: f, BeganAt: began, At: ended},
			record(running, tried(PlaceOrder, 0, Outcome{Kind: StepWasRefused, Failure: f}), hour))
	})
	t.Run("RefusalOfWhatMustSucceedNeedsAttention", func(t *testing.T) {
		t.Parallel()
		for _, step := range []string{ConfirmOrder, CompleteCart, CancelOrder, ReopenCart} {
			got := record(running, tried(step, 0, Outcome{Kind: StepWasRefused, Failure: Failure{Code: "no", Detail: "No."}}), hour)
			require.Equal(t, AttentionNeeded{Step: step, Reason: "No.", BeganAt: began, At: ended}, got)
		}
	})
	t.Run("WaitsUntilTheDeadline", func(t *testing.T) {
		t.Parallel()
		next := &NextAction{Type: "redirect", URL: "https://bank"}
		got := record(running, tried(ChargeMoney, 0, Outcome{Kind: StepMustWait, Next: next, Until: after(time.Minute)}), hour)
		require.Equal(t, StepWaits{Step: ChargeMoney, NextAction: next, BeganAt: began, At: ended, Until: after(time.Minute)}, got)
	})
	t.Run("NeverAsksAgainAtOnce", func(t *testing.T) {
		t.Parallel()
		got := record(running, tried(ChargeMoney, 0, Outcome{Kind: StepMustWait, Next: &NextAction{}, Until: after(-time.Minute)}), hour)
		require.Equal(t, after(minWait), got.(StepWaits).Until, "another clock says that the deadline is past")
	})
	t.Run("UnknownIsAskedUntilItIsKnown", func(t *testing.T) {
		t.Parallel()
		got := record(running, tried(ChargeMoney, 0, unknown), hour).(StepRetried)
		require.True(t, got.Unknown)
		require.Equal(t, after(firstPause), got.RetryAt)
		require.Equal(t, StepDone{Step: ChargeMoney, BeganAt: after(time.Minute - time.Second), At: after(time.Minute)},
			record(evolve(running, got), tried(ChargeMoney, time.Minute, Outcome{}), hour))
	})
	t.Run("UnknownPastTheDeadlineNeedsAttention", func(t *testing.T) {
		t.Parallel()
		s := evolve(running, record(running, tried(ChargeMoney, 0, unknown), hour))
		require.IsType(t, StepRetried{}, record(s, tried(ChargeMoney, hour-time.Second, unknown), hour), "in time")
		e := record(s, tried(ChargeMoney, hour, unknown), hour)
		require.Equal(t, AttentionNeeded{Step: ChargeMoney, Reason: "Hm.", BeganAt: after(hour - time.Second), At: after(hour)}, e)
		s = evolve(s, e)
		require.Equal(t, NeedsAttention, s.Status)
		require.Equal(t, []string{ChargeMoney}, steps(checkout.react(s)), "the stock is still held")
		require.Equal(t, "Hm.", s.Step(ChargeMoney).Error)
		require.Equal(t, 2, s.Step(ChargeMoney).Attempts)
	})
	t.Run("UnavailablePastTheDeadlineTurns", func(t *testing.T) {
		t.Parallel()
		s := evolve(running, record(running, tried(ChargeMoney, 0, faulted), hour))
		e := record(s, tried(ChargeMoney, hour, faulted), hour)
		require.Equal(t, CodeUnavailable, e.(StepRefused).Failure.Code)
		require.Equal(t, Compensating, evolve(s, e).Status)
	})
	t.Run("WaitingForTheShopperIsNoDoubt", func(t *testing.T) {
		t.Parallel()
		s := evolve(running, record(running, tried(ChargeMoney, 0, Outcome{Kind: StepMustWait, Next: &NextAction{}, Until: after(2 * hour)}), hour))
		require.IsType(t, StepRetried{}, record(s, tried(ChargeMoney, 2*hour, unknown), hour), "the doubt begins only now")
		require.IsType(t, StepRetried{}, record(s, tried(ChargeMoney, 2*hour, faulted), hour))
	})
	t.Run("OurOwnDatabaseHasNoDeadline", func(t *testing.T) {
		t.Parallel()
		ours := Outcome{Kind: StepIsUnknown, Error: "Away.", Uncounted: true}
		s := evolve(running, record(running, tried(ChargeMoney, 0, ours), hour))
		e := record(s, tried(ChargeMoney, 2*hour, ours), hour)
		require.True(t, e.(StepRetried).Uncounted)
		require.IsType(t, StepRetried{}, record(evolve(s, e), tried(ChargeMoney, 3*hour, unknown), hour), "the doubt begins only now")
		for _, step := range []string{PlaceOrder, ConfirmOrder, CompleteCart, CancelOrder, ReopenCart} {
			s := evolve(running, record(running, tried(step, 0, faulted), hour))
			require.IsType(t, StepRetried{}, record(s, tried(step, 9*hour, faulted), hour), step)
		}
	})
	t.Run("ALimitDefersUntilTheDeadline", func(t *testing.T) {
		t.Parallel()
		limited := outcomeOfPayment(payment.Outcome{
			Result: payment.ResultUnavailable, Failure: &payment.Failure{Code: payment.CodeUnavailable}, Wait: 5 * time.Second,
		}, nil)
		s := evolve(running, record(running, tried(ChargeMoney, 0, limited), hour))
		e := record(s, tried(ChargeMoney, time.Minute, limited), hour)
		require.Equal(t, e.(StepRetried).At.Add(5*time.Second), e.(StepRetried).RetryAt)
		require.Equal(t, CodeUnavailable, record(s, tried(ChargeMoney, 2*hour, limited), hour).(StepRefused).Failure.Code)
		doubt := limited
		doubt.Kind = StepIsUnknown
		require.IsType(t, AttentionNeeded{}, record(s, tried(ChargeMoney, 2*hour, doubt), hour))
	})
	t.Run("AVoidIsOwedForAsLongAsItTakes", func(t *testing.T) {
		t.Parallel()
		owed := Outcome{Kind: StepFaulted, Error: "Not yet.", NothingCaptured: true}
		s := evolve(running, record(running, tried(UndoPayment, 0, owed), hour))
		require.True(t, record(s, tried(UndoPayment, 9*hour, owed), hour).(StepRetried).NothingCaptured)
		doubt := record(s, tried(UndoPayment, 9*hour, unknown), hour)
		require.IsType(t, StepRetried{}, doubt, "the doubt begins only now: it was captured after all")
		require.IsType(t, AttentionNeeded{}, record(evolve(s, doubt), tried(UndoPayment, 11*hour, unknown), hour), "a refund in doubt is for a person")
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	require.Equal(t, firstPause/2, retryPause(0, 0))
	require.Equal(t, 2*firstPause, retryPause(1, 0.5))
	require.Equal(t, maxPause*3/2, retryPause(1000, 1))
	require.Equal(t, retryPause(3, 0.123456789), retryPause(3, 0.123456789).Truncate(time.Microsecond), "as the database keeps times")
}
