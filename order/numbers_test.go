package order

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/internal/pgtest"
)

func TestNumber(t *testing.T) {
	t.Parallel()

	t.Run("IsTheSequenceAndACheckDigit", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "5724", withCheckDigit(572)) // the example from the literature
		require.Equal(t, "1000002", withCheckDigit(100_000))
	})

	t.Run("OneWrongDigitIsCaught", rapid.MakeCheck(func(t *rapid.T) {
		number := []byte(withCheckDigit(anyNumber(t)))
		require.True(t, validNumber(string(number)))
		at := rapid.IntRange(0, len(number)-1).Draw(t, "at")
		number[at] = '0' + (number[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "off")))%10
		require.False(t, validNumber(string(number)))
	}))

	t.Run("TwoSwappedNeighboursAreCaught", rapid.MakeCheck(func(t *rapid.T) {
		number := []byte(withCheckDigit(anyNumber(t)))
		at := rapid.IntRange(1, len(number)-1).Draw(t, "at")
		if number[at-1] == number[at] {
			return
		}
		number[at-1], number[at] = number[at], number[at-1]
		require.False(t, validNumber(string(number)))
	}))

	t.Run("OtherTextIsNone", func(t *testing.T) {
		t.Parallel()
		for _, s := range []string{"", "0", "10000O4", "-1000002", "１"} {
			require.False(t, validNumber(s), s)
		}
	})

	t.Run("IsDrawnAtRandomWithTwelveDigits", func(t *testing.T) {
		t.Parallel()
		seen := map[string]bool{}
		for range 500 {
			number := withCheckDigit(drawNumber())
			require.True(t, validNumber(number), number)
			require.Len(t, number, 12)
			seen[number] = true
		}
		require.Len(t, seen, 500)
	})

	t.Run("OneThatIsTakenIsDrawnAnew", func(t *testing.T) {
		t.Parallel()
		s := openAt(t, pgtest.New(t))
		drawn := []int64{7, 7, 8}
		s.DrawNumber = func() (n int64) {
			n, drawn = drawn[0], drawn[1:]
			return n
		}
		for range 2 {
			cmd := Place{OrderID: uuid.New(), CheckoutID: uuid.New(), CustomerID: "ada", Currency: "GBP", Total: 0}
			require.NoError(t, s.Handle(t.Context(), uuid.New(), uuid.New(), cmd))
		}
		require.Empty(t, drawn)
	})
}

func anyNumber(t *rapid.T) int64 { return rapid.Int64Range(100_000, 999_999_999).Draw(t, "number") }

// together runs f n times concurrently and waits for all.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}
