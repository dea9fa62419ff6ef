//go:build !windows

package harness

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Fleet is several replicas of the program on one database, each a process with its own port, all with the same settings.
//
//	f := NewFleet(t, 3, pgtest.New(t))                                       // all serve
//	c, err := RetryAs[CartView](ctx, f, http.MethodPost, "/v1/carts", token, …) // asks one after the other, until one answers
//	f.Replicas[0].Kill(t); f.Replicas[0].Start(t)                            // kill -9, and another process in its place
//	f.Replicas[1].Freeze(t); f.Replicas[1].Thaw()                            // SIGSTOP and SIGCONT
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
		h.Start(t)
	}
	return f
}

// Up returns the first running replica, with the databases of all. A frozen one counts as running but does not answer.
func (f *Fleet) Up(t *testing.T) *Site {
	t.Helper()
	for _, h := range f.Replicas {
		if h.Base() != "" {
			return h.Up(t)
		}
	}
	t.Fatal("no replica runs")
	return nil
}

// next returns the next replica that was not killed. It may be frozen, since a balancer cannot tell either.
func (f *Fleet) next() *Site {
	for range f.Replicas {
		if base := f.Replicas[int(f.turns.Add(1))%len(f.Replicas)].Base(); base != "" {
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
	if err == nil && a.StatusCode < 500 {
		f.Answers.Add(1)
	}
	return a, err
}

// Retry asks one replica after the other until one answers. 503 is no answer.
func (f *Fleet) Retry(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error) {
	return retry(ctx, func() (Answer, error) { return f.Once(ctx, f.Limit, method, path, token, body, headers...) })
}

// Retry repeats a request until it is answered.
func (s *Site) Retry(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error) {
	return retry(ctx, func() (Answer, error) { return s.Ask(ctx, method, path, token, body, headers...) })
}

func retry(ctx context.Context, once func() (Answer, error)) (Answer, error) {
	for {
		a, err := once()
		switch {
		case err == nil && a.StatusCode < 500:
			return a, CheckDocumented(a.Response, a.Text)
		case err == nil && a.StatusCode != http.StatusServiceUnavailable:
			return a, fmt.Errorf("%s %s: %s", a.Request.Method, a.Request.URL.Path, a.Text)
		}
		select {
		case <-time.After(20 * time.Millisecond): // it may have been busy
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
}

// Retrier repeats an idempotent request until it is answered.
type Retrier interface {
	Retry(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error)
}

// RetryAs returns the answer to a request that cannot be refused.
func RetryAs[T any](ctx context.Context, to Retrier, method, path, token string, body any, headers ...string) (v T, err error) {
	a, err := to.Retry(ctx, method, path, token, body, headers...)
	if err == nil && a.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, path, a.Text)
	}
	if err == nil {
		err = a.Decode(&v)
	}
	return v, err
}

// AwaitAnswers returns after n more answers, in the middle of the traffic.
func (f *Fleet) AwaitAnswers(t *testing.T, n int64) {
	t.Helper()
	enough := f.Answers.Load() + n
	Until(t, fmt.Sprintf("%d more are answered", n), func() bool { return f.Answers.Load() >= enough })
}
