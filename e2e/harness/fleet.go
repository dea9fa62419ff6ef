//go:build !windows

package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Fleet is several replicas of the program on one database: each a process of its own at a port of its own, all with the
// same settings.
//
//	f := NewFleet(t, 3, pgtest.New(t))                                       // all serve
//	c, err := Told[CartView](ctx, f, http.MethodPost, "/v1/carts", token, …) // of one after the other, until one answers
//	f.Replicas[0].Kill(t); f.Replicas[0].Start(t)                            // kill -9, and another process in its place
//	f.Replicas[1].Freeze(t); f.Replicas[1].Thaw(t)                           // SIGSTOP and SIGCONT
//	f.AwaitAnswers(t, 100)                                                   // while others go on asking
//	f.Up(t).KeepsPromises(t)
//
// At the end of the test the replicas are thawed, asked to stop, and must stop well. A webhook of the simulator goes to the
// replica at which its payment was approved or denied.
type Fleet struct {
	Replicas []*Host
	Limit    time.Duration // of a request of insists; then another replica is asked
	turns    atomic.Int64
	Answers  atomic.Int64
}

// NewFleet starts n replicas on the database at url. settings, such as "PAYMENT_TIMEOUT=1s", go before those of NewHost.
func NewFleet(t *testing.T, n int, url string, settings ...string) *Fleet {
	t.Helper()
	f := &Fleet{Limit: 7 * time.Second} // more than buys asks to be kept waiting
	for range n {
		h := NewHost(t, append([]string{"DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator"}, settings...))
		f.Replicas = append(f.Replicas, h)
		t.Cleanup(func() {
			if h.Process != nil {
				assert.NoError(t, h.Process.Process.Signal(syscall.SIGCONT)) // or it could not hear that it shall stop
			}
		})
		h.Start(t)
	}
	return f
}

// Up is the first replica that runs, with the databases of all. A frozen one runs too, and answers nothing.
func (f *Fleet) Up(t *testing.T) *Site {
	t.Helper()
	for _, h := range f.Replicas {
		if base, _ := h.Where(); base != "" {
			return h.Up(t)
		}
	}
	t.Fatal("no replica runs")
	return nil
}

// next is the replica whose turn it is. It was not killed, but may be frozen: who sends requests on cannot tell.
func (f *Fleet) next() *Site {
	for range f.Replicas {
		if base, _ := f.Replicas[int(f.turns.Add(1))%len(f.Replicas)].Where(); base != "" {
			return &Site{Base: base}
		}
	}
	return &Site{} // asking it fails
}

// Once asks the replica whose turn it is. An error leaves open whether the request took effect, or still will.
func (f *Fleet) Once(ctx context.Context, limit time.Duration, method, path, token string, body any, headers ...string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := f.next().Ask(ctx, method, path, token, body, headers...)
	if err == nil {
		f.Answers.Add(1)
	}
	return a, err
}

// Insists has the answer of the first replica that gives one, going round until then. 503 is none.
func (f *Fleet) Insists(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error) {
	for {
		a, err := f.Once(ctx, f.Limit, method, path, token, body, headers...)
		switch {
		case err == nil && a.StatusCode < 500:
			return a, AsDocumented(a.Response, a.Text)
		case err == nil && a.StatusCode != http.StatusServiceUnavailable:
			return a, fmt.Errorf("%s %s: %s", method, path, a.Text)
		}
		select {
		case <-time.After(20 * time.Millisecond): // it may have been busy
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
}

// AwaitAnswers returns in the middle of everything, n answers from now.
func (f *Fleet) AwaitAnswers(t *testing.T, n int64) {
	t.Helper()
	enough := f.Answers.Load() + n
	Until(t, fmt.Sprintf("%d more are answered", n), func() bool { return f.Answers.Load() >= enough })
}

// Freeze stops the process where it stands, as happens on a machine that is being moved, and returns when it stands.
func (h *Host) Freeze(t *testing.T) {
	t.Helper()
	require.NoError(t, h.Process.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(h.Process.Process.Pid, &status, syscall.WUNTRACED, nil)
	for errors.Is(err, syscall.EINTR) {
		_, err = syscall.Wait4(h.Process.Process.Pid, &status, syscall.WUNTRACED, nil)
	}
	require.NoError(t, err)
	require.True(t, status.Stopped(), "it ended instead: %v", status)
}

// Thaw lets it go on as if nothing had been.
func (h *Host) Thaw(t *testing.T) {
	t.Helper()
	require.NoError(t, h.Process.Process.Signal(syscall.SIGCONT))
}
