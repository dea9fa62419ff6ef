package payment

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// line is a provider whose calls end as the test says.
type line struct {
	mu     sync.Mutex
	answer func(context.Context) (Answer, error)
	calls  []string
}

func (l *line) call(ctx context.Context, op string) (Answer, error) {
	l.mu.Lock()
	l.calls = append(l.calls, op)
	answer := l.answer
	l.mu.Unlock()
	return answer(ctx)
}

func (l *line) will(answer func(context.Context) (Answer, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

func (l *line) made() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)
}

func (l *line) Name() string                     { return "line" }
func (l *line) AcceptsPaymentMethod(string) bool { return true }
func (l *line) Authorize(ctx context.Context, _ Call) (Answer, error) {
	return l.call(ctx, "authorize")
}
func (l *line) Capture(ctx context.Context, _ Call) (Answer, error) { return l.call(ctx, "capture") }
func (l *line) Void(ctx context.Context, _ Call) (Answer, error)    { return l.call(ctx, "void") }
func (l *line) Refund(ctx context.Context, _ Call) (Answer, error)  { return l.call(ctx, "refund") }
func (l *line) LookUp(ctx context.Context, _ Call) (Report, error) {
	a, err := l.call(ctx, "look_up")
	return Report{Answer: a}, err
}
func (l *line) Verify(http.Header, []byte) (Notification, error) { return Notification{ID: "n"}, nil }

func well(context.Context) (Answer, error)     { return Answer{Status: Authorized}, nil }
func declines(context.Context) (Answer, error) { return Answer{Status: Declined}, nil }
func busy(context.Context) (Answer, error)     { return Answer{}, &Transient{errors.New("503")} }
func dead(ctx context.Context) (Answer, error) { <-ctx.Done(); return Answer{}, ctx.Err() }

// watched is a guard with a clock of its own and a fake provider.
type watched struct {
	*guardedProvider
	line     *line
	clock    time.Time
	log      bytes.Buffer
	outcomes map[string]int
}

func watch(answer func(context.Context) (Answer, error), places int, timeout time.Duration) *watched {
	w := &watched{line: &line{answer: answer}, clock: noon, outcomes: map[string]int{}}
	var mu sync.Mutex
	w.guardedProvider = newGuardedProvider(w.line, resilience{
		timeout: timeout, maxInFlight: places, log: slog.New(slog.NewTextHandler(&w.log, nil)),
		called: func(_ context.Context, _, _, outcome string, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			w.outcomes[outcome]++
		},
	})
	w.now = func() time.Time { return w.clock }
	return w
}

func of(shopper int) Call { return Call{Reference: uuid.NewString(), Customer: strconv.Itoa(shopper)} }

// opens opens the breaker: the calls of ten shoppers fail.
func (w *watched) opens(t *testing.T) {
	t.Helper()
	w.line.will(busy)
	for n := range breakerMinVotes {
		_, err := w.Authorize(t.Context(), of(n))
		require.ErrorContains(t, err, "503")
	}
	require.Equal(t, opened, w.breaker.state())
}

func requireHeld(t *testing.T, err, why error) {
	t.Helper()
	require.ErrorAs(t, err, new(*Transient), "it surely did nothing")
	require.ErrorIs(t, err, why)
}

