package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
)

var errClosed = fault.New(fault.Conflict, "cart_closed", "This cart is closed.")

func TestFault(t *testing.T) {
	t.Parallel()

	t.Run("ACopyIsStillTheDeclaredFault", func(t *testing.T) {
		t.Parallel()
		for _, copied := range []*fault.Fault{errClosed.With("checkout_id", 7), errClosed.Detailf("Closed since %d.", 1999), errClosed.At("sku")} {
			require.ErrorIs(t, fmt.Errorf("load cart 7: %w", copied), errClosed)
			require.Equal(t, fault.Conflict, copied.Kind)
		}
	})
	t.Run("AnotherCodeIsAnotherFault", func(t *testing.T) {
		t.Parallel()
		require.NotErrorIs(t, errClosed, fault.New(fault.Conflict, "cart_empty", "This cart is empty."))
		require.NotErrorIs(t, errClosed, errors.New("cart_closed: This cart is closed."))
	})
	t.Run("TheDeclarationStaysAsItWas", func(t *testing.T) {
		t.Parallel()
		one := errClosed.With("a", 1)
		two := one.With("b", 2)
		_ = errClosed.Detailf("Other.").At("sku").After(time.Minute)
		require.Zero(t, errClosed.Retry)
		require.Empty(t, errClosed.Extra)
		require.Empty(t, errClosed.Fields)
		require.Equal(t, "This cart is closed.", errClosed.Detail)
		require.Equal(t, map[string]any{"a": 1}, one.Extra)
		require.Equal(t, map[string]any{"a": 1, "b": 2}, two.Extra)
	})
	t.Run("CopiesOfOneDoNotShareTheirFields", func(t *testing.T) {
		t.Parallel()
		base := errClosed.At("a").At("b").At("c") // capacity 4: two appends could share the fourth place
		left, right := base.At("left"), base.At("right")
		require.Equal(t, "left", left.Fields[3].Field)
		require.Equal(t, "right", right.Fields[3].Field)
		require.Equal(t, fault.Field{Field: "a", Code: "cart_closed", Detail: "This cart is closed."}, left.Fields[0])
	})
	t.Run("AsFindsItInTheChain", func(t *testing.T) {
		t.Parallel()
		f, ok := fault.As(fmt.Errorf("outer: %w", errors.Join(errors.New("x"), errClosed)))
		require.True(t, ok)
		require.Same(t, errClosed, f)
		_, ok = fault.As(errors.New("plain"))
		require.False(t, ok)
		_, ok = fault.As(nil)
		require.False(t, ok)
	})
	t.Run("ErrorIsCodeAndSentence", func(t *testing.T) {
		t.Parallel()
		require.EqualError(t, errClosed, "cart_closed: This cart is closed.")
	})
}
