package eventstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
)

// sentBy sends a command of a subject. The result says after how many other batches it was decided.
func (w waiting) sentBy(ctx context.Context, cmd eventstore.Command, stream uuid.UUID) (after int64, err error) {
	cmd.Streams = []eventstore.Ref{jars.Ref(stream)}
	cmd.Decide = func(tx *eventstore.Tx) error {
		after = w.committer.Counts().Batches
		jars.Append(tx, stream, put{"x"})
		return nil
	}
	_, err = w.carts.Do(ctx, cmd)
	return after, err
}

// TestAFlood floods the queue with the commands of some subjects, before others send theirs. The others are in the first batch.
func TestAFlood(t *testing.T) {
	t.Parallel()
	const flooders, each = 8, 200 // more than ten batches
	w := newWaiting(t, eventstore.CommitterConfig{Workers: 1})
	var all sync.WaitGroup
	for i := range flooders {
		cart := uuid.New()
		for range each {
			all.Go(func() {
				_, err := w.sentBy(t.Context(), eventstore.Command{Subject: fmt.Sprint("flooder-", i)}, cart)
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	require.Eventually(t, func() bool { return w.committer.Waiting() == flooders*each }, patience, idle)
	for name, cmd := range map[string]eventstore.Command{
		"customer": {Subject: "ada"}, "operator": {Subject: "root", Operator: true}, "saga": {},
	} {
		all.Go(func() {
			after, err := w.sentBy(t.Context(), cmd, uuid.New())
			if err != nil || after > 0 {
				t.Errorf("the %s waited for %d batches (%v)", name, after, err)
			}
		})
	}
	require.Eventually(t, func() bool { return w.committer.Waiting() == flooders*each+3 }, patience, idle)
	w.begin(t)
	all.Wait()
	require.Greater(t, w.committer.Counts().Batches, int64(10))
}

// TestOneSubjectHasAPart of the queue. Beyond it, its commands are refused, and those of others are not.
func TestOneSubjectHasAPart(t *testing.T) {
	t.Parallel()
	w := newWaiting(t, eventstore.CommitterConfig{Queue: 1024})
	const part = 1024 / 16
	answers := make(chan error, part)
	for range part {
		go func() {
			_, err := w.sentBy(t.Context(), eventstore.Command{Subject: "flooder"}, uuid.New())
			answers <- err
		}()
	}
	require.Eventually(t, func() bool { return w.committer.Waiting() == part }, patience, idle)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := w.sentBy(ctx, eventstore.Command{Subject: "flooder"}, uuid.New())
	f, ok := fault.As(err)
	require.True(t, ok)
	require.Equal(t, fault.TooMany, f.Kind)
	require.Equal(t, "too_many_requests", f.Code)
	require.NotZero(t, f.Retry)
	w.begin(t)
	_, err = w.sentBy(t.Context(), eventstore.Command{Subject: "ada"}, uuid.New())
	require.NoError(t, err)
	for range part {
		require.NoError(t, <-answers)
	}
	_, err = w.sentBy(t.Context(), eventstore.Command{Subject: "flooder"}, uuid.New())
	require.NoError(t, err, "its commands have ended")
}