func TestGuard(t *testing.T) {
	t.Parallel()
	t.Run("HoldsEveryCallBackWhileTheProviderFails", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 4, patientCall)
		w.opens(t)
		calls := w.line.made()
		for _, call := range []func(context.Context, Call) (Answer, error){w.Authorize, w.Capture, w.Void, w.Refund} {
			_, err := call(t.Context(), of(1))
			requireHeld(t, err, errBreakerOpen)
		}
		_, err := w.LookUp(t.Context(), of(1))
		requireHeld(t, err, errBreakerOpen)
		require.Equal(t, calls, w.line.made())
		n, err := w.Verify(nil, nil)
		require.NoError(t, err, "webhooks are read all the same")
		require.Equal(t, "n", n.ID)
	})
	t.Run("OneTriesAndAllGoThrough", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 4, patientCall)
		w.opens(t)
		w.clock = w.clock.Add(breakerPause)
		_, err := w.LookUp(t.Context(), of(1))
		requireHeld(t, err, errBreakerOpen)
		_, err = w.LookUp(t.Context(), of(98))
		require.ErrorContains(t, err, "503")
		_, err = w.LookUp(t.Context(), of(99))
		requireHeld(t, err, errBreakerOpen)
		w.line.will(declines)
		w.clock = w.clock.Add(breakerPause)
		_, err = w.Authorize(t.Context(), of(99))
		require.NoError(t, err)
		require.Equal(t, closed, w.breaker.state(), "a decline is an answer")
		for _, once := range []string{"was=closed is=open", "was=half_open is=closed"} {
			require.Equal(t, 1, strings.Count(w.log.String(), once), w.log.String())
		}
		require.Equal(t, 2, strings.Count(w.log.String(), "was=open is=half_open"))
		require.Equal(t, 5, strings.Count(w.log.String(), "\n"), "one line a change:\n%s", w.log.String())
		require.Equal(t, map[string]int{callFailed: breakerMinVotes + 1, callDeferredOpen: 2, callAnswered: 1}, w.outcomes)
	})
	t.Run("TimeOutsCount", func(t *testing.T) {
		t.Parallel()
		w := watch(dead, breakerMinVotes, time.Millisecond)
		for n := range breakerMinVotes {
			_, err := w.Capture(t.Context(), of(n))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorAs(t, err, new(*Transient), "nobody knows what it did")
		}
		require.Equal(t, opened, w.breaker.state())
	})
	t.Run("BusinessAnswersDoNot", func(t *testing.T) {
		t.Parallel()
		w := watch(declines, 4, patientCall)
		for n := range 5 * breakerMinVotes {
			_, err := w.Authorize(t.Context(), of(n))
			require.NoError(t, err)
		}
		require.Equal(t, closed, w.breaker.state())
	})
	t.Run("WhatWeGiveUpDoesNot", func(t *testing.T) {
		t.Parallel()
		w := watch(dead, 4, patientCall)
		for n := range 5 * breakerMinVotes {
			ctx, cancel := context.WithCancel(t.Context())
			w.line.will(func(inner context.Context) (Answer, error) { cancel(); return dead(inner) })
			_, err := w.Authorize(ctx, of(n))
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Equal(t, closed, w.breaker.state())
		require.Equal(t, map[string]int{callCanceled: 5 * breakerMinVotes}, w.outcomes)
	})
	t.Run("TheGuestsOfOneAddressStopNobody", func(t *testing.T) {
		t.Parallel()
		w := watch(busy, 4, patientCall)
		for n := range 100 {
			c := of(n)
			c.Source, c.Guest = "5f1d", true
			_, err := w.Authorize(t.Context(), c)
			require.ErrorContains(t, err, "503")
		}
		require.Equal(t, closed, w.breaker.state())
	})
	t.Run("OneCardThatHangsStopsNobody", func(t *testing.T) {
		t.Parallel()
		w, ada := watch(busy, 4, patientCall), of(1)
		for range 100 {
			_, err := w.Authorize(t.Context(), ada)
			require.ErrorContains(t, err, "503")
			_, err = w.Authorize(t.Context(), Call{Customer: ada.Customer, Reference: uuid.NewString()}) // another cart of hers
			require.ErrorContains(t, err, "503")
			_, err = w.Authorize(t.Context(), Call{Reference: ada.Reference}) // an unknown shopper
			require.ErrorContains(t, err, "503")
		}
		require.Equal(t, closed, w.breaker.state())
	})
}

const patientCall = time.Minute

