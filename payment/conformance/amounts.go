package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// amounts tests amounts that no payment method can pay. A Kuwaiti dinar has 1,000 fils, and cards pay multiples of ten.
func amounts(t *testing.T, s Subject) {
	limits, ok := s.Provider.(payment.Limits)
	if !ok {
		t.Skip("the provider knows no limits of amounts")
	}
	odd, even := money.Of(5124, "KWD"), money.Of(5120, "KWD")
	t.Run("LimitsRefuse", func(t *testing.T) {
		require.Regexp(t, `^[A-Z].*0\.010 KWD.*\.$`, limits.NotChargeable(odd))
		require.Equal(t, limits.NotChargeable(odd), limits.NotRefundable(odd))
		require.Empty(t, limits.NotChargeable(even)+limits.NotRefundable(even))
		require.Empty(t, limits.NotRefundable(money.Of(even.Amount-10, "KWD")), "the rest of a partial refund is refundable")
		require.Empty(t, limits.NotRefundable(money.Of(1, "GBP")), "a refund has no smallest amount")
	})
	t.Run("AuthorizeDeclines", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		a.call.Amount = odd
		answer := a.do(s.Provider.Authorize, a.callFor("authorize", odd.Amount))
		require.Equal(t, payment.Declined, answer.Status)
		require.Equal(t, payment.CodeNotChargeable, answer.Code)
		require.Equal(t, payment.Voided, a.do(s.Provider.Void, a.callFor("void", odd.Amount)).Status, "no amount is authorized")
	})
	t.Run("RefundRefuses", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		a.call.Amount = even
		require.Equal(t, payment.Authorized, a.do(s.Provider.Authorize, a.callFor("authorize", even.Amount)).Status)
		require.Equal(t, payment.Captured, a.do(s.Provider.Capture, a.callFor("capture", even.Amount)).Status)
		require.Equal(t, payment.Refused, a.do(s.Provider.Refund, a.callFor("refund/1", 4)).Status)
		require.Equal(t, payment.Refunded, a.do(s.Provider.Refund, a.callFor("refund/2", even.Amount)).Status)
	})
}
