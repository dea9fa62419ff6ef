package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

// elsewhere tests reports of refunds that no call requested, and refunds that the provider refuses for good.
func elsewhere(t *testing.T, s Subject) {
	t.Run("ARefundInTheDashboardIsReported", func(t *testing.T) {
		if s.RefundElsewhere == nil {
			t.Skip("the provider has no dashboard")
		}
		a := s.captured(t, s.PaymentMethods.Good)
		s.RefundElsewhere(a.call.Reference, half)
		report := a.requireStatus(payment.Captured)
		require.Equal(t, int64(total), report.Captured, "the captured amount does not change")
		require.Empty(t, report.Refunded, "no call of ours requested it")
		requireElsewhere(t, report, payment.ElsewhereRefund, half)
		require.Equal(t, report, a.lookUp(), "a repeated look-up")
		require.Equal(t, payment.Refused, a.refund("1", total).Status, "it exceeds the rest")
		require.Equal(t, payment.Refunded, a.refund("2", total-half).Status)
		report = a.lookUp()
		require.Equal(t, []string{a.callFor("refund/2", 0).Key}, report.Refunded)
		require.Len(t, report.Elsewhere, 1)
	})
	t.Run("NothingIsLeftAfterARefundOfAllInTheDashboard", func(t *testing.T) {
		if s.RefundElsewhere == nil {
			t.Skip("the provider has no dashboard")
		}
		a := s.captured(t, s.PaymentMethods.Good)
		s.RefundElsewhere(a.call.Reference, total)
		answer := a.refund("1", total)
		require.Equal(t, payment.Refused, answer.Status)
		require.NotEmpty(t, answer.Code)
		require.Equal(t, answer, a.refund("1", total))
	})
	t.Run("ALostDisputeIsReported", func(t *testing.T) {
		if s.LoseDispute == nil {
			t.Skip("the provider has no disputes")
		}
		a := s.captured(t, s.PaymentMethods.Good)
		s.LoseDispute(a.call.Reference)
		report := a.requireStatus(payment.Captured)
		requireElsewhere(t, report, payment.ElsewhereDispute, total)
		require.Equal(t, payment.Refused, a.refund("1", total).Status)
	})
	t.Run("ARefundRefusedForGood", func(t *testing.T) {
		if s.PaymentMethods.RefundRefused == "" {
			t.Skip("the provider refuses no refund")
		}
		a := s.captured(t, s.PaymentMethods.RefundRefused)
		first := a.refund("1", half)
		require.Equal(t, payment.Refused, first.Status)
		require.NotEmpty(t, first.Code)
		require.Equal(t, first, a.refund("1", half))
		require.Empty(t, a.lookUp().Refunded)
	})
}

func requireElsewhere(t *testing.T, r payment.Report, kind payment.ElsewhereKind, amount int64) {
	t.Helper()
	require.Len(t, r.Elsewhere, 1)
	require.NotEmpty(t, r.Elsewhere[0].ID)
	require.Equal(t, payment.Elsewhere{ID: r.Elsewhere[0].ID, Kind: kind, Amount: amount}, r.Elsewhere[0])
}