func TestGuardsPlaces(t *testing.T) {
	t.Parallel()
	t.Run("NoMoreAtOnce", func(t *testing.T) {
		t.Parallel()
		const places, callers = 3, 24
		var mu sync.Mutex
		now, most := 0, 0
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
		}
		full, release := make(chan struct{}, callers), make(chan struct{})
		w := watch(func(context.Context) (Answer, error) {
			count(1)
			defer count(-1)
			full <- struct{}{}
			<-release
			return Answer{Status: Captured}, nil
		}, places, patientCall)
		var all sync.WaitGroup
		for n := range callers {
			all.Go(func() {
				if _, err := w.Capture(t.Context(), of(n)); err != nil {
					t.Error(err)
				}
			})
		}
		for range places {
			<-full
		}
		close(release)
		all.Wait()
		require.Equal(t, places, most)
		require.Equal(t, callers, w.line.made(), "who waits for a place gets one")
	})
	t.Run("WhoFindsNoneInTimeDidNothing", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 1, time.Millisecond)
		w.slots <- struct{}{}
		_, err := w.Capture(t.Context(), of(1))
		requireHeld(t, err, errBusy)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.timeout = patientCall
		_, err = w.Capture(ctx, of(1))
		requireHeld(t, err, context.Canceled)
		require.Zero(t, w.line.made())
	})
	t.Run("WhoWaitsHearsThatItIsDead", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 1, patientCall)
		w.slots <- struct{}{}
		held := make(chan error, 1)
		waiting := make(chan struct{})
		go func() {
			close(waiting)
			_, err := w.Capture(t.Context(), of(1))
			held <- err
		}()
		<-waiting
		w.mu.Lock()
		was := w.breaker.state()
		w.breaker.open(w.clock)
		w.stateChanged(was)
		w.mu.Unlock()
		requireHeld(t, <-held, errBreakerOpen)
	})
	t.Run("APanicGivesItsPlaceBack", func(t *testing.T) {
		t.Parallel()
		w := watch(func(context.Context) (Answer, error) { panic("nil map") }, 1, patientCall)
		for range 2 {
			require.Panics(t, func() { _, _ = w.Void(t.Context(), of(1)) })
		}
	})
}

// TestTheLeastSuspectTests has callers wait whose calls failed, and one whose call did not.
func TestTheLeastSuspectTests(t *testing.T) {
	t.Parallel()
	w := watch(well, 3, patientCall)
	w.opens(t)
	for n := range breakerMinVotes {
		w.deferCaller(uuid.New(), strconv.Itoa(n), &Transient{errBreakerOpen})
	}
	w.deferCaller(theID, "ada", &Transient{errBreakerOpen})
	w.clock = w.clock.Add(breakerPause)
	require.Equal(t, []uuid.UUID{theID}, w.takeResumable())
	require.Empty(t, w.takeResumable())
	w.clock = w.clock.Add(breakerPause)
	require.Len(t, w.takeResumable(), 1, "nobody else is left")
}

func TestGuardTellsThoseItHeldBack(t *testing.T) {
	t.Parallel()
	w := watch(well, 3, patientCall)
	w.opens(t)
	waiting := map[uuid.UUID]bool{}
	for range 10 {
		id := uuid.New()
		waiting[id] = true
		_, err := w.Authorize(t.Context(), of(1))
		w.deferCaller(id, "ada", err)
		w.deferCaller(id, "ada", err)
	}
	require.Empty(t, w.takeResumable(), "not before the pause is over")
	w.clock = w.clock.Add(breakerPause)
	first := w.takeResumable()
	require.Len(t, first, 1, "one tries")
	w.line.will(well)
	_, err := w.Authorize(t.Context(), of(99))
	require.NoError(t, err)
	told := first
	for _, want := range []int{3, 3, 3, 0} {
		next := w.takeResumable()
		require.Len(t, next, want, "as many as find a place")
		told = append(told, next...)
	}
	for _, id := range told {
		require.True(t, waiting[id])
		delete(waiting, id)
	}
	require.Empty(t, waiting)

	require.Empty(t, w.deferred)

	w.deferCaller(uuid.New(), "ada", errors.New("a card that hangs"))
	require.Empty(t, w.takeResumable(), "whose call failed has a rhythm of their own")
	w.deferCaller(uuid.New(), "ada", &Transient{errBusy})
	require.Len(t, w.takeResumable(), 1)
}
