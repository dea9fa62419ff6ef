package conformance

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

func authorize(t *testing.T, s Subject) {
	t.Run("AuthorizesTheAmount", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		answer := a.authorize()
		require.Equal(t, payment.Authorized, answer.Status)
		require.NotEmpty(t, answer.ProviderReference)
		a.requireStatus(payment.Authorized)
	})
	t.Run("AKeyRepeatsTheAnswer", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		first := a.authorize()
		require.Equal(t, first, a.authorize())
		require.Equal(t, first, a.withoutReference().authorize(), "after a lost answer")
		a.capture()
		require.Equal(t, first, a.withoutReference().authorize(), "even after the capture")
		a.requireStatus(payment.Captured)
	})
	t.Run("ConcurrentCallsTakeEffectOnce", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := a.Provider.Authorize(t.Context(), a.callFor("authorize", total))
				if isTransient(err) {
					t.Errorf("a repetition of a call in flight may have an effect: %v", err)
				}
			})
		}
		all.Wait()
		require.Equal(t, payment.Authorized, a.untilAnswered(a.Provider.Authorize, a.callFor("authorize", total)).Status)
		require.Equal(t, int64(total), a.capture().Captured)
	})
	for name, c := range map[string]struct{ method, code string }{
		"Declined":          {s.PaymentMethods.Declined, payment.CodeDeclined},
		"InsufficientFunds": {s.PaymentMethods.InsufficientFunds, payment.CodeInsufficientFunds},
		"NoPaymentMethod":   {"nonsense", payment.CodeDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.account(t, c.method)
			first := a.authorize()
			require.Equal(t, payment.Declined, first.Status)
			require.Equal(t, c.code, first.Code)
			require.Equal(t, first, a.authorize(), "for good")
			a.requireStatus(payment.Declined)
			require.Equal(t, payment.Refused, a.capture().Status)
			require.Equal(t, payment.Voided, a.void().Status, "no amount is authorized")
		})
	}
}

func secured(t *testing.T, s Subject) {
	waiting := func(t *testing.T) *account {
		a := s.account(t, s.PaymentMethods.Secured)
		answer := a.authorize()
		require.Equal(t, payment.ActionRequired, answer.Status)
		require.NotNil(t, answer.NextAction)
		require.NotEmpty(t, answer.NextAction.Type)
		require.NotEmpty(t, answer.NextAction.URL+answer.NextAction.ClientSecret, "the shopper needs an address or a secret")
		require.Equal(t, answer.NextAction, a.requireStatus(payment.ActionRequired).NextAction)
		require.Equal(t, answer, a.authorize())
		return a
	}
	t.Run("Approved", func(t *testing.T) {
		a := waiting(t)
		s.Approve(a.call.Reference)
		a.requireStatus(payment.Authorized)
		require.Equal(t, payment.Captured, a.capture().Status)
	})
	t.Run("Denied", func(t *testing.T) {
		a := waiting(t)
		s.Deny(a.call.Reference)
		require.Equal(t, payment.CodeAuthenticationFailed, a.requireStatus(payment.Declined).Code)
		require.Equal(t, payment.Refused, a.capture().Status)
	})
	t.Run("CannotBeCapturedBefore", func(t *testing.T) {
		a := waiting(t)
		require.Equal(t, payment.Refused, a.capture().Status)
		a.requireStatus(payment.ActionRequired)
	})
	t.Run("VoidedIsTooLateToApprove", func(t *testing.T) {
		a := waiting(t)
		require.Equal(t, payment.Voided, a.void().Status)
		s.Approve(a.call.Reference)
		a.requireStatus(payment.Voided)
		require.Equal(t, payment.Refused, a.capture().Status)
	})
	t.Run("ApprovedAndThenVoided", func(t *testing.T) {
		a := waiting(t)
		s.Approve(a.call.Reference)
		require.Equal(t, payment.Voided, a.void().Status)
		a.requireStatus(payment.Voided)
	})
}

func capture(t *testing.T, s Subject) {
	t.Run("CapturesOnce", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.Good)
		first := a.capture()
		require.Equal(t, payment.Captured, first.Status)
		require.Equal(t, int64(total), first.Captured)
		require.Equal(t, first, a.capture())
		require.Equal(t, int64(total), a.requireStatus(payment.Captured).Captured)
	})
	t.Run("WithoutTheProvidersReference", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.Good)
		require.Equal(t, payment.Captured, a.withoutReference().capture().Status)
	})
	t.Run("OfAVoidedPaymentRefused", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.Good)
		a.void()
		require.Equal(t, payment.Refused, a.capture().Status)
		a.requireStatus(payment.Voided)
	})
	t.Run("OfMoreThanAuthorizedRefused", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.Good)
		require.Equal(t, payment.Refused, a.do(s.Provider.Capture, a.callFor("capture", total+1)).Status)
		a.requireStatus(payment.Authorized)
	})
	t.Run("RefusedForGood", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.CaptureFails)
		first := a.capture()
		require.Equal(t, payment.Refused, first.Status)
		require.NotEmpty(t, first.Code)
		require.Equal(t, first, a.capture())
		require.Equal(t, payment.Voided, a.void().Status)
	})
}

