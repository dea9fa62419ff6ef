package saga

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestState(t *testing.T) {
	t.Parallel()
	waits := StepWaits{Step: ChargeMoney, NextAction: &NextAction{Type: "redirect", URL: "https://bank"}, BeganAt: noon, At: noon, Until: after(hour)}
	t.Run("WaitsForTheShopper", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), did(PlaceOrder), waits)
		require.Equal(t, RequiresAction, s.Status)
		require.Equal(t, "https://bank", s.NextAction.URL)
		s = evolve(s, did(ChargeMoney))
		require.Equal(t, Running, s.Status)
		require.Nil(t, s.NextAction)
		require.Zero(t, s.Step(ChargeMoney).DueAt, "a step that is done is not due")
		require.Equal(t, 2, s.Step(ChargeMoney).Attempts)
	})
	t.Run("AttentionGoesWhenTheSagaGoesOn", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), did(PlaceOrder), AttentionNeeded{Step: ChargeMoney, Reason: "Hm.", BeganAt: noon, At: noon})
		require.Equal(t, NeedsAttention, s.Status)
		require.Equal(t, Running, evolve(s, did(ChargeMoney)).Status)
		require.Equal(t, Compensating, evolve(s, refused(ChargeMoney, "payment_declined")).Status)
	})
	t.Run("EvolveChangesNothingInPlace", func(t *testing.T) {
		t.Parallel()
		s := given(begun(1000), did(PlaceOrder), retried(ChargeMoney))
		before, err := json.Marshal(s)
		require.NoError(t, err)
		evolve(s, did(ChargeMoney))
		evolve(s, refused(PlaceOrder, "out_of_stock"))
		now, err := json.Marshal(s)
		require.NoError(t, err)
		require.JSONEq(t, string(before), string(now))
	})
}

func TestWakeAt(t *testing.T) {
	t.Parallel()
	void := retried(UndoPayment)
	void.NothingCaptured = true
	turned := []Event{begun(1000), did(PlaceOrder), refused(ChargeMoney, "payment_declined")}
	for name, want := range map[string]struct {
		given []Event
		at    time.Time
	}{
		"UnderWayByTheLease":           {[]Event{begun(1000)}, after(lease)},
		"RetriedByTheRetry":            {[]Event{begun(1000), retried(PlaceOrder)}, after(time.Second)},
		"WaitingByTheDeadline":         {[]Event{begun(1000), did(PlaceOrder), StepWaits{Step: ChargeMoney, At: noon, Until: after(hour)}}, after(hour)},
		"SideBySideByTheFirst":         {[]Event{begun(1000), did(PlaceOrder), did(ChargeMoney), late(ConfirmOrder), retried(CompleteCart)}, after(time.Second)},
		"SideBySideOneDoneByTheOther":  {[]Event{begun(1000), did(PlaceOrder), did(ChargeMoney), retried(CompleteCart), late(ConfirmOrder), did(CompleteCart)}, after(hour)},
		"OwedLongButAnotherUnderWay":   {append(turned[:3:3], certain(late(UndoPayment))), after(lease)},
		"OwedLongAndNothingElse":       {append(turned[:3:3], certain(late(UndoPayment)), did(CancelOrder), did(ReopenCart)), after(hour)},
		"OnlyTheEndIsLeft":             {[]Event{begun(0), did(PlaceOrder), did(ConfirmOrder), did(CompleteCart)}, after(lease)},
		"EndedNever":                   {[]Event{begun(0), Ended{Status: Completed, At: noon}}, time.Time{}},
		"AttentionNeverByItself":       {append(turned[:2:2], retried(ChargeMoney), AttentionNeeded{Step: ChargeMoney, At: noon}), time.Time{}},
		"ARetryThatTheTurnMadeUseless": {[]Event{begun(1000), did(PlaceOrder), retried(ChargeMoney), refused(ChargeMoney, "payment_declined")}, after(lease)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.at, index(given(want.given...), time.Time{}).WakeAt)
		})
	}
}

func late(step string) StepRetried {
	e := retried(step)
	e.RetryAt = after(hour)
	return e
}

func certain(e StepRetried) StepRetried {
	e.NothingCaptured = true
	return e
}
