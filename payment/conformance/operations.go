package conformance

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

func authorize(t *testing.T, s Subject) {
	t.Run("AuthorizesTheAmount", func(t *testing.T) {
		a := s.account(t, s.Methods.Good)
		answer := a.authorize()
		require.Equal(t, payment.Authorized, answer.Status)
		require.NotEmpty(t, answer.ProviderReference)
		a.stands(payment.Authorized)
	})
	t.Run("AKeyRepeatsTheAnswer", func(t *testing.T) {
		a := s.account(t, s.Methods.Good)
		first := a.authorize()
		require.Equal(t, first, a.authorize())
		require.Equal(t, first, a.forgetful().authorize(), "after a lost answer")
		a.capture()
		require.Equal(t, first, a.forgetful().authorize(), "even after the capture")
		a.stands(payment.Captured)
	})
	t.Run("ConcurrentCallsTakeEffectOnce", func(t *testing.T) {
		a := s.account(t, s.Methods.Good)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := a.Provider.Authorize(t.Context(), a.of("authorize", total))
				if isTransient(err) {
					t.Errorf("a repetition of a call in flight may have an effect: %v", err)
				}
			})
		}
		all.Wait()
		require.Equal(t, payment.Authorized, a.patiently(a.Provider.Authorize, a.of("authorize", total)).Status)
		require.Equal(t, int64(total), a.capture().Captured)
	})
	for name, c := range map[string]struct{ method, code string }{
		"Declined":          {s.Methods.Declined, payment.CodeDeclined},
		"InsufficientFunds": {s.Methods.InsufficientFunds, payment.CodeInsufficientFunds},
		"NoPaymentMethod":   {"nonsense", payment.CodeDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.account(t, c.method)
			first := a.authorize()
			require.Equal(t, payment.Declined, first.Status)
			require.Equal(t, c.code, first.Code)
			require.Equal(t, first, a.authorize(), "for good")
			a.stands(payment.Declined)
			require.Equal(t, payment.Refused, a.capture().Status)
			require.Equal(t, payment.Voided, a.void().Status, "no amount is authorized")
		})
	}
}

func secured(t *testing.T, s Subject) {
	waiting := func(t *testing.T) *account {
		a := s.account(t, s.Methods.Secured)
		answer := a.authorize()
		require.Equal(t, payment.ActionRequired, answer.Status)
		require.NotNil(t, answer.NextAction)
		require.NotEmpty(t, answer.NextAction.Type)
		require.NotEmpty(t, answer.NextAction.URL+answer.NextAction.ClientSecret, "the shopper needs an address or a secret")
		require.Equal(t, answer.NextAction, a.stands(payment.ActionRequired).NextAction)
		require.Equal(t, answer, a.authorize())
		return a
	}
	t.Run("Approved", func(t *testing.T) {
		a := waiting(t)
		s.Approve(a.call.Reference)
		a.stands(payment.Authorized)
		require.Equal(t, payment.Captured, a.capture().Status)
	})
	t.Run("Denied", func(t *testing.T) {
		a := waiting(t)
		s.Deny(a.call.Reference)
		require.Equal(t, payment.CodeAuthenticationFailed, a.stands(payment.Declined).Code)
		require.Equal(t, payment.Refused, a.capture().Status)
	})
	t.Run("CannotBeCapturedBefore", func(t *testing.T) {
		a := waiting(t)
		require.Equal(t, payment.Refused, a.capture().Status)
		a.stands(payment.ActionRequired)
	})
	t.Run("VoidedIsTooLateToApprove", func(t *testing.T) {
		a := waiting(t)
		require.Equal(t, payment.Voided, a.void().Status)
		s.Approve(a.call.Reference)
		a.stands(payment.Voided)
		require.Equal(t, payment.Refused, a.capture().Status)
	})
	t.Run("ApprovedAndThenVoided", func(t *testing.T) {
		a := waiting(t)
		s.Approve(a.call.Reference)
		require.Equal(t, payment.Voided, a.void().Status)
		a.stands(payment.Voided)
	})
}

func capture(t *testing.T, s Subject) {
	t.Run("CapturesOnce", func(t *testing.T) {
		a := s.authorized(t, s.Methods.Good)
		first := a.capture()
		require.Equal(t, payment.Captured, first.Status)
		require.Equal(t, int64(total), first.Captured)
		require.Equal(t, first, a.capture())
		require.Equal(t, int64(total), a.stands(payment.Captured).Captured)
	})
	t.Run("WithoutTheProvidersReference", func(t *testing.T) {
		a := s.authorized(t, s.Methods.Good)
		require.Equal(t, payment.Captured, a.forgetful().capture().Status)
	})
	t.Run("OfAVoidedPaymentRefused", func(t *testing.T) {
		a := s.authorized(t, s.Methods.Good)
		a.void()
		require.Equal(t, payment.Refused, a.capture().Status)
		a.stands(payment.Voided)
	})
	t.Run("OfMoreThanAuthorizedRefused", func(t *testing.T) {
		a := s.authorized(t, s.Methods.Good)
		require.Equal(t, payment.Refused, a.do(s.Provider.Capture, a.of("capture", total+1)).Status)
		a.stands(payment.Authorized)
	})
	t.Run("RefusedForGood", func(t *testing.T) {
		a := s.authorized(t, s.Methods.CaptureFails)
		first := a.capture()
		require.Equal(t, payment.Refused, first.Status)
		require.NotEmpty(t, first.Code)
		require.Equal(t, first, a.capture())
		require.Equal(t, payment.Voided, a.void().Status)
	})
}

