package stripe

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/payment/stripe/stripetest"
)

const (
	toCreate = "/v1/payment_intents"
	day      = 24 * time.Hour
)

// operation is one of the four calls that move money.
type operation func(context.Context, payment.Call) (payment.Answer, error)

// upset makes the first n POSTs to matching paths fail.
func (b *bundle) upset(mood stripetest.Fault, n int, fits func(path string) bool) {
	b.FaultFor = func(path string) stripetest.Fault {
		if n == 0 || !fits(path) {
			return stripetest.NoFault
		}
		n--
		return mood
	}
}

func is(want string) func(string) bool { return func(path string) bool { return path == want } }

func endsIn(verb string) func(string) bool {
	return func(path string) bool { return len(path) > len(verb) && path[len(path)-len(verb):] == verb }
}

func (b *bundle) do(t *testing.T, op operation, c payment.Call) payment.Answer {
	t.Helper()
	answer, err := op(t.Context(), c)
	require.NoError(t, err)
	return answer
}

// mute makes a call that arrives and is not answered.
func (b *bundle) mute(t *testing.T, op operation, c payment.Call) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.OnRequest = func(_ *http.Request, _ []byte, status int, _ []byte) {
		if status == 0 {
			cancel() // it arrived: the caller gives up
		}
	}
	_, err := op(ctx, c)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, errors.As(err, new(*payment.Transient)), err)
	b.OnRequest = nil
}

// TestCreationWithoutAnAnswer checks that the key finds the intent of a creation whose answer was lost.
func TestCreationWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]struct {
		op   func(*bundle) operation
		key  string
		want payment.Status
	}{
		"Authorize": {func(b *bundle) operation { return b.Authorize }, "authorize", payment.Authorized},
		"Void":      {func(b *bundle) operation { return b.Void }, "void", payment.Voided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, c := setup(t), callFor(stripetest.Good)
			b.upset(stripetest.LostAnswer, 1, is(toCreate))
			b.mute(t, b.Authorize, under(c, "authorize"))
			require.Equal(t, next.want, b.do(t, next.op(b), under(c, next.key)).Status)
			require.Equal(t, 1, b.Intents(c.Reference))
			report, err := b.LookUp(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, next.want, report.Status)
		})
	}
}

// TestVoidBetweenCreationAndConfirmation checks that a void cancels the intent that was created for the authorization.
func TestVoidBetweenCreationAndConfirmation(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(stripetest.Good)
	b.upset(stripetest.LostRequest, 1, endsIn("/confirm"))
	b.mute(t, b.Authorize, under(c, "authorize"))
	require.Equal(t, payment.Voided, b.do(t, b.Void, under(c, "void")).Status)
	require.Equal(t, payment.Declined, b.do(t, b.Authorize, under(c, "authorize")).Status)
	require.Equal(t, 1, b.Intents(c.Reference))
}

// yesterday returns a payment that a process authorized a day ago without recording it. Its intent was created among others, some time
// after the request. Its key is forgotten.
func yesterday(t *testing.T, after time.Duration) (*bundle, payment.Call) {
	b, c := setup(t), callFor(stripetest.Good)
	c.RequestedAt = time.Now().Add(-day)
	b.Server.Now = func() time.Time { return c.RequestedAt.Add(after) }
	b.Provider.now = func() time.Time { return c.RequestedAt.Add(time.Hour) }
	for range 2 {
		other := callFor(stripetest.Good)
		other.RequestedAt = c.RequestedAt
		b.do(t, b.Authorize, under(other, "authorize"))
	}
	b.do(t, b.Authorize, under(c, "authorize"))
	for range 120 { // more than a page of the list
		other := callFor(stripetest.Good)
		other.RequestedAt = c.RequestedAt
		_, err := b.create(t.Context(), other)
		require.NoError(t, err)
	}
	b.ForgetKeys()
	b.Provider.now = time.Now
	return b, c
}

