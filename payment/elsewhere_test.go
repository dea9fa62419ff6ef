package payment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/money"
)

func TestRefundedElsewhere(t *testing.T) {
	t.Parallel()
	report := Report{Answer: Answer{Status: Captured, Captured: 1999}, Elsewhere: []Elsewhere{{"re_1", ElsewhereRefund, 500}, {"dp_1", ElsewhereDispute, 1499}}}
	paid := given(taken...)
	events, err := reported(paid, theID, report, noon, ttl)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, RefundedElsewhere{
		ID: elsewhereID(theID, "re_1"), ProviderID: "re_1", Of: ElsewhereRefund, OrderID: theOrder, CheckoutID: theCheck,
		Amount: money.Of(500, "GBP"), Reason: reasonsElsewhere[ElsewhereRefund], At: noon,
	}, events[0])
	part := evolve(paid, events[0])
	require.Equal(t, statusPartiallyRefunded, part.status())
	require.EqualValues(t, 1499, part.left())
	all := evolve(part, events[1])
	require.Equal(t, statusRefunded, all.status())
	require.Zero(t, all.left())
	again, err := reported(all, theID, report, noon, ttl)
	require.NoError(t, err)
	require.Empty(t, again, "however often it is seen")

	t.Run("AnUndoHasNothingLeftToAskFor", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []event{tombstone}, undo(all, theUndo, noon))
		require.Equal(t, ResultUndone, undoOutcome(evolve(all, tombstone), endQuiet).Result)
	})
	t.Run("ARefusedRefundIsNoDoubt", func(t *testing.T) {
		t.Parallel()
		refused := given(after(taken, tombstone, asksRefund, refundFailed{theRefund, "account_closed"})...)
		out := undoOutcome(refused, endQuiet)
		require.Equal(t, ResultNotRefunded, out.Result)
		require.Contains(t, out.Failure.Detail, "account_closed")
		require.Equal(t, ResultUnknown, undoOutcome(refused, endDoubt).Result, "the provider did not tell what is left")
		for _, e := range events {
			refused = evolve(refused, e)
		}
		require.Equal(t, ResultUndone, undoOutcome(refused, endQuiet).Result)
	})
	t.Run("AnOperatorResolvesARefusedRefund", func(t *testing.T) {
		t.Parallel()
		word := Settle{theID, theCheck, SettledRefunded, "Transferred."}
		_, err := settle(paid, word, noon)
		require.ErrorIs(t, err, errNoRefundRefused)
		refused := given(after(taken, tombstone, asksRefund, refundFailed{theRefund, "account_closed"})...)
		got, err := settle(refused, word, noon)
		require.NoError(t, err)
		require.Len(t, got, 1)
		resolved := evolve(refused, got[0])
		require.Equal(t, ResultUndone, undoOutcome(resolved, endQuiet).Result)
		require.EqualValues(t, 1999, resolved.refundedByHand())
		_, err = settle(resolved, word, noon)
		require.ErrorIs(t, err, errNoRefundRefused, "nothing is owed any more")
	})
	t.Run("OneDebtIsShownOnce", func(t *testing.T) {
		t.Parallel()
		s := State{Refunds: []refund{
			{ID: theRefund, Origin: originCompensation, Status: stepRefused}, {ID: aRefund, Origin: originAPI, Status: stepRefused},
			{ID: another, Origin: originCompensation, Status: stepRefused},
		}}
		require.Equal(t, s.Refunds[1:], shownRefunds(s.Refunds))
	})
}
