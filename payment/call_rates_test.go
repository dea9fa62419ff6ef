package payment

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

var eightASecond = Rate{8, 8}

// called returns a call of a caller under a key of its own.
func called(caller string) Call {
	return Call{Key: uuid.NewString(), Reference: uuid.NewString(), Customer: caller}
}

func TestCallRates(t *testing.T) {
	t.Parallel()
	t.Run("NoLimitByDefault", func(t *testing.T) {
		t.Parallel()
		r := newCallRates(Rate{})
		for range 1000 {
			require.Zero(t, r.reserve(opAuthorize, called("eve"), noon))
		}
	})
	t.Run("OneCallerGetsAQuarter", func(t *testing.T) {
		t.Parallel()
		r := newCallRates(eightASecond)
		made := 0
		for range 100 {
			if r.reserve(opAuthorize, called("eve"), noon) == 0 {
				made++
			}
		}
		require.Equal(t, 2, made)
		require.Zero(t, r.reserve(opAuthorize, called("ada"), noon), "she does not wait behind the 98 calls of another")
		require.Zero(t, r.reserve(opCapture, called("eve"), noon), "each operation has a limit of its own")
	})
	t.Run("AllTogetherStayBelowTheLimit", func(t *testing.T) {
		t.Parallel()
		r := newCallRates(eightASecond)
		made := 0
		for n := range 100 {
			if r.reserve(opAuthorize, called(strconv.Itoa(n)), noon) == 0 {
				made++
			}
		}
		require.Equal(t, eightASecond.Burst, made)
	})
	t.Run("ADeferredCallKeepsItsSlot", func(t *testing.T) {
		t.Parallel()
		r := newCallRates(eightASecond)
		var waiting []Call
		for range 12 {
			if c := called("eve"); r.reserve(opAuthorize, c, noon) > 0 {
				waiting = append(waiting, c)
			}
		}
		require.Len(t, waiting, 10)
		for n, c := range waiting {
			at := time.Duration(n+1) * time.Second / 2 // two a second
			require.Equal(t, at, r.reserve(opAuthorize, c, noon), "asking again does not move it")
			require.Zero(t, r.reserve(opAuthorize, c, noon.Add(at)))
		}
		require.Empty(t, r.slots)
	})
	t.Run("SlotsAreBounded", func(t *testing.T) {
		t.Parallel()
		r := newCallRates(eightASecond)
		for range maxSlots + 10 {
			r.reserve(opAuthorize, called("eve"), noon)
		}
		require.Len(t, r.slots, maxSlots)
		require.Positive(t, r.reserve(opAuthorize, called("eve"), noon))
		for range 3 {
			r.reserve(opAuthorize, called("eve"), noon.Add(24*time.Hour))
		}
		require.Less(t, len(r.slots), 2, "nobody used them")
	})
}

func limits(context.Context) (Answer, error) {
	return Answer{}, &Transient{&RateLimited{5 * time.Second}}
}

func TestRateLimitOfTheProvider(t *testing.T) {
	t.Parallel()
	t.Run("IsNoVote", func(t *testing.T) {
		t.Parallel()
		w := watch(limits, 4, patientCall)
		for n := range 5 * breakerMinVotes {
			_, err := w.Authorize(t.Context(), of(n))
			require.ErrorAs(t, err, new(*RateLimited))
		}
		require.Equal(t, closed, w.breaker.state())
		require.Equal(t, map[string]int{callLimited: 5 * breakerMinVotes}, w.outcomes)
	})
	t.Run("IsNoTest", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 4, patientCall)
		w.opens(t)
		w.line.will(limits)
		w.clock = w.clock.Add(breakerPause)
		_, err := w.Authorize(t.Context(), of(99))
		require.ErrorAs(t, err, new(*RateLimited))
		require.Equal(t, opened, w.breaker.state())
		w.line.will(well)
		_, err = w.Authorize(t.Context(), of(99))
		require.NoError(t, err, "the next call tests")
		require.Equal(t, closed, w.breaker.state())
	})
	t.Run("DefersForItsTime", func(t *testing.T) {
		t.Parallel()
		w := watch(limits, 4, patientCall)
		_, err := w.Authorize(t.Context(), of(1))
		w.deferCaller(theID, "ada", err)
		require.Empty(t, w.takeResumable())
		w.clock = w.clock.Add(5 * time.Second)
		require.Equal(t, []uuid.UUID{theID}, w.takeResumable())
	})
	t.Run("LeavesAResolutionToTheProvider", func(t *testing.T) {
		t.Parallel()
		w := watch(limits, 4, patientCall)
		m := &Module{providers: []*guardedProvider{w.guardedProvider}}
		st := stream{ID: theID, State: State{Provider: "line"}}
		require.ErrorIs(t, m.checkNoAnswer(t.Context(), st, Resolve{Outcome: ResolvedCaptured}), errLedgerUnavailable)
	})
}

func TestOwnRateLimitMakesNoCall(t *testing.T) {
	t.Parallel()
	w := watch(well, 4, patientCall)
	w.rates = newCallRates(Rate{0.5, 4})
	_, err := w.Authorize(t.Context(), called("eve"))
	require.NoError(t, err)
	next := called("eve")
	_, err = w.Authorize(t.Context(), next)
	requireHeld(t, err, errors.Unwrap(err))
	wait, limited := isLimited(err)
	require.True(t, limited)
	require.Equal(t, 8*time.Second, wait)
	require.Equal(t, 1, w.line.made())
	require.Equal(t, map[string]int{callAnswered: 1, callDeferredRate: 1}, w.outcomes)
	w.clock = w.clock.Add(wait)
	_, err = w.Authorize(t.Context(), next)
	require.NoError(t, err)
}

func TestRateLimitsAreNoFailures(t *testing.T) {
	t.Parallel()
	s := given(requested{theOrder, theCheck, "ann", State{}.Amount, "x", "line", noon, "", false})
	why := stopLimited(5 * time.Second)
	out := chargeOutcome(s, why, noon).after(why)
	require.Equal(t, ResultUnavailable, out.Result)
	require.Equal(t, 5*time.Second, out.Wait)
	require.Zero(t, chargeOutcome(s, stopUnavailable, noon).after(stopUnavailable).Wait)
}
