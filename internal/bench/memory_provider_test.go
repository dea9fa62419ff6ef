package bench

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

func TestMemoryProvider(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	call := func(key, reference string, amount int64) payment.Call {
		return payment.Call{Key: key, Reference: reference, PaymentMethod: "sim_ok", Amount: money.Of(amount, "GBP")}
	}
	provider := newMemoryProvider()
	status := func(answer payment.Answer, err error) payment.Status {
		t.Helper()
		require.NoError(t, err)
		return answer.Status
	}
	require.Equal(t, payment.Authorized, status(provider.Authorize(ctx, call("a", "p", 500))))
	require.Equal(t, payment.Refused, status(provider.Capture(ctx, call("c0", "p", 501))), "more than is authorized")
	require.Equal(t, payment.Captured, status(provider.Capture(ctx, call("c", "p", 500))))
	require.Equal(t, payment.Authorized, status(provider.Authorize(ctx, call("a", "p", 500))), "a key is answered as it was")
	require.Equal(t, payment.Captured, status(provider.Void(ctx, call("v", "p", 500))), "too late")
	require.Equal(t, payment.Refunded, status(provider.Refund(ctx, call("r", "p", 300))))
	require.Equal(t, payment.Refunded, status(provider.Refund(ctx, call("r", "p", 300))), "once")
	require.Equal(t, payment.Refused, status(provider.Refund(ctx, call("r2", "p", 300))), "more than is left")
	report, err := provider.LookUp(ctx, call("", "p", 0))
	require.NoError(t, err)
	require.Equal(t, payment.Captured, report.Status)
	require.Equal(t, []string{"r"}, report.Refunded)

	require.Equal(t, payment.Voided, status(provider.Void(ctx, call("v2", "late", 500))), "before it was authorized")
	require.Equal(t, payment.Declined, status(provider.Authorize(ctx, call("a2", "late", 500))))
	report, err = provider.LookUp(ctx, call("", "unknown", 0))
	require.NoError(t, err)
	require.Equal(t, payment.NotFound, report.Status)

	provider.latency.Store(int64(time.Hour))
	given, cancel := context.WithCancel(ctx)
	cancel()
	_, err = provider.Authorize(given, call("a3", "q", 500))
	require.ErrorIs(t, err, context.Canceled)
	provider.latency.Store(0)
	report, err = provider.LookUp(ctx, call("", "q", 0))
	require.NoError(t, err)
	require.Equal(t, payment.NotFound, report.Status, "what was cut off on the way there had no effect")
}
