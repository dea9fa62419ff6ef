package gates

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"shopping-cart/e2e/harness"
)

// crowdRate bounds the requests a second of a crowd. Without it a client that is refused at once asks again at once, and a small machine
// does nothing but refuse.
const crowdRate = 500

// crowd has so many clients read all the time until the test is over. path returns the n-th address that a client reads. Answers are 200 or
// one of the refusals. A test with a crowd is not parallel, because a crowd takes the whole machine.
func crowd(t *testing.T, s *harness.Site, clients int, token string, path func(n int) string, refusals ...int) (answered, refused func() int64) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var read, turnedAway atomic.Int64
	var all sync.WaitGroup
	pace := rate.NewLimiter(crowdRate, clients)
	for i := range clients {
		all.Go(func() {
			for n := i; pace.Wait(ctx) == nil; n++ {
				a, err := s.Ask(ctx, http.MethodGet, path(n), token, nil)
				switch {
				case err != nil:
				case a.StatusCode == http.StatusOK:
					read.Add(1)
				default:
					turnedAway.Add(1)
					assert.Contains(t, refusals, a.StatusCode, string(a.Text))
					assert.NotEmpty(t, a.Header.Get("Retry-After"))
				}
			}
		})
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	return read.Load, turnedAway.Load
}

// buys requires that a shopper buys something. Some checkouts end a moment after the answer.
func buys(ctx context.Context, t *testing.T, s *harness.Site, shelf []string) {
	t.Helper()
	bought, err := harness.Buy(ctx, s, shelf, "sim_ok")
	require.NoError(t, err)
	require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, bought.Status)
}
