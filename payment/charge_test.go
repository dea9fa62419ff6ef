package payment_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

const hasty = 300 * time.Millisecond // for calls that are never answered

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	taken, held, nothing := []string{"authorize", "capture"}, []string{"authorize"}, []string{}
	for token, want := range map[string]struct {
		result       payment.Result
		code         string
		ledger       []string
		afterwards   []string // after an undo
		needsTimeout bool
	}{
		"sim_ok":                    {payment.ResultCaptured, "", taken, []string{"authorize", "capture", "refund"}, false},
		"sim_declined":              {payment.ResultRefused, payment.CodeDeclined, nothing, nothing, false},
		"sim_insufficient_funds":    {payment.ResultRefused, payment.CodeInsufficientFunds, nothing, nothing, false},
		"sim_requires_action":       {payment.ResultActionRequired, "", nothing, nothing, false},
		"sim_duplicate_webhooks":    {payment.ResultActionRequired, "", nothing, nothing, false},
		"sim_late_webhooks":         {payment.ResultActionRequired, "", nothing, nothing, false},
		"sim_capture_fails":         {payment.ResultRefused, payment.CodeCaptureRefused, held, []string{"authorize", "void"}, false},
		"sim_void_flaky":            {payment.ResultRefused, payment.CodeCaptureRefused, held, []string{"authorize", "void"}, false},
		"sim_authorization_expires": {payment.ResultRefused, payment.CodeCaptureRefused, []string{"authorize", "void"}, []string{"authorize", "void"}, false},
		"sim_timeout_applied":       {payment.ResultCaptured, "", taken, []string{"authorize", "capture", "refund"}, true},
		"sim_timeout_lost":          {payment.ResultCaptured, "", taken, []string{"authorize", "capture", "refund"}, true},
		"sim_flaky":                 {payment.ResultCaptured, "", taken, []string{"authorize", "capture", "refund"}, false},
		"sim_rate_limited":          {payment.ResultCaptured, "", taken, []string{"authorize", "capture", "refund"}, false},
		"sim_slow":                  {payment.ResultCaptured, "", taken, []string{"authorize", "capture", "refund"}, false},
		"sim_refund_flaky":          {payment.ResultCaptured, "", taken, []string{"authorize", "capture", "refund"}, false},
		"sim_unheard_of":            {payment.ResultRefused, payment.CodeDeclined, nothing, nothing, false},
	} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			timeout := patient
			if want.needsTimeout {
				timeout = hasty
			}
			p, c := w.start(w.sim, timeout), newCharge(token)
			out := p.charge(t, c)
			require.Equal(t, want.result, out.Result)
			if want.code != "" {
				require.Equal(t, want.code, out.Failure.Code)
				require.NotEmpty(t, out.Failure.Detail)
			}
			require.Equal(t, want.ledger, w.ledger(c))
			require.Equal(t, want.result, p.charge(t, c).Result, "asked again, it is the same")
			p.undo(t, c)
			require.Equal(t, want.afterwards, w.ledger(c))
			require.Equal(t, payment.ResultRefused, p.charge(t, c).Result, "undone is undone")
			require.Equal(t, want.afterwards, w.ledger(c))
		})
	}
}

func TestHappyCharge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	calls := &counting{Provider: w.sim}
	p, c := w.start(calls, patient), newCharge("sim_ok")
	out, err := p.Charge(t.Context(), c.CheckoutID, c)
	require.NoError(t, err)
	require.Equal(t, payment.Outcome{Result: payment.ResultCaptured}, out)
	require.Equal(t, int64(3), p.committer.Counts().Commands)
	require.Equal(t, []string{"authorize", "capture"}, calls.made())
	require.Equal(t, []string{"payment.requested", "payment.authorized", "payment.capture_requested", "payment.captured"}, p.types(t, c))
}

func TestTimeoutIsNeitherSuccessNorFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, c := w.start(w.sim, hasty), newCharge("sim_timeout_applied")
	out, err := p.Charge(t.Context(), c.CheckoutID, c)
	require.NoError(t, err)
	require.Equal(t, payment.ResultUnknown, out.Result)
	require.Equal(t, []string{"payment.requested", "payment.outcome_unknown"}, p.types(t, c))
	require.Equal(t, payment.ResultCaptured, p.charge(t, c).Result)
}

// TestCallerGivesUp checks that an answer is recorded even if the caller gave up.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, giveUp := context.WithCancel(t.Context())
	p, c := w.start(around{w.sim, func(_ string, call func() error) error {
		defer giveUp()
		return call()
	}}, patient), newCharge("sim_ok")
	_, err := p.Charge(ctx, c.CheckoutID, c)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"payment.requested", "payment.authorized", "payment.capture_requested"}, p.types(t, c))
}

func TestFlakyIsUnavailableAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, c := w.start(w.sim, patient), newCharge("sim_flaky")
	out, err := p.Charge(t.Context(), c.CheckoutID, c)
	require.NoError(t, err)
	require.Equal(t, payment.ResultUnavailable, out.Result)
	require.Equal(t, payment.CodeUnavailable, out.Failure.Code)
	require.Equal(t, []string{"payment.requested"}, p.types(t, c))
}

func TestRateLimitDefers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, c := w.start(w.sim, patient), newCharge("sim_rate_limited")
	out, err := p.Charge(t.Context(), c.CheckoutID, c)
	require.NoError(t, err)
	require.Equal(t, payment.ResultUnavailable, out.Result)
	require.Positive(t, out.Wait)
	require.Equal(t, []string{"payment.requested"}, p.types(t, c))
}

func TestManyAtOnceAreOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other, c := w.start(w.sim, patient), w.start(w.sim, patient), newCharge("sim_ok")
	atOnce(8, func(i int) {
		p := []*process{one, other}[i%2]
		out, err := p.Charge(t.Context(), c.CheckoutID, c)
		if err != nil || out.Result != payment.ResultCaptured {
			t.Errorf("charge %d: %v %v", i, out.Result, err)
		}
	})
	require.Equal(t, []string{"authorize", "capture"}, w.ledger(c))
	require.Len(t, one.types(t, c), 4)

	atOnce(8, func(i int) {
		out, err := []*process{one, other}[i%2].Undo(t.Context(), c.CheckoutID, undoOf(c))
		if err != nil || out.Result != payment.ResultUndone {
			t.Errorf("undo %d: %v %v", i, out.Result, err)
		}
	})
	require.Equal(t, []string{"authorize", "capture", "refund"}, w.ledger(c))
	require.Len(t, one.types(t, c), 7)
}

// TestChargeAgainstUndo races a charge and an undo. In the end no money is held or captured.
func TestChargeAgainstUndo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := w.start(w.sim, patient), w.start(w.sim, patient)
	for range 20 {
		c := newCharge("sim_ok")
		atOnce(2, func(i int) {
			if i == 0 {
				_, _ = one.Charge(t.Context(), c.CheckoutID, c)
				return
			}
			_, _ = other.Undo(t.Context(), c.CheckoutID, undoOf(c))
		})
		other.undo(t, c)
		requireNothingTaken(t, w.ledger(c))
		require.Equal(t, payment.ResultRefused, one.charge(t, c).Result)
	}
}

// TestChargeAgainstYieldingUndo races a charge and a yielding undo. One of them wins, and the other one learns it.
func TestChargeAgainstYieldingUndo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := w.start(w.sim, patient), w.start(w.sim, patient)
	for range 20 {
		c := newCharge("sim_ok")
		yields := undoOf(c)
		yields.Yields = true
		var undone payment.Outcome
		atOnce(2, func(i int) {
			if i == 0 {
				_, _ = one.Charge(t.Context(), c.CheckoutID, c)
				return
			}
			undone, _ = other.Undo(t.Context(), c.CheckoutID, yields)
		})
		if undone.Result == payment.ResultTooLate {
			require.Equal(t, payment.ResultCaptured, other.charge(t, c).Result)
			require.Equal(t, []string{"authorize", "capture"}, w.ledger(c))
			continue
		}
		other.undo(t, c)
		require.NotContains(t, w.ledger(c), "capture")
		require.Equal(t, payment.ResultRefused, one.charge(t, c).Result)
	}
}

func TestCancelAgainstCharge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.start(w.sim, patient)
	t.Run("BeforeTheChargeItIsRefused", func(t *testing.T) {
		t.Parallel()
		c := newCharge("sim_ok")
		replayed, err := p.cancel(t.Context(), c)
		require.NoError(t, err)
		require.False(t, replayed)
		_, err = p.cancel(t.Context(), c)
		require.NoError(t, err, "it was cancelled already")
		out := p.charge(t, c)
		require.Equal(t, payment.ResultRefused, out.Result)
		require.Equal(t, payment.CodeCancelled, out.Failure.Code)
		require.Empty(t, w.ledger(c))
	})
	t.Run("AfterTheCaptureItIsTooLate", func(t *testing.T) {
		t.Parallel()
		c := newCharge("sim_ok")
		p.charge(t, c)
		_, err := p.cancel(t.Context(), c)
		require.ErrorContains(t, err, "too_late")
	})
	t.Run("WhileTheShopperActsItIsVoided", func(t *testing.T) {
		t.Parallel()
		c := newCharge("sim_requires_action")
		p.charge(t, c)
		_, err := p.cancel(t.Context(), c)
		require.NoError(t, err)
		p.undo(t, c)
		report, err := w.sim.LookUp(t.Context(), payment.Call{Reference: c.PaymentID.String()})
		require.NoError(t, err)
		require.Equal(t, payment.Voided, report.Status)
	})
}

func (p *process) cancel(ctx context.Context, c payment.Charge) (bool, error) {
	return p.Cancel(ctx, web.Write{Actor: c.CustomerID}, payment.Cancel{PaymentID: c.PaymentID, CheckoutID: c.CheckoutID, CustomerID: c.CustomerID})
}

// TestThawed freezes a process before a call, compensates the payment meanwhile, and lets the process continue.
func TestThawed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for frozen, want := range map[string][]string{"authorize": {}, "capture": {"authorize", "void"}} {
		t.Run(frozen, func(t *testing.T) {
			t.Parallel()
			ice := &freezing{Provider: w.sim, operation: frozen, reached: make(chan struct{}), thaw: make(chan struct{})}
			old, young, c := w.start(ice, patient), w.start(w.sim, patient), newCharge("sim_ok")
			got := make(chan payment.Outcome, 1)
			go func() {
				out, _ := old.Charge(context.Background(), c.CheckoutID, c)
				got <- out
			}()
			<-ice.reached
			young.undo(t, c)
			close(ice.thaw)
			require.Equal(t, payment.ResultRefused, (<-got).Result)
			require.Equal(t, want, w.ledger(c))
		})
	}
}

func requireNothingTaken(t *testing.T, ledger []string) {
	t.Helper()
	n := map[string]int{}
	for _, op := range ledger {
		n[op]++
		require.Equal(t, 1, n[op], "%s twice: %v", op, ledger)
	}
	require.Equal(t, n["capture"], n["refund"], "%v", ledger)
	require.Equal(t, n["authorize"], n["capture"]+n["void"], "%v", ledger)
}

func atOnce(n int, do func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}