func void(t *testing.T, s Subject) {
	t.Run("ReleasesTheAmount", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.Good)
		first := a.void()
		require.Equal(t, payment.Voided, first.Status)
		require.Equal(t, first, a.void())
		a.requireStatus(payment.Voided)
	})
	t.Run("WithoutTheProvidersReference", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.Good)
		require.Equal(t, payment.Voided, a.withoutReference().void().Status)
		a.requireStatus(payment.Voided)
	})
	t.Run("BeforeTheAuthorizationRefusesIt", func(t *testing.T) {
		a := s.account(t, s.PaymentMethods.Good)
		require.Equal(t, payment.Voided, a.void().Status)
		late := a.withoutReference().authorize()
		require.Equal(t, payment.Declined, late.Status)
		require.Equal(t, payment.CodeDeclined, late.Code)
		require.Equal(t, payment.Refused, a.withoutReference().capture().Status)
		a.requireStatus(payment.Voided)
	})
	t.Run("RacesTheAuthorization", func(t *testing.T) {
		for range 10 {
			a := s.account(t, s.PaymentMethods.Good)
			var both sync.WaitGroup
			both.Go(func() { _, _ = s.Provider.Authorize(t.Context(), a.callFor("authorize", total)) })
			both.Go(func() { _, _ = s.Provider.Void(t.Context(), a.callFor("void", total)) })
			both.Wait()
			require.Equal(t, payment.Voided, a.untilAnswered(s.Provider.Void, a.callFor("void", total)).Status)
			a.requireStatus(payment.Voided)
		}
	})
	t.Run("OfACapturedPaymentAnswersCaptured", func(t *testing.T) {
		a := s.captured(t, s.PaymentMethods.Good)
		answer := a.void()
		require.Equal(t, payment.Captured, answer.Status)
		require.Equal(t, int64(total), answer.Captured)
		require.Equal(t, answer, a.void())
		a.requireStatus(payment.Captured)
	})
	t.Run("RacesTheCapture", func(t *testing.T) {
		for range 10 {
			a := s.authorized(t, s.PaymentMethods.Good)
			var both sync.WaitGroup
			both.Go(func() { _, _ = s.Provider.Capture(t.Context(), a.callFor("capture", total)) })
			both.Go(func() { _, _ = s.Provider.Void(t.Context(), a.callFor("void", total)) })
			both.Wait()
			captured := a.untilAnswered(s.Provider.Capture, a.callFor("capture", total)).Status
			voided := a.untilAnswered(s.Provider.Void, a.callFor("void", total)).Status
			if captured == payment.Captured {
				require.Equal(t, payment.Captured, voided)
			} else {
				require.Equal(t, []payment.Status{payment.Refused, payment.Voided}, []payment.Status{captured, voided})
			}
			a.requireStatus(voided)
		}
	})
}

func refund(t *testing.T, s Subject) {
	t.Run("PartsUpToTheCapturedAmount", func(t *testing.T) {
		a := s.captured(t, s.PaymentMethods.Good)
		require.Equal(t, payment.Refunded, a.refund("1", half).Status)
		over := a.refund("2", total)
		require.Equal(t, payment.Refused, over.Status)
		require.NotEmpty(t, over.Code)
		require.Equal(t, payment.Refunded, a.refund("3", total-half).Status)
		require.Equal(t, payment.Refused, a.refund("4", 1).Status)
		report := a.requireStatus(payment.Captured)
		done := []string{a.callFor("refund/1", 0).Key, a.callFor("refund/3", 0).Key}
		require.ElementsMatch(t, done, report.Refunded, "a refused refund is not reported")
	})
	t.Run("AKeyRepeatsTheAnswer", func(t *testing.T) {
		a := s.captured(t, s.PaymentMethods.Good)
		first := a.refund("1", half)
		require.Equal(t, first, a.refund("1", half))
		require.Equal(t, first, a.withoutReference().refund("1", half))
		require.Len(t, a.lookUp().Refunded, 1)
		require.Equal(t, payment.Refunded, a.refund("2", total-half).Status, "the first was refunded once")
	})
	t.Run("ConcurrentCallsTakeEffectOnce", func(t *testing.T) {
		a := s.captured(t, s.PaymentMethods.Good)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { _, _ = s.Provider.Refund(t.Context(), a.callFor("refund/1", half)) })
		}
		all.Wait()
		require.Equal(t, payment.Refunded, a.untilAnswered(s.Provider.Refund, a.callFor("refund/1", half)).Status)
		require.Len(t, a.lookUp().Refunded, 1)
		require.Equal(t, payment.Refunded, a.refund("2", total-half).Status)
	})
	t.Run("OfAnAuthorizedPaymentRefused", func(t *testing.T) {
		a := s.authorized(t, s.PaymentMethods.Good)
		require.Equal(t, payment.Refused, a.refund("1", half).Status)
		a.requireStatus(payment.Authorized)
	})
	t.Run("NoRefundNoReport", func(t *testing.T) {
		require.Empty(t, s.captured(t, s.PaymentMethods.Good).requireStatus(payment.Captured).Refunded)
	})
}
