package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

// elsewhere tests reports of refunds that no call requested, and refunds that the provider refuses for good.
func elsewhere(t *testing.T, s Subject) {
	captured := func(t *testing.T, method string) *account {
		a := s.account(t, method)
		a.authorize()
		require.Equal(t, payment.Captured, a.capture().Status)
		return a
	}
	t.Run("ARefundInTheDashboardIsReported", func(t *testing.T) {
		if s.RefundElsewhere == nil {
			t.Skip("this provider has no dashboard")
		}
		a := captured(t, s.Methods.Good)
		s.RefundElsewhere(a.call.Reference, half)
		report := a.stands(payment.Captured)
		require.Equal(t, int64(total), report.Captured, "what was captured stays so")
		require.Empty(t, report.Refunded, "no call of ours made it")
		require.Len(t, report.Elsewhere, 1)
		require.NotEmpty(t, report.Elsewhere[0].ID)
		require.Equal(t, payment.Elsewhere{ID: report.Elsewhere[0].ID, Kind: payment.ElsewhereRefund, Amount: half}, report.Elsewhere[0])
		require.Equal(t, report, a.lookUp(), "the same however often it is asked")
		require.Equal(t, payment.Refused, a.refund("1", total).Status, "it counts in what is left")
		require.Equal(t, payment.Refunded, a.refund("2", total-half).Status)
		report = a.lookUp()
		require.Equal(t, []string{a.of("refund/2", 0).Key}, report.Refunded)
		require.Len(t, report.Elsewhere, 1)
	})
	t.Run("NothingIsLeftAfterARefundOfAllInTheDashboard", func(t *testing.T) {
		if s.RefundElsewhere == nil {
			t.Skip("this provider has no dashboard")
		}
		a := captured(t, s.Methods.Good)
		s.RefundElsewhere(a.call.Reference, total)
		answer := a.refund("1", total)
		require.Equal(t, payment.Refused, answer.Status)
		require.NotEmpty(t, answer.Code)
		require.Equal(t, answer, a.refund("1", total))
	})
	t.Run("ALostDisputeIsReported", func(t *testing.T) {
		if s.LoseDispute == nil {
			t.Skip("this provider has no disputes")
		}
		a := captured(t, s.Methods.Good)
		s.LoseDispute(a.call.Reference)
		report := a.stands(payment.Captured)
		require.Len(t, report.Elsewhere, 1)
		require.Equal(t, payment.Elsewhere{ID: report.Elsewhere[0].ID, Kind: payment.ElsewhereDispute, Amount: total}, report.Elsewhere[0])
		require.Equal(t, payment.Refused, a.refund("1", total).Status)
	})
	t.Run("ARefundRefusedForGood", func(t *testing.T) {
		if s.Methods.RefundRefused == "" {
			t.Skip("this provider refuses no refund")
		}
		a := captured(t, s.Methods.RefundRefused)
		first := a.refund("1", half)
		require.Equal(t, payment.Refused, first.Status)
		require.NotEmpty(t, first.Code)
		require.Equal(t, first, a.refund("1", half))
		require.Empty(t, a.lookUp().Refunded)
	})
}
