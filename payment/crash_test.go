package payment_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

// crash runs do in a process that dies at its n-th call, and reports whether it did.
func (w *world) crash(n int, after bool, do func(*process) error) (died bool) {
	kill := func() {}
	p := w.start(mortal(w.sim, n, after, &kill), patient)
	kill = p.kill
	err := do(p)
	p.kill()
	return err != nil
}

// TestCrashAnywhere kills the process before and after each call to the provider, in a charge that is then continued, and in a charge and
// its undo.
func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	charge := func(c payment.Charge) func(*process) error {
		return func(p *process) error { _, err := p.Charge(t.Context(), c.CheckoutID, c); return err }
	}
	undo := func(c payment.Charge) func(*process) error {
		return func(p *process) error { _, err := p.Undo(t.Context(), c.CheckoutID, undoOf(c)); return err }
	}
	w := newWorld(t)
	healthy := w.start(w.sim, patient)
	for _, after := range []bool{false, true} {
		for n, died := 1, true; died; n++ {
			c := newCharge("sim_ok")
			died = w.crash(n, after, charge(c))
			require.Equal(t, n <= 2, died, "a charge makes two calls")
			require.Equal(t, payment.ResultCaptured, healthy.charge(t, c).Result)
			require.Equal(t, []string{"authorize", "capture"}, w.ledger(c), "call %d, after: %v", n, after)
		}
	}
	for _, token := range []string{"sim_ok", "sim_capture_fails", "sim_requires_action"} {
		for n := range 3 * 2 * 3 {
			chargeDies, undoDies, after := 1+n%3, 1+n/6, n/3%2 == 1
			t.Run(fmt.Sprintf("%s/charge %d undo %d after %v", token, chargeDies, undoDies, after), func(t *testing.T) {
				c := newCharge(token)
				w.crash(chargeDies, after, charge(c))
				w.crash(undoDies, after, undo(c))
				w.crash(undoDies, !after, undo(c))
				healthy.undo(t, c)
				requireNothingTaken(t, w.ledger(c))
				require.Equal(t, payment.ResultRefused, healthy.charge(t, c).Result)
				requireNothingTaken(t, w.ledger(c))
			})
		}
	}
}

// TestCaptureInDoubtIsSettledByTheVoid compensates a payment after the answer to its capture was lost.
func TestCaptureInDoubtIsSettledByTheVoid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for after, want := range map[bool][]string{false: {"authorize", "void"}, true: {"authorize", "capture", "refund"}} {
		t.Run(fmt.Sprintf("TookEffect=%v", after), func(t *testing.T) {
			t.Parallel()
			c := newCharge("sim_ok")
			require.True(t, w.crash(2, after, func(p *process) error {
				_, err := p.Charge(t.Context(), c.CheckoutID, c)
				return err
			}))
			w.start(w.sim, patient).undo(t, c)
			require.Equal(t, want, w.ledger(c))
		})
	}
}

// TestUndoFindsTheProviderAway checks the result of an undo while the provider is unavailable.
func TestUndoFindsTheProviderAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := func() payment.Provider {
		return around{w.sim, func(string, func() error) error { return &payment.Transient{Err: errDead} }}
	}
	for name, c := range map[string]struct {
		calls int // of the charge that succeed
		want  payment.Result
	}{
		"NothingSent":      {0, payment.ResultUndone},
		"Requested":        {1, payment.ResultVoiding},
		"CaptureInDoubt":   {2, payment.ResultUnknown},
		"CapturedAndOwing": {9, payment.ResultUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			charge := newCharge("sim_ok")
			if c.calls > 0 {
				w.crash(c.calls, false, func(p *process) error {
					_, err := p.Charge(t.Context(), uuid.Nil, charge)
					return err
				})
			}
			out, err := w.start(away(), patient).Undo(t.Context(), uuid.Nil, undoOf(charge))
			require.NoError(t, err)
			require.Equal(t, c.want, out.Result)
			w.start(w.sim, patient).undo(t, charge)
			requireNothingTaken(t, w.ledger(charge))
		})
	}
}
