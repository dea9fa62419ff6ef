package admin

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
	all := []Store{{Name: "cart"}, {Name: "order"}, {Name: "saga"}}
	silent := func(names ...string) func(context.Context, Store) (string, error) {
		return func(ctx context.Context, of Store) (string, error) {
			if slices.Contains(names, of.Name) {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return of.Name, nil
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*askTimeout)
	t.Cleanup(cancel)
	t.Run("TheOthersAnswer", func(t *testing.T) {
		t.Parallel()
		answers, away, err := AskEach(ctx, all, silent("order"))
		require.NoError(t, err)
		require.Equal(t, []any{[]string{"cart", "saga"}, []string{"order"}}, []any{answers, away})
	})
	t.Run("AllAnswer", func(t *testing.T) {
		t.Parallel()
		_, away, err := AskEach(ctx, all, silent())
		require.NoError(t, err)
		require.NotNil(t, away)
		require.Empty(t, away)
	})
	t.Run("NobodyAnswers", func(t *testing.T) {
		t.Parallel()
		_, _, err := AskEach(ctx, all, silent("cart", "order", "saga"))
		require.ErrorIs(t, err, eventstore.ErrUnavailable)
		require.ErrorContains(t, err, "The database of cart, order, saga does not answer")
	})
	t.Run("WhoLeavesIsNotToldOfDatabases", func(t *testing.T) {
		t.Parallel()
		gone, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		_, _, err := AskEach(gone, all, silent("order"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("AnotherErrorIsNotHidden", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("a column is missing")
		_, _, err := AskEach(ctx, all, func(_ context.Context, of Store) (string, error) {
			if of.Name == "saga" {
				return "", broken
			}
			return "", nil
		})
		require.ErrorIs(t, err, broken)
	})
}
