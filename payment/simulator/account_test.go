package simulator

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/payment"
)

func open(token string) account {
	return account{Reference: "r", Token: token, Amount: 1999, Currency: "GBP", Status: none}
}

func TestTemper(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token string
		op    operation
		moods []failureMode
	}{
		"OKIsWell":                   {tokenOK, opAuthorize, []failureMode{noFault, noFault}},
		"FlakyTwice":                 {tokenFlaky, opCapture, []failureMode{transient, transient, noFault}},
		"RefundFlakyThrice":          {tokenRefundFlaky, opRefund, []failureMode{transient, transient, transient, noFault}},
		"VoidFlakyThrice":            {tokenVoidFlaky, opVoid, []failureMode{transient, transient, transient, noFault}},
		"VoidFlakyAuthorizesWell":    {tokenVoidFlaky, opAuthorize, []failureMode{noFault}},
		"RefundFlakyCapturesWell":    {tokenRefundFlaky, opCapture, []failureMode{noFault}},
		"TimeoutLostOnce":            {tokenTimeoutLost, opVoid, []failureMode{loseRequest, noFault}},
		"TimeoutAppliedSilentOnce":   {tokenTimeoutApplied, opRefund, []failureMode{loseAnswer, noFault}},
		"AMethodUnheardOfIsAlsoFine": {"pm_card", opAuthorize, []failureMode{noFault}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, want := range c.moods {
				require.Equal(t, want, faultFor(c.token, c.op, i+1), "call %d", i+1)
			}
		})
	}
}

func TestVoidBeforeTheAuthorizationRefusesIt(t *testing.T) {
	t.Parallel()
	a, answer, e := apply(open(tokenOK), opVoid, 1999, "")
	require.Equal(t, payment.Voided, answer.Status)
	require.Zero(t, e, "nothing was held, so nothing is let go")
	a, answer, e = apply(a, opAuthorize, 1999, "")
	require.Equal(t, payment.Declined, answer.Status)
	require.Equal(t, voided, a.Status)
	require.Zero(t, e)
}

func TestVoidAfterTheCaptureSaysSo(t *testing.T) {
	t.Parallel()
	a, _, _ := apply(open(tokenOK), opAuthorize, 1999, "")
	a, _, _ = apply(a, opCapture, 1999, "")
	_, answer, e := apply(a, opVoid, 1999, "")
	require.Equal(t, payment.Captured, answer.Status)
	require.Equal(t, int64(1999), answer.Captured)
	require.Zero(t, e)
}

func TestCaptureAfterTheVoidIsRefused(t *testing.T) {
	t.Parallel()
	a, _, _ := apply(open(tokenOK), opAuthorize, 1999, "")
	a, _, e := apply(a, opVoid, 1999, "")
	require.Equal(t, entry{opVoid, 1999}, e)
	_, answer, e := apply(a, opCapture, 1999, "")
	require.Equal(t, payment.Refused, answer.Status)
	require.Zero(t, e)
}

// TestBookProperties checks that the amounts balance after random operations in random order.
func TestBookProperties(t *testing.T) {
	t.Parallel()
	tokens := []string{tokenOK, tokenDeclined, tokenCaptureFails, tokenExpires, tokenRequiresAction, "other"}
	rapid.Check(t, func(t *rapid.T) {
		a := open(rapid.SampledFrom(tokens).Draw(t, "token"))
		sum := map[operation]int64{}
		for range rapid.IntRange(1, 20).Draw(t, "calls") {
			op := rapid.SampledFrom([]operation{opAuthorize, opCapture, opVoid, opRefund}).Draw(t, "operation")
			amount := rapid.SampledFrom([]int64{-1, 0, 1, 999, 1999, 2000}).Draw(t, "amount")
			var e entry
			a, _, e = apply(a, op, amount, "")
			sum[e.operation] += e.amount
		}
		require.LessOrEqual(t, sum[opAuthorize], int64(1999))
		require.LessOrEqual(t, sum[opCapture]+sum[opVoid], sum[opAuthorize])
		require.LessOrEqual(t, sum[opRefund], sum[opCapture])
		require.Equal(t, a.Captured, sum[opCapture])
		require.Equal(t, a.Refunded, sum[opRefund])
	})
}
