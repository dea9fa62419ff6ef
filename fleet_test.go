package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/saga"
)

// fleet is several replicas of the program on one database: each a process of its own at a port of its own, all with the
// same settings.
//
//	f := newFleet(t, 3, pgtest.New(t))                                       // all serve
//	c, err := told[cartView](ctx, f, http.MethodPost, "/v1/carts", token, …) // of one after the other, until one answers
//	f.replicas[0].kill(t); f.replicas[0].start(t)                            // kill -9, and another process in its place
//	f.replicas[1].freeze(t); f.replicas[1].thaw(t)                           // SIGSTOP and SIGCONT
//	f.awaitAnswers(t, 100)                                                   // while others go on asking
//	f.up(t).keepsPromises(t)
//
// At the end of the test the replicas are thawed, asked to stop, and must stop well. A webhook of the simulator goes to the
// replica at which its payment was approved or denied.
type fleet struct {
	replicas []*host
	limit    time.Duration // of a request of insists; then another replica is asked
	turns    atomic.Int64
	answers  atomic.Int64
}

// newFleet starts n replicas on the database at url. settings, such as "PAYMENT_TIMEOUT=1s", go before those of newHost.
func newFleet(t *testing.T, n int, url string, settings ...string) *fleet {
	t.Helper()
	f := &fleet{limit: 7 * time.Second} // more than buys asks to be kept waiting
	for range n {
		h := newHost(t, append([]string{"DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator"}, settings...))
		f.replicas = append(f.replicas, h)
		t.Cleanup(func() {
			if h.process != nil {
				assert.NoError(t, h.process.Process.Signal(syscall.SIGCONT)) // or it could not hear that it shall stop
			}
		})
		h.start(t)
	}
	return f
}

// up is the first replica that runs, with the databases of all. A frozen one runs too, and answers nothing.
func (f *fleet) up(t *testing.T) *site {
	t.Helper()
	for _, h := range f.replicas {
		if base, _ := h.where(); base != "" {
			return h.up(t)
		}
	}
	t.Fatal("no replica runs")
	return nil
}

// next is the replica whose turn it is. It was not killed, but may be frozen: who sends requests on cannot tell.
func (f *fleet) next() *site {
	for range f.replicas {
		if base, _ := f.replicas[int(f.turns.Add(1))%len(f.replicas)].where(); base != "" {
			return &site{base: base}
		}
	}
	return &site{} // asking it fails
}

// once asks the replica whose turn it is. An error leaves open whether the request took effect, or still will.
func (f *fleet) once(ctx context.Context, limit time.Duration, method, path, token string, body any, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := f.next().ask(ctx, method, path, token, body, headers...)
	if err == nil {
		f.answers.Add(1)
	}
	return a, err
}

// insists has the answer of the first replica that gives one, going round until then. 503 is none.
func (f *fleet) insists(ctx context.Context, method, path, token string, body any, headers ...string) (answer, error) {
	for {
		a, err := f.once(ctx, f.limit, method, path, token, body, headers...)
		switch {
		case err == nil && a.StatusCode < 500:
			return a, asDocumented(a.Response, a.body)
		case err == nil && a.StatusCode != http.StatusServiceUnavailable:
			return a, fmt.Errorf("%s %s: %s", method, path, a.body)
		}
		select {
		case <-time.After(20 * time.Millisecond): // it may have been busy
		case <-ctx.Done():
			return answer{}, ctx.Err()
		}
	}
}

// awaitAnswers returns in the middle of everything, n answers from now.
func (f *fleet) awaitAnswers(t *testing.T, n int64) {
	t.Helper()
	enough := f.answers.Load() + n
	until(t, fmt.Sprintf("%d more are answered", n), func() bool { return f.answers.Load() >= enough })
}

// freeze stops the process where it stands, as happens on a machine that is being moved, and returns when it stands.
func (h *host) freeze(t *testing.T) {
	t.Helper()
	require.NoError(t, h.process.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(h.process.Process.Pid, &status, syscall.WUNTRACED, nil)
	for errors.Is(err, syscall.EINTR) {
		_, err = syscall.Wait4(h.process.Process.Pid, &status, syscall.WUNTRACED, nil)
	}
	require.NoError(t, err)
	require.True(t, status.Stopped(), "it ended instead: %v", status)
}

// thaw lets it go on as if nothing had been.
func (h *host) thaw(t *testing.T) {
	t.Helper()
	require.NoError(t, h.process.Process.Signal(syscall.SIGCONT))
}

// TestFleet sees that the harness does what it says: of what it breaks, the shopper hears nothing.
func TestFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, pgtest.New(t))
	f.limit = 300 * time.Millisecond
	sku := f.up(t).sells(t, 450)
	f.replicas[2].kill(t)
	f.replicas[1].freeze(t)
	_, err := (&site{base: f.replicas[1].up(t).base}).ask(within(t, 50*time.Millisecond), http.MethodGet, "/healthz", "", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a frozen replica answers nothing")

	c, err := told[cartView](t.Context(), f, http.MethodPost, "/v1/carts", mint(t, settings(), "ada"), map[string]any{"currency": "GBP"},
		"Idempotency-Key", uuid.NewString())
	require.NoError(t, err)
	require.EqualValues(t, 1, c.Version)

	f.replicas[1].thaw(t)
	f.replicas[2].start(t)
	f.limit = 7 * time.Second
	for range f.replicas { // each is asked in its turn, and sees what the others did
		p, err := buys(t.Context(), f, []string{sku}, "sim_ok")
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, p.status)
		require.Equal(t, saga.Completed, shopper{f.up(t), p.shopper.token, p.shopper.id}.checkout(t, p.checkout).Status)
	}
	f.up(t).keepsPromises(t)
}

// within is the test's context for so long.
func within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
