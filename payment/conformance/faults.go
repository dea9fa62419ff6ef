package conformance

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

func lookUp(t *testing.T, s Subject) {
	t.Run("OfAnUnknownPayment", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		require.Equal(t, payment.NotFound, a.lookUp().Status)
		require.Equal(t, payment.NotFound, a.lookUp().Status)
		require.Equal(t, payment.Authorized, a.authorize().Status, "a look-up changes nothing")
	})
	t.Run("KnowsOnePaymentFromAnother", func(t *testing.T) {
		one, other := s.account(t, s.PaymentMethods.Good), s.account(t, s.PaymentMethods.Good)
		one.authorize()
		require.Equal(t, payment.NotFound, other.lookUp().Status)
		other.authorize()
		one.void()
		other.requireStatus(payment.Authorized)
	})
	t.Run("ReturnsTheProvidersReference", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		want := a.authorize().ProviderReference
		require.Equal(t, want, a.withoutReference().lookUp().ProviderReference)
	})
}

// movement is one of the four calls that move money.
type movement struct {
	name    string
	prepare func(t *testing.T, method string) *account
	do      operation
	key     string
	amount  int64
	did     func(*account) bool // whether the call took effect
	want    payment.Status
}

func (s Subject) movements() []movement {
	is := func(want payment.Status) func(*account) bool {
		return func(a *account) bool { return a.lookUp().Status == want }
	}
	refunded := func(a *account) bool { return len(a.lookUp().Refunded) == 1 }
	return []movement{
		{"Authorize", s.account, s.Provider.Authorize, "authorize", total, is(payment.Authorized), payment.Authorized},
		{"Capture", s.authorized, s.Provider.Capture, "capture", total, is(payment.Captured), payment.Captured},
		{"Void", s.authorized, s.Provider.Void, "void", total, is(payment.Voided), payment.Voided},
		{"Refund", s.captured, s.Provider.Refund, "refund/1", half, refunded, payment.Refunded},
	}
}

// loseAnswer makes calls with lost answers until one certainly reached the provider. The time-out doubles each time. Each call is about
// another payment.
func (m movement) loseAnswer(t *testing.T, method string, reached func(*account) bool) *account {
	t.Helper()
	for timeout := 100 * time.Millisecond; timeout < 10*time.Second; timeout *= 2 {
		a := m.prepare(t, method)
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		answer, err := m.do(ctx, a.callFor(m.key, m.amount))
		cancel()
		require.Error(t, err, "it answered %v", answer)
		if !isTransient(err) && reached(a) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			return a
		}
	}
	t.Fatal("the call did not take effect in time")
	panic("unreachable")
}

func faults(t *testing.T, s Subject) {
	for _, m := range s.movements() {
		t.Run(m.name+"TransientHasNoEffect", func(t *testing.T) {
			a := m.prepare(t, s.PaymentMethods.Flaky)
			for range 2 {
				_, err := m.do(t.Context(), a.callFor(m.key, m.amount))
				require.True(t, isTransient(err), "%v", err)
				require.False(t, m.did(a))
			}
			require.Equal(t, m.want, a.do(m.do, a.callFor(m.key, m.amount)).Status)
			require.True(t, m.did(a))
		})
		t.Run(m.name+"RateLimitedHasNoEffect", func(t *testing.T) {
			a := m.prepare(t, s.PaymentMethods.RateLimited)
			for range 2 {
				_, err := m.do(t.Context(), a.callFor(m.key, m.amount))
				limited := (*payment.RateLimited)(nil)
				require.ErrorAs(t, err, &limited)
				require.Positive(t, limited.After)
				require.True(t, isTransient(err), "%v", err)
				require.False(t, m.did(a))
			}
			require.Equal(t, m.want, a.do(m.do, a.callFor(m.key, m.amount)).Status)
			require.True(t, m.did(a))
		})
		t.Run(m.name+"SilentTookEffect", func(t *testing.T) {
			a := m.loseAnswer(t, s.PaymentMethods.Silent, m.did)
			require.Equal(t, m.want, a.do(m.do, a.callFor(m.key, m.amount)).Status, "the key repeats the lost answer")
			require.True(t, m.did(a))
		})
		t.Run(m.name+"LostHadNoEffect", func(t *testing.T) {
			a := m.loseAnswer(t, s.PaymentMethods.Lost, func(a *account) bool { return !m.did(a) })
			require.Equal(t, m.want, a.untilAnswered(m.do, a.callFor(m.key, m.amount)).Status)
			require.True(t, m.did(a))
		})
	}
	t.Run("CancelledContextNoCall", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Provider.Authorize(ctx, a.callFor("authorize", total))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, payment.NotFound, a.lookUp().Status)
	})
}

func webhook(t *testing.T, s Subject) {
	sent := func(t *testing.T, age time.Duration) (reference string, header http.Header, body []byte) {
		reference = s.account(t, "").call.Reference
		header, body = s.Webhook("evt_1", reference, time.Now().Add(-age))
		return reference, header, body
	}
	t.Run("NamesThePayment", func(t *testing.T) {
		reference, header, body := sent(t, 0)
		n, err := s.Provider.Verify(header, body)
		require.NoError(t, err)
		require.Equal(t, "evt_1", n.ID)
		require.Equal(t, reference, n.Reference)
		require.NotEmpty(t, n.Type)
		again, err := s.Provider.Verify(header, body)
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
	t.Run("WithinTheTolerance", func(t *testing.T) {
		_, header, body := sent(t, 4*time.Minute)
		_, err := s.Provider.Verify(header, body)
		require.NoError(t, err)
	})
	t.Run("TooOld", func(t *testing.T) {
		_, header, body := sent(t, 6*time.Minute)
		_, err := s.Provider.Verify(header, body)
		require.Error(t, err)
	})
	t.Run("OtherBody", func(t *testing.T) {
		reference, header, _ := sent(t, 0)
		_, body := s.Webhook("evt_2", reference, time.Now())
		_, err := s.Provider.Verify(header, body)
		require.Error(t, err)
	})
	t.Run("Unsigned", func(t *testing.T) {
		_, _, body := sent(t, 0)
		_, err := s.Provider.Verify(http.Header{}, body)
		require.Error(t, err)
	})
	t.Run("SignedNonsense", func(t *testing.T) {
		_, header, _ := sent(t, 0)
		for _, body := range []string{"", "{}", "null", "[", "\x00"} {
			_, err := s.Provider.Verify(header, []byte(body))
			require.Error(t, err, "%q", body)
		}
	})
}
