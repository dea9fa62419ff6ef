//go:build !windows

package harness

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// RunTogether calls do n times concurrently and returns the answers in order.
func RunTogether(t *testing.T, n int, do func(i int) (Answer, error)) []Answer {
	t.Helper()
	answers, errs := make([]Answer, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i], errs[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return answers
}

// WithStatus returns the answers with that status.
func WithStatus(answers []Answer, status int) (found []Answer) {
	for _, a := range answers {
		if a.StatusCode == status {
			found = append(found, a)
		}
	}
	return found
}

// TryCheckOut checks out like CheckOut, and can be called concurrently.
func (s Shopper) TryCheckOut(t *testing.T, c CartView, key, prefer string) (Answer, error) {
	return s.Try(t.Context(), http.MethodPost, CheckoutPath(c), s.Token, Paying("sim_ok"),
		"Idempotency-Key", key, "If-Match", Tag(c.Version), "Prefer", prefer)
}