func TestAfterTheKeyIsForgotten(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"CreatedAtOnce": time.Second, "CreatedInVainForHours": 20 * time.Hour} {
		t.Run("LookUpFindsIt/"+name, func(t *testing.T) {
			t.Parallel()
			b, c := yesterday(t, after)
			report, err := b.LookUp(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, payment.Authorized, report.Status)
			require.NotEmpty(t, report.ProviderReference)
		})
		t.Run("VoidCancelsIt/"+name, func(t *testing.T) {
			t.Parallel()
			b, c := yesterday(t, after)
			require.Equal(t, payment.Voided, b.do(t, b.Void, under(c, "void")).Status)
			status, _ := b.Status(c.Reference)
			require.Equal(t, "canceled", status)
			require.Equal(t, 1, b.Intents(c.Reference))
		})
		t.Run("CaptureAndRefundFindIt/"+name, func(t *testing.T) {
			t.Parallel()
			b, c := yesterday(t, after)
			require.Equal(t, payment.Captured, b.do(t, b.Capture, under(c, "capture")).Status)
			require.Equal(t, payment.Refunded, b.do(t, b.Refund, under(c, "refund/1")).Status)
			require.Equal(t, 1, b.Intents(c.Reference))
		})
	}
	t.Run("NothingWasMade", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.Good)
		c.RequestedAt = time.Now().Add(-day)
		report, err := b.LookUp(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.NotFound, report.Status)
		for op, call := range map[string]operation{
			"authorize": b.Authorize, "capture": b.Capture, "refund/1": b.Refund,
		} {
			_, err = call(t.Context(), under(c, op))
			require.Error(t, err, op)
		}
		require.Zero(t, b.Intents(c.Reference), "what is too old is not begun")
		require.Equal(t, payment.Voided, b.do(t, b.Void, under(c, "void")).Status)
		status, _ := b.Status(c.Reference)
		require.Equal(t, "canceled", status, "a tombstone for who wakes up late")
	})
}

// TestStoredFaults checks that a key with a stored 500 is not replaced: the intent is found by other means.
func TestStoredFaults(t *testing.T) {
	t.Parallel()
	fails := func(t *testing.T, op operation, c payment.Call) {
		t.Helper()
		_, err := op(t.Context(), c)
		require.Error(t, err)
		require.False(t, errors.As(err, new(*payment.Transient)), err)
	}
	t.Run("OfACreationThatTookEffect", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.Good)
		b.upset(stripetest.LateServerError, 1, is(toCreate))
		fails(t, b.Authorize, under(c, "authorize"))
		require.Equal(t, payment.Authorized, b.do(t, b.Authorize, under(c, "authorize")).Status)
		require.Equal(t, 1, b.Intents(c.Reference))
	})
	t.Run("OfACreationThatDidNot", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.Good)
		b.upset(stripetest.ServerError, 1, is(toCreate))
		for range 3 {
			fails(t, b.Authorize, under(c, "authorize"))
			fails(t, b.Void, under(c, "void"))
			_, err := b.LookUp(t.Context(), c)
			require.Error(t, err, "who knows what comes of it")
		}
		require.Zero(t, b.Intents(c.Reference))
	})
	t.Run("OfAConfirmation", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), callFor(stripetest.Good)
		b.upset(stripetest.LateServerError, 1, endsIn("/confirm"))
		fails(t, b.Authorize, under(c, "authorize"))
		fails(t, b.Authorize, under(c, "authorize"))
		report, err := b.LookUp(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.Authorized, report.Status)
	})
	for name, mood := range map[string]stripetest.Fault{
		"OfAVoidThatTookEffect": stripetest.LateServerError, "OfAVoidThatDidNot": stripetest.ServerError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, c := setup(t), callFor(stripetest.Good)
			b.do(t, b.Authorize, under(c, "authorize"))
			b.upset(mood, 1, endsIn("/cancel"))
			fails(t, b.Void, under(c, "void"))
			require.Equal(t, payment.Voided, b.do(t, b.Void, under(c, "void")).Status)
			status, _ := b.Status(c.Reference)
			require.Equal(t, "canceled", status)
		})
	}
}
