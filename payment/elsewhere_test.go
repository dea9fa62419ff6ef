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
	events, err := onReport(paid, theID, report, noon, ttl)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, RefundedElsewhere{
		ID: elsewhereID(theID, "re_1"), ProviderID: "re_1", Of: ElsewhereRefund, OrderID: theOrder, CheckoutID: theCheck,
		Amount: money.Of(500, "GBP"), Reason: reasonsElsewhere[ElsewhereRefund], At: noon,
	}, events[0])
	part := evolve(paid, events[0])
	require.Equal(t, statusPartiallyRefunded, part.status())
	require.EqualValues(t, 1499, part.refundable())
	all := evolve(part, events[1])
	require.Equal(t, statusRefunded, all.status())
	require.Zero(t, all.refundable())
	again, err := onReport(all, theID, report, noon, ttl)
	require.NoError(t, err)
	require.Empty(t, again, "however often it is seen")

	t.Run("AnUndoHasNothingLeftToAskFor", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []event{tombstone}, undo(all, theUndo, noon))
		require.Equal(t, ResultUndone, undoOutcome(evolve(all, tombstone), stopIdle).Result)
	})
	t.Run("ARefusedRefundIsNoDoubt", func(t *testing.T) {
		t.Parallel()
		refused := given(after(taken, tombstone, asksRefund, refundFailed{theRefund, "account_closed"})...)
		out := undoOutcome(refused, stopIdle)
		require.Equal(t, ResultNotRefunded, out.Result)
		require.Contains(t, out.Failure.Detail, "account_closed")
		require.Equal(t, ResultUnknown, undoOutcome(refused, stopUnknown).Result, "the provider did not tell what is left")
		for _, e := range events {
			refused = evolve(refused, e)
		}
		require.Equal(t, ResultUndone, undoOutcome(refused, stopIdle).Result)
	})
	t.Run("AnOperatorResolvesARefusedRefund", func(t *testing.T) {
		t.Parallel()
		word := Resolve{theID, theCheck, ResolvedRefunded, "Transferred."}
		_, err := resolve(paid, word, noon)
		require.ErrorIs(t, err, errNoRefusedRefund)
		refused := given(after(taken, tombstone, asksRefund, refundFailed{theRefund, "account_closed"})...)
		got, err := resolve(refused, word, noon)
		require.NoError(t, err)
		require.Len(t, got, 1)
		resolved := evolve(refused, got[0])
		require.Equal(t, ResultUndone, undoOutcome(resolved, stopIdle).Result)
		require.EqualValues(t, 1999, resolved.refundedByHand())
		_, err = resolve(resolved, word, noon)
		require.ErrorIs(t, err, errNoRefusedRefund, "nothing is owed any more")
	})
	t.Run("ARefusalIsAskedOnce", func(t *testing.T) {
		t.Parallel()
		refused := given(after(taken, tombstone, asksRefund, refundFailed{theRefund, "account_closed"})...)
		require.Empty(t, undo(refused, theUndo, noon))
		retry := theUndo
		retry.Retries = 1
		again := undo(refused, retry, noon)
		require.Len(t, again, 1)
		refused = evolve(evolve(refused, again[0]), refundFailed{again[0].(refundRequested).ID, "account_closed"})
		require.Empty(t, undo(refused, retry, noon), "once for each retry")
		less := undo(evolve(refused, events[0]), retry, noon)
		require.Len(t, less, 1)
		require.EqualValues(t, 1499, less[0].(refundRequested).Amount, "another amount is another refund")
		gone := given(after(taken, tombstone, asksRefund, refundFailed{theRefund, codeNeverMade})...)
		require.Len(t, undo(gone, theUndo, noon), 1, "the provider never refused it")
	})
	t.Run("TheProvidersWordTakesThePlaceOfAPersons", func(t *testing.T) {
		t.Parallel()
		resolved := given(after(taken, tombstone, asksRefund, refundFailed{theRefund, "account_closed"})...)
		word, err := resolve(resolved, Resolve{theID, theCheck, ResolvedRefunded, "In the dashboard."}, noon)
		require.NoError(t, err)
		resolved = evolve(resolved, word[0])
		for name, c := range map[string]struct {
			report         Report
			byHand, refund int64
			shown          int
		}{
			"All":           {Report{Elsewhere: []Elsewhere{{"re_1", ElsewhereRefund, 1999}}}, 0, 1999, 2},
			"APart":         {Report{Elsewhere: []Elsewhere{{"re_1", ElsewhereRefund, 500}}}, 1499, 1999, 3},
			"InTwo":         {Report{Elsewhere: []Elsewhere{{"re_1", ElsewhereRefund, 500}, {"re_2", ElsewhereRefund, 1499}}}, 0, 1999, 3},
			"OursAfterAll":  {Report{Refunded: []string{key(theID, providerCall{opRefund, refund{ID: theRefund}})}}, 0, 1999, 1},
			"MoreThanTaken": {Report{Elsewhere: []Elsewhere{{"re_1", ElsewhereRefund, 1999}, {"dp_1", ElsewhereDispute, 1999}}}, 0, 3998, 3},
		} {
			c.report.Answer = Answer{Status: Captured, Captured: 1999}
			told, err := onReport(resolved, theID, c.report, noon, ttl)
			require.NoError(t, err, name)
			s := resolved
			for _, e := range told {
				s = evolve(s, e)
			}
			require.Equal(t, []int64{c.byHand, c.refund}, []int64{s.refundedByHand(), s.refundsAt(stepDone)}, name)
			require.Len(t, shownRefunds(s.Refunds), c.shown, name)
			var standing int64
			for _, r := range refundRecords(s) {
				if r.Done {
					standing += r.Amount
				}
			}
			require.Equal(t, c.refund, standing, name)
			require.Equal(t, statusRefunded, s.status(), name)
			again, err := onReport(s, theID, c.report, noon, ttl)
			require.NoError(t, err, name)
			require.Empty(t, again, name)
		}
	})
	t.Run("OneDebtIsShownOnce", func(t *testing.T) {
		t.Parallel()
		s := State{Refunds: []refund{
			{ID: theRefund, Amount: 1, Origin: originCompensation, Status: stepRefused}, {ID: aRefund, Amount: 1, Origin: originAPI, Status: stepRefused},
			{ID: another, Amount: 1, Origin: originCompensation, Status: stepRefused},
		}}
		require.Equal(t, s.Refunds[1:], shownRefunds(s.Refunds))
	})
}
