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

// Fleet is several replicas of the program on one database, each a process with its own port, all with the same settings.
//
//	f := NewFleet(t, 3, pgtest.New(t))                                       // all serve
//	c, err := RetryAs[CartView](ctx, f, http.MethodPost, "/v1/carts", token, …) // asks one after the other, until one answers
//	f.Replicas[0].Kill(t); f.Replicas[0].Start(t)                            // kill -9, and another process in its place
//	f.Replicas[1].Freeze(t); f.Replicas[1].Thaw(t)                           // SIGSTOP and SIGCONT
//	f.AwaitAnswers(t, 100)                                                   // while others go on asking
//	f.Up(t).RequirePromises(t)
//
// At the end of the test the replicas are thawed and must stop cleanly. A webhook of the simulator goes to the replica at which
// its payment was approved or denied.
type Fleet struct {
	Replicas []*Host
	Limit    time.Duration // of a request of Retry; then another replica is asked
	turns    atomic.Int64
	Answers  atomic.Int64
}

// NewFleet starts n replicas on the database at url. settings, such as "PAYMENT_TIMEOUT=1s", precede those of NewHost.
func NewFleet(t *testing.T, n int, url string, settings ...string) *Fleet {
	t.Helper()
	f := &Fleet{Limit: 7 * time.Second} // longer than the wait that Buy requests
	for range n {
		h := NewHost(t, append([]string{"DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator"}, settings...))
		f.Replicas = append(f.Replicas, h)
		t.Cleanup(func() {
			if h.Process != nil {
				assert.NoError(t, h.Process.Process.Signal(syscall.SIGCONT)) // otherwise it could not receive the stop signal
			}
		})
		h.Start(t)
	}
	return f
}

// Up returns the first running replica, with the databases of all. A frozen one counts as running but does not answer.
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

// next returns the next replica that was not killed. It may be frozen, since a balancer cannot tell either.
func (f *Fleet) next() *Site {
	for range f.Replicas {
		if base, _ := f.Replicas[int(f.turns.Add(1))%len(f.Replicas)].Where(); base != "" {
			return &Site{Base: base}
		}
	}
	return &Site{} // a request to it fails
}

// Once asks the next replica. After an error the request may have taken effect, or still may.
func (f *Fleet) Once(ctx context.Context, limit time.Duration, method, path, token string, body any, headers ...string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := f.next().Ask(ctx, method, path, token, body, headers...)
	if err == nil {
		f.Answers.Add(1)
	}
	return a, err
}

// Retry asks one replica after the other until one answers. 503 is no answer.
func (f *Fleet) Retry(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error) {
	for {
		a, err := f.Once(ctx, f.Limit, method, path, token, body, headers...)
		switch {
		case err == nil && a.StatusCode < 500:
			return a, CheckDocumented(a.Response, a.Text)
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

// AwaitAnswers returns after n more answers, in the middle of the traffic.
func (f *Fleet) AwaitAnswers(t *testing.T, n int64) {
	t.Helper()
	enough := f.Answers.Load() + n
	Until(t, fmt.Sprintf("%d more are answered", n), func() bool { return f.Answers.Load() >= enough })
}

// Freeze stops the process (SIGSTOP), as on a machine that is being moved, and returns when it has stopped.
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

// Thaw continues the process.
func (h *Host) Thaw(t *testing.T) {
	t.Helper()
	require.NoError(t, h.Process.Process.Signal(syscall.SIGCONT))
}
