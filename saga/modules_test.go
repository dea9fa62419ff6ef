package saga

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// TestAskEach: a module that says nothing holds up nobody for longer than its share of time, and is no answer.
func TestAskEach(t *testing.T) {
	t.Parallel()
	all := []module{{name: "cart"}, {name: "order"}, {name: "saga"}}
	silent := func(names ...string) func(context.Context, module) (string, error) {
		return func(ctx context.Context, of module) (string, error) {
			if slices.Contains(names, of.name) {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return of.name, nil
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*askWithin)
	t.Cleanup(cancel)
	t.Run("TheOthersAnswer", func(t *testing.T) {
		t.Parallel()
		answers, away, err := askEach(ctx, all, silent("order"))
		require.NoError(t, err)
		require.Equal(t, []any{[]string{"cart", "saga"}, []string{"order"}}, []any{answers, away})
	})
	t.Run("AllAnswer", func(t *testing.T) {
		t.Parallel()
		_, away, err := askEach(ctx, all, silent())
		require.NoError(t, err)
		require.NotNil(t, away)
		require.Empty(t, away)
	})
	t.Run("NobodyAnswers", func(t *testing.T) {
		t.Parallel()
		_, _, err := askEach(ctx, all, silent("cart", "order", "saga"))
		require.ErrorIs(t, err, eventstore.ErrUnavailable)
		require.ErrorContains(t, err, "The database of cart, order, saga does not answer")
	})
	t.Run("WhoLeavesIsNotToldOfDatabases", func(t *testing.T) {
		t.Parallel()
		gone, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		_, _, err := askEach(gone, all, silent("order"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("AnotherErrorIsNotHidden", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("a column is missing")
		_, _, err := askEach(ctx, all, func(_ context.Context, of module) (string, error) {
			if of.name == "saga" {
				return "", broken
			}
			return "", nil
		})
		require.ErrorIs(t, err, broken)
	})
}
