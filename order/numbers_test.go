package order

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/platform/pgtest"
)

func TestNumber(t *testing.T) {
	t.Parallel()

	t.Run("IsTheSequenceAndACheckDigit", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "5724", withCheckDigit(572)) // the example of the method's literature
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

	t.Run("AFailedDrawFailsOneCallerOnly", func(t *testing.T) {
		t.Parallel()
		fail := true
		n := &numbers{draw: func(context.Context) ([]int64, error) {
			if fail {
				return nil, errors.New("away")
			}
			return []int64{7}, nil
		}}
		_, err := n.next(t.Context())
		require.ErrorContains(t, err, "away")
		fail = false
		number, err := n.next(t.Context())
		require.NoError(t, err)
		require.Equal(t, withCheckDigit(7), number)
	})

	t.Run("NoTwoAreAlike", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		processes := []*shop{openAt(t, url), openAt(t, url)}
		var mu sync.Mutex
		seen := map[string]bool{}
		together(20, func(i int) {
			for range 25 {
				number, err := processes[i%2].numbers.next(t.Context())
				mu.Lock()
				seen[number] = err == nil
				mu.Unlock()
			}
		})
		require.Len(t, seen, 500)
		for number, ok := range seen {
			require.True(t, ok && validNumber(number), number)
			require.Len(t, number, len(strconv.Itoa(100000))+1)
		}
	})
}

func anyNumber(t *rapid.T) int64 { return rapid.Int64Range(100_000, 999_999_999).Draw(t, "number") }

// together runs f n times at once, and waits for all.
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
