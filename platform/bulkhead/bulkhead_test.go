package bulkhead_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/bulkhead"
	"shopping-cart/platform/fault"
)

func TestBulkhead(t *testing.T) {
	t.Parallel()
	full := &fault.Fault{Kind: fault.TooMany, Code: "too_many_requests"}

	t.Run("TheOnesTooManyAreRefusedAtOnce", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, began := bulkhead.New(1, 1, time.Minute, full), time.Now()
			leave, err := b.Enter(t.Context())
			require.NoError(t, err)
			turn := make(chan error)
			go func() {
				leave, err := b.Enter(t.Context())
				turn <- err
				leave()
			}()
			synctest.Wait()
			_, err = b.Enter(t.Context())
			require.ErrorIs(t, err, full)
			require.Zero(t, time.Since(began))
			leave()
			require.NoError(t, <-turn)
		})
	})
	t.Run("AWaitEnds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, began := bulkhead.New(1, 1, time.Second, full), time.Now()
			leave, err := b.Enter(t.Context())
			require.NoError(t, err)
			_, err = b.Enter(t.Context())
			require.ErrorIs(t, err, full)
			require.Equal(t, time.Second, time.Since(began))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = b.Enter(ctx)
			require.ErrorIs(t, err, context.Canceled)
			leave()
			leave, err = b.Enter(t.Context())
			require.NoError(t, err, "a wait that ended takes no place")
			leave()
		})
	})
}
