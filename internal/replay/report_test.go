package replay

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/client"
)

// ended returns a file of two invoices, played without a fault.
func ended(t *testing.T) (book *Invoices, all []played, there []found) {
	book = read(t, "1,A,a,2,2.55,,", "2,A,a,400,2.55,,", "C3,A,a,-1,2.55,,", "4,A,a,1,0,,")
	all = []played{{order: "o1", took: 10 * time.Millisecond}, {order: "o2", took: 20 * time.Millisecond}}
	there = []found{{"o1", "confirmed", 510, 510}, {"o2", "fulfilled", 102_000, 102_000}}
	return book, all, there
}

func TestCompare(t *testing.T) {
	t.Parallel()
	wrong := func(t *testing.T, spoil func(all []played, there []found) ([]played, []found)) []string {
		book, all, there := ended(t)
		all, there = spoil(all, there)
		r := compare(book, all, there)
		require.False(t, r.agrees())
		return r.wrong
	}
	t.Run("AllIsWell", func(t *testing.T) {
		t.Parallel()
		r := compare(ended(t))
		require.True(t, r.agrees())
		require.Empty(t, r.wrong)
		require.Equal(t, 2, r.orders)
	})
	t.Run("RefusedBasketSaysWhy", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []string{"invoice 2: 402 payment_declined: No."}, wrong(t, func(all []played, there []found) ([]played, []found) {
			all[1] = played{err: &client.Refusal{Status: 402, Code: "payment_declined", Detail: "No."}}
			return all, there[:1]
		}))
	})
	t.Run("LostOrder", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []string{"invoice 2: the order o2 is not among those of its customer"}, wrong(t, func(all []played, there []found) ([]played, []found) {
			return all, there[:1]
		}))
	})
	t.Run("OrderThatNobodyAskedFor", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []string{"the order o3 of 5.10 GBP, charged 5.10 GBP, was not requested"}, wrong(t, func(all []played, there []found) ([]played, []found) {
			return all, append(there, found{"o3", "confirmed", 510, 510})
		}))
	})
	t.Run("ChargedTwice", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []string{"invoice 1: 5.10 GBP in the file, 5.10 GBP in the order o1 (confirmed), 10.20 GBP in the ledger"},
			wrong(t, func(all []played, there []found) ([]played, []found) {
				there[0].charged = 1020
				return all, there
			}))
	})
	t.Run("ErrorsThatCancelOutAreStillWrong", func(t *testing.T) {
		t.Parallel()
		require.Len(t, wrong(t, func(all []played, there []found) ([]played, []found) {
			there[0].owed, there[1].owed = there[0].owed+1, there[1].owed-1
			return all, there
		}), 2)
	})
	t.Run("UnconfirmedOrderIsNone", func(t *testing.T) {
		t.Parallel()
		require.Len(t, wrong(t, func(all []played, there []found) ([]played, []found) {
			there[0] = found{"o1", "cancelled", 0, 510}
			return all, there
		}), 1)
	})
}

func TestReport(t *testing.T) {
	t.Parallel()
	t.Run("Reads", func(t *testing.T) {
		t.Parallel()
		r := compare(ended(t))
		r.file, r.phases = "december.csv", [3]time.Duration{1234567 * time.Microsecond, 83 * time.Second, time.Second}
		var out strings.Builder
		require.NoError(t, r.print(&out))
		require.Equal(t, `december.csv
  invoices                    4
    sales                     2
    cancellations             1
    nothing to sell           1
  lines                       4
    sold                      2
    left out                  2
      of a cancellation       1
      price zero or negative  1
  products                    1
  orders                      2

  products made in     1.2346s
  baskets played in    1m23s
  orders read back in  1s
  checkout             p50 10ms, p95 20ms, p99 20ms

  total of the file  1,025.10 GBP
  confirmed orders   1,025.10 GBP
  ledger             1,025.10 GBP

The file, the orders and the ledger agree to the penny.
`, out.String())
	})
	t.Run("NamesTenFaultsAndCountsTheRest", func(t *testing.T) {
		t.Parallel()
		r := compare(ended(t))
		for range 12 {
			r.addDifference(r.book.Baskets[0], "lost")
		}
		var out strings.Builder
		require.NoError(t, r.print(&out))
		require.Contains(t, out.String(), "do NOT agree: 12 wrong.\n")
		require.Equal(t, 10, strings.Count(out.String(), "invoice 1: lost"))
		require.Contains(t, out.String(), "and 2 more")
	})
	t.Run("FullDiskIsAnError", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, compare(ended(t)).print(full{}), errFull)
	})
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