func void(t *testing.T, s Subject) {
	t.Run("ReleasesTheAmount", func(t *testing.T) {
		a := s.authorized(t, s.Methods.Good)
		first := a.void()
		require.Equal(t, payment.Voided, first.Status)
		require.Equal(t, first, a.void())
		a.stands(payment.Voided)
	})
	t.Run("WithoutTheProvidersReference", func(t *testing.T) {
		a := s.authorized(t, s.Methods.Good)
		require.Equal(t, payment.Voided, a.forgetful().void().Status)
		a.stands(payment.Voided)
	})
	t.Run("BeforeTheAuthorizationRefusesIt", func(t *testing.T) {
		a := s.account(t, s.Methods.Good)
		require.Equal(t, payment.Voided, a.void().Status)
		late := a.forgetful().authorize()
		require.Equal(t, payment.Declined, late.Status)
		require.Equal(t, payment.CodeDeclined, late.Code)
		require.Equal(t, payment.Refused, a.forgetful().capture().Status)
		a.stands(payment.Voided)
	})
	t.Run("RacesTheAuthorization", func(t *testing.T) {
		for range 10 {
			a := s.account(t, s.Methods.Good)
			var both sync.WaitGroup
			both.Go(func() { _, _ = s.Provider.Authorize(t.Context(), a.of("authorize", total)) })
			both.Go(func() { _, _ = s.Provider.Void(t.Context(), a.of("void", total)) })
			both.Wait()
			require.Equal(t, payment.Voided, a.patiently(s.Provider.Void, a.of("void", total)).Status)
			a.stands(payment.Voided)
		}
	})
	t.Run("OfACapturedPaymentAnswersCaptured", func(t *testing.T) {
		a := s.captured(t, s.Methods.Good)
		answer := a.void()
		require.Equal(t, payment.Captured, answer.Status)
		require.Equal(t, int64(total), answer.Captured)
		require.Equal(t, answer, a.void())
		a.stands(payment.Captured)
	})
	t.Run("RacesTheCapture", func(t *testing.T) {
		for range 10 {
			a := s.authorized(t, s.Methods.Good)
			var both sync.WaitGroup
			both.Go(func() { _, _ = s.Provider.Capture(t.Context(), a.of("capture", total)) })
			both.Go(func() { _, _ = s.Provider.Void(t.Context(), a.of("void", total)) })
			both.Wait()
			captured := a.patiently(s.Provider.Capture, a.of("capture", total)).Status
			voided := a.patiently(s.Provider.Void, a.of("void", total)).Status
			if captured == payment.Captured {
				require.Equal(t, payment.Captured, voided)
			} else {
				require.Equal(t, []payment.Status{payment.Refused, payment.Voided}, []payment.Status{captured, voided})
			}
			a.stands(voided)
		}
	})
}

func refund(t *testing.T, s Subject) {
	t.Run("PartsUpToTheCapturedAmount", func(t *testing.T) {
		a := s.captured(t, s.Methods.Good)
		require.Equal(t, payment.Refunded, a.refund("1", half).Status)
		over := a.refund("2", total)
		require.Equal(t, payment.Refused, over.Status)
		require.NotEmpty(t, over.Code)
		require.Equal(t, payment.Refunded, a.refund("3", total-half).Status)
		require.Equal(t, payment.Refused, a.refund("4", 1).Status)
		report := a.stands(payment.Captured)
		done := []string{a.of("refund/1", 0).Key, a.of("refund/3", 0).Key}
		require.ElementsMatch(t, done, report.Refunded, "a refused refund is not reported")
	})
	t.Run("AKeyRepeatsTheAnswer", func(t *testing.T) {
		a := s.captured(t, s.Methods.Good)
		first := a.refund("1", half)
		require.Equal(t, first, a.refund("1", half))
		require.Equal(t, first, a.forgetful().refund("1", half))
		require.Len(t, a.lookUp().Refunded, 1)
		require.Equal(t, payment.Refunded, a.refund("2", total-half).Status, "the first was refunded once")
	})
	t.Run("ConcurrentCallsTakeEffectOnce", func(t *testing.T) {
		a := s.captured(t, s.Methods.Good)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { _, _ = s.Provider.Refund(t.Context(), a.of("refund/1", half)) })
		}
		all.Wait()
		require.Equal(t, payment.Refunded, a.patiently(s.Provider.Refund, a.of("refund/1", half)).Status)
		require.Len(t, a.lookUp().Refunded, 1)
		require.Equal(t, payment.Refunded, a.refund("2", total-half).Status)
	})
	t.Run("OfAnAuthorizedPaymentRefused", func(t *testing.T) {
		a := s.authorized(t, s.Methods.Good)
		require.Equal(t, payment.Refused, a.refund("1", half).Status)
		a.stands(payment.Authorized)
	})
	t.Run("NoRefundNoReport", func(t *testing.T) {
		require.Empty(t, s.captured(t, s.Methods.Good).stands(payment.Captured).Refunded)
	})
}
