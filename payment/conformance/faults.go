package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

func lookUp(t *testing.T, s Subject) {
	t.Run("OfWhatNobodyAskedFor", func(t *testing.T) {
		a := s.account(t, s.Methods.Good)
		require.Equal(t, payment.NotFound, a.lookUp().Status)
		require.Equal(t, payment.NotFound, a.lookUp().Status)
		require.Equal(t, payment.Authorized, a.authorize().Status, "to look changes nothing")
	})
	t.Run("KnowsOnePaymentFromAnother", func(t *testing.T) {
		one, other := s.account(t, s.Methods.Good), s.account(t, s.Methods.Good)
		one.authorize()
		require.Equal(t, payment.NotFound, other.lookUp().Status)
		other.authorize()
		one.void()
		other.stands(payment.Authorized)
	})
	t.Run("TellsWhatTheyCallIt", func(t *testing.T) {
		a := s.account(t, s.Methods.Good)
		want := a.authorize().ProviderReference
		require.Equal(t, want, a.forgetful().lookUp().ProviderReference)
	})
}

// lose makes calls with lost answers until one certainly reached the provider. The time-out doubles each time. Each call is about another
// payment, after prepare.
func (s Subject) lose(
	t *testing.T, method string, prepare func(*account), op func(*account) (operation, payment.Call), reached func(*account) bool,
) *account {
	t.Helper()
	for patience := 100 * time.Millisecond; patience < 10*time.Second; patience *= 2 {
		a := s.account(t, method)
		prepare(a)
		call, c := op(a)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		answer, err := call(ctx, c)
		cancel()
		require.Error(t, err, "it answered %v", answer)
		if !isTransient(err) && reached(a) {
			require.True(t, errors.Is(err, context.DeadlineExceeded), err)
			return a
		}
	}
	t.Fatal("the provider did not do in time what it was asked")
	panic("unreachable")
}

func faults(t *testing.T, s Subject) {
	for _, c := range []struct {
		name    string
		prepare func(*account)
		op      func(*account) (operation, payment.Call)
		did     func(*account) bool // whether the call took effect
		want    payment.Status
	}{
		{"Authorize", func(*account) {},
			func(a *account) (operation, payment.Call) { return s.Provider.Authorize, a.of("authorize", total) },
			func(a *account) bool { return a.lookUp().Status == payment.Authorized }, payment.Authorized},
		{"Capture", (*account).authorized,
			func(a *account) (operation, payment.Call) { return s.Provider.Capture, a.of("capture", total) },
			func(a *account) bool { return a.lookUp().Status == payment.Captured }, payment.Captured},
		{"Void", (*account).authorized,
			func(a *account) (operation, payment.Call) { return s.Provider.Void, a.of("void", total) },
			func(a *account) bool { return a.lookUp().Status == payment.Voided }, payment.Voided},
		{"Refund", (*account).captured,
			func(a *account) (operation, payment.Call) { return s.Provider.Refund, a.of("refund/1", half) },
			func(a *account) bool { return len(a.lookUp().Refunded) == 1 }, payment.Refunded},
	} {
		t.Run(c.name+"TransientHasNoEffect", func(t *testing.T) {
			a := s.account(t, s.Methods.Flaky)
			c.prepare(a)
			call, request := c.op(a)
			for range 2 {
				_, err := call(t.Context(), request)
				require.True(t, isTransient(err), "%v", err)
				require.False(t, c.did(a))
			}
			require.Equal(t, c.want, a.do(call, request).Status)
			require.True(t, c.did(a))
		})
		t.Run(c.name+"SilentTookEffect", func(t *testing.T) {
			a := s.lose(t, s.Methods.Silent, c.prepare, c.op, c.did)
			call, request := c.op(a)
			require.Equal(t, c.want, a.do(call, request).Status, "the key repeats what was not heard")
			require.True(t, c.did(a))
		})
		t.Run(c.name+"LostHadNoEffect", func(t *testing.T) {
			a := s.lose(t, s.Methods.Lost, c.prepare, c.op, func(a *account) bool { return !c.did(a) })
			call, request := c.op(a)
			require.Equal(t, c.want, a.patiently(call, request).Status)
			require.True(t, c.did(a))
		})
	}
	t.Run("NobodyWaitsNobodyIsAsked", func(t *testing.T) {
		a := s.account(t, s.Methods.Good)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Provider.Authorize(ctx, a.of("authorize", total))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, payment.NotFound, a.lookUp().Status)
	})
}

// authorized authorizes the payment, as often as needed.
func (a *account) authorized() {
	a.t.Helper()
	answer := a.settled(func(ctx context.Context) (payment.Answer, error) {
		return a.Provider.Authorize(ctx, a.of("authorize", total))
	})
	require.Equal(a.t, payment.Authorized, answer.Status)
	a.call.ProviderReference = answer.ProviderReference
}

func (a *account) captured() {
	a.t.Helper()
	a.authorized()
	answer := a.settled(func(ctx context.Context) (payment.Answer, error) {
		return a.Provider.Capture(ctx, a.of("capture", total))
	})
	require.Equal(a.t, payment.Captured, answer.Status)
}

// settled repeats a call until it is answered. Its time-out suffices on a busy machine.
func (a *account) settled(call func(context.Context) (payment.Answer, error)) (answer payment.Answer) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		ctx, cancel := context.WithTimeout(a.t.Context(), 200*time.Millisecond)
		defer cancel()
		var err error
		answer, err = call(ctx)
		return err == nil
	}, 20*time.Second, time.Millisecond)
	return answer
}

func webhook(t *testing.T, s Subject) {
	good := func() (reference string, at time.Time) { return s.account(t, "").call.Reference, time.Now() }
	t.Run("SaysWhatItIsAbout", func(t *testing.T) {
		reference, at := good()
		header, body := s.Webhook("evt_1", reference, at)
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
		reference, at := good()
		_, err := s.Provider.Verify(s.Webhook("evt_1", reference, at.Add(-4*time.Minute)))
		require.NoError(t, err)
	})
	t.Run("TooOld", func(t *testing.T) {
		reference, at := good()
		_, err := s.Provider.Verify(s.Webhook("evt_1", reference, at.Add(-6*time.Minute)))
		require.Error(t, err)
	})
	t.Run("OtherBody", func(t *testing.T) {
		reference, at := good()
		header, _ := s.Webhook("evt_1", reference, at)
		_, body := s.Webhook("evt_2", reference, at)
		_, err := s.Provider.Verify(header, body)
		require.Error(t, err)
	})
	t.Run("Unsigned", func(t *testing.T) {
		reference, at := good()
		_, body := s.Webhook("evt_1", reference, at)
		_, err := s.Provider.Verify(map[string][]string{}, body)
		require.Error(t, err)
	})
	t.Run("SignedNonsense", func(t *testing.T) {
		reference, at := good()
		header, _ := s.Webhook("evt_1", reference, at)
		for _, body := range []string{"", "{}", "null", "[", "\x00"} {
			_, err := s.Provider.Verify(header, []byte(body))
			require.Error(t, err, "%q", body)
		}
	})
}
